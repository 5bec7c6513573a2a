import itertools

import numpy as np
import pytest
from nuscenes.map_expansion.arcline_path_utils import (
    discretize_lane,
    length_of_lane,
)

from mmocc.projects.SyntheticNuScenes.synthetic.curves import Curve
from mmocc.projects.SyntheticNuScenes.synthetic.map_expansion import (
    MapExpansion,
    arcline_path,
    simplify,
)


def test_the_devkit_walks_our_curves():
    curve = Curve.from_pose(
        (5, 6, 0.4), [(12, 0.0), (9, 0.08), (4, 0.0), (7, -0.12)]
    )
    path = arcline_path(curve)
    assert length_of_lane(path) == pytest.approx(curve.length)
    walked = np.array(discretize_lane(path, 0.5))
    ours = curve.sample(0.05)
    gap = np.linalg.norm(walked[:, None, :2] - ours[None, :, :2], axis=-1)
    assert gap.min(1).max() < 0.05
    np.testing.assert_allclose(walked[-1, :2], ours[-1, :2], atol=1e-3)


def test_simplify_keeps_the_shape():
    line = np.stack([np.linspace(0, 50, 101), np.zeros(101)], axis=1)
    assert len(simplify(line)) == 2
    angles = np.linspace(0, 1.5, 200)
    bend = 20 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    short = simplify(bend)
    assert 4 < len(short) < 40
    np.testing.assert_allclose(short[[0, -1]], bend[[0, -1]])
    along = np.linspace(0, 1, 50)[:, None]
    dense = np.concatenate(
        [a + along * (b - a) for a, b in itertools.pairwise(short)]
    )
    gap = np.linalg.norm(bend[:, None] - dense[None], axis=-1).min(1)
    assert gap.max() < 0.08


def test_every_lane_has_a_path_and_full_connectivity(stages):
    expansion = MapExpansion('test')
    expansion.add('scene-0916', stages['change_and_left'].world)
    content = expansion.as_dict((400.0, 400.0))
    tokens = {
        row['token']
        for layer in ('lane', 'lane_connector')
        for row in content[layer]
    }
    assert set(content['arcline_path_3']) == tokens
    assert set(content['connectivity']) == tokens
    for token, links in content['connectivity'].items():
        for other in links['outgoing']:
            assert token in content['connectivity'][other]['incoming']
            end = content['arcline_path_3'][token][-1]['end_pose']
            start = content['arcline_path_3'][other][0]['start_pose']
            np.testing.assert_allclose(end[:2], start[:2], atol=1e-6)
    for row in content['lane_connector']:
        links = content['connectivity'][row['token']]
        assert len(links['incoming']) == len(links['outgoing']) == 1
    nodes = np.array([[row['x'], row['y']] for row in content['node']])
    assert nodes.min() > -60 and nodes.max() < 420
