import random

import numpy as np
import pytest

from mmocc.datasets import SeededTransforms

PHOTOMETRIC = {
    'type': 'MultiViewWrapper',
    'transforms': [{'type': 'PhotoMetricDistortion3D'}],
}


def draw(results):
    results['drawn'] = (np.random.random(), random.random())
    return results


def run(transform, draw=(0, 0), token='tok'):
    return SeededTransforms([transform])(
        {
            'token': token,
            'draw': draw,
            'img': [np.full((4, 4, 3), 90, np.uint8) for _ in range(6)],
        }
    )


def test_draws_depend_on_seed_epoch_and_token_alone():
    first = run(draw)['drawn']
    np.random.seed(5)
    random.seed(5)
    assert run(draw)['drawn'] == first
    for other in ({'draw': (1, 0)}, {'draw': (0, 1)}, {'token': 'b'}):
        assert run(draw, **other)['drawn'] != first


def test_the_global_generators_go_on_undisturbed():
    np.random.seed(5)
    random.seed(5)
    expected = np.random.random(), random.random()
    np.random.seed(5)
    random.seed(5)
    run(draw)
    assert (np.random.random(), random.random()) == expected


def test_the_global_generators_survive_an_error():
    def fail(results):
        np.random.random()
        raise KeyError('x')

    np.random.seed(5)
    expected = np.random.get_state()[1].copy()
    with pytest.raises(KeyError):
        run(fail)
    np.testing.assert_array_equal(np.random.get_state()[1], expected)


def test_mmdet3ds_colours_change_all_views_alike():
    frames = [run(PHOTOMETRIC, (0, epoch))['img'] for epoch in range(8)]
    for views in frames:
        for view in views[1:]:
            np.testing.assert_array_equal(view, views[0])
    assert len({views[0].tobytes() for views in frames}) > 4
    again = run(PHOTOMETRIC, (0, 3))['img']
    np.testing.assert_array_equal(again, frames[3])
