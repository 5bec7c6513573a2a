"""Past views: geometry through both ego poses, and what stands in."""

import numpy as np
import pytest

from mmocc.datasets import NuScenesOccDataset

VIEWS = 6
SIZE = (27, 48)


def dataset(root, num_history=2, extra=(), filter_cfg=None):
    pipeline = [
        dict(type='LoadSurroundImages', size=SIZE),
        dict(type='LoadHistoryImages', size=SIZE),
        *extra,
        dict(type='ComputeLidar2Img'),
        dict(type='PackOccInputs'),
    ]
    return NuScenesOccDataset(
        ann_file='nuscenes_infos_occ_train.pkl',
        data_root=str(root),
        pipeline=pipeline,
        num_history=num_history,
        filter_cfg=filter_cfg,
    )


def pixel(sample, view, point):
    """Where a view of a packed sample sees a point of the ego frame."""
    cam2ego = sample.cam2ego[view]
    ray = sample.cam2img[view] @ (np.linalg.inv(cam2ego) @ [*point, 1.0])[:3]
    return ray[:2] / ray[2]


def test_a_standing_point_is_found_in_the_past_image(tiny_root):
    # The car drives 3 m a key frame along x: what is 10 m ahead now was 13
    # and 16 m ahead of it then, and the front camera sat 1.5 m before it.
    item = dataset(tiny_root)[2]
    sample = item['data_samples']
    assert item['inputs']['img'].shape == (3 * VIEWS, 3, *SIZE)
    focal, centre = 0.8 * 48, 0.51 * 48
    for age, ahead in enumerate((10.0, 13.0, 16.0)):
        u, _ = pixel(sample, age * VIEWS, (10.0, 2.0, 1.5))
        assert u == pytest.approx(centre - focal * 2.0 / (ahead - 1.5))


def test_past_views_are_the_views_of_the_past_frame(tiny_root):
    data = dataset(tiny_root)
    now = data[2]
    for age in (1, 2):
        then = data[2 - age]
        views = slice(age * VIEWS, (age + 1) * VIEWS)
        assert (
            now['inputs']['img'][views] == then['inputs']['img'][:VIEWS]
        ).all()
        names = now['data_samples'].cam_names[views]
        assert names[0] == f'CAM_FRONT@{age}'
        np.testing.assert_array_equal(
            now['data_samples'].cam2img[views],
            then['data_samples'].cam2img[:VIEWS],
        )


def test_at_the_start_of_a_scene_the_oldest_frame_stands_in(tiny_root):
    data = dataset(tiny_root)
    first, second = data[0], data[1]
    images = first['inputs']['img']
    assert (images[:VIEWS] == images[VIEWS : 2 * VIEWS]).all()
    # Seen from where they were taken: no motion at all.
    np.testing.assert_allclose(
        first['data_samples'].cam2ego[:VIEWS],
        first['data_samples'].cam2ego[VIEWS : 2 * VIEWS],
        atol=1e-9,
    )
    images = second['inputs']['img']
    assert (images[VIEWS : 2 * VIEWS] == images[2 * VIEWS :]).all()
    assert (images[:VIEWS] != images[VIEWS : 2 * VIEWS]).any()


def test_the_mirror_keeps_past_and_present_consistent(tiny_root):
    plain = dataset(tiny_root)[2]['data_samples']
    mirror = dict(type='RandomMirror', prob=1.0)
    mirrored = dataset(tiny_root, extra=[mirror])[2]['data_samples']
    point = np.array([12.0, 3.0, 1.0])
    for age in range(3):
        names = mirrored.cam_names[age * VIEWS : (age + 1) * VIEWS]
        assert names == plain.cam_names[age * VIEWS : (age + 1) * VIEWS]
        u, v = pixel(plain, age * VIEWS, point)
        u_mirrored, v_mirrored = pixel(
            mirrored, age * VIEWS, point * [1, -1, 1]
        )
        assert u_mirrored == pytest.approx(SIZE[1] - u)
        assert v_mirrored == pytest.approx(v)


def test_a_data_set_that_does_not_look_back_is_named(tiny_root):
    with pytest.raises(KeyError, match='num_history'):
        dataset(tiny_root, num_history=0)[0]
