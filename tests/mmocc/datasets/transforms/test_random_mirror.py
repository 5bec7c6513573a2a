import copy

import numpy as np
import pytest
from mmengine.dataset import Compose

from mmocc.datasets import (
    ComputeLidar2Img,
    NuScenesOccDataset,
    RandomMirror,
    SampleError,
)
from mmocc.datasets.transforms.random_mirror import mirror_text
from mmocc.structures import CAMERAS, DIRECTIONS, EGO_STATUS, OccGrid

SIZE = (54, 96)


def is_left(name):
    return 'LEFT' in name


@pytest.fixture(scope='module')
def loaded(tiny_root):
    from mmengine.registry import DefaultScope

    with DefaultScope.overwrite_default_scope('mmocc'):
        pipeline = Compose(
            [
                {'type': 'LoadSurroundImages'},
                {'type': 'LoadOcc3DFromFile'},
                {'type': 'LoadEgoStatus'},
                {'type': 'LoadMetaAction'},
                {'type': 'LoadDrivingQA'},
            ]
        )
        dataset = NuScenesOccDataset(
            'nuscenes_infos_occ_train.pkl', str(tiny_root)
        )
        return pipeline(dataset.get_data_info(1))


@pytest.fixture
def frame(loaded):
    return copy.deepcopy(loaded)


def mirror(results):
    return RandomMirror(prob=1.0)(copy.deepcopy(results))


def assert_same(one, other):
    assert type(one) is type(other) or not isinstance(one, dict | list)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, np.ndarray | float | np.number):
        np.testing.assert_allclose(one, other, atol=1e-12)
    else:
        assert one == other


def test_mirror_is_its_own_inverse(frame):
    once = mirror(frame)
    twice = mirror(once)
    kept = {key: value for key, value in frame.items() if key in twice}
    assert_same(twice, kept)
    for key in ('img', 'voxel_semantics', 'questions', 'gt_ego', 'gt_meta'):
        assert key in twice
    assert not np.array_equal(once['img'], frame['img'])


def test_mirrored_point_lands_on_the_mirrored_pixel(frame):
    """Seen left before, seen right after, and the pixel is the same."""
    rng = np.random.default_rng(0)
    before = ComputeLidar2Img()(copy.deepcopy(frame))
    after = ComputeLidar2Img()(mirror(frame))
    seen = 0
    for _ in range(300):
        point = np.array([*rng.uniform(-20, 20, 2), rng.uniform(0, 4), 1])
        for view, name in enumerate(CAMERAS):
            twin = CAMERAS.index(mirror_text(name))
            pixel, depth = project(before, view, point)
            mirrored, mirrored_depth = project(
                after, twin, point * [1, -1, 1, 1]
            )
            np.testing.assert_allclose(depth, mirrored_depth, atol=1e-9)
            if depth < 1 or not (
                (0 < pixel).all() and (pixel < SIZE[::-1]).all()
            ):
                continue
            np.testing.assert_allclose(
                mirrored, [SIZE[1] - pixel[0], pixel[1]], atol=1e-6
            )
            u, v = np.floor(pixel).astype(int)
            mirrored_u = SIZE[1] - 1 - u
            np.testing.assert_array_equal(
                after['img'][twin][v, mirrored_u], before['img'][view][v, u]
            )
            seen += 1
    assert seen > 100


def project(results, view, point):
    cam = np.linalg.inv(results['cam2ego'][view]) @ point
    u, v, depth = results['cam2img'][view] @ cam[:3]
    # The same through the LiDAR frame.
    lidar = np.linalg.inv(results['lidar2ego']) @ point
    np.testing.assert_allclose(
        (results['lidar2img'][view] @ lidar)[:3], [u, v, depth], atol=1e-8
    )
    return np.array([u, v]) / depth, depth


def test_mirrored_extrinsics_are_rigid_motions(frame):
    results = ComputeLidar2Img()(mirror(frame))
    for matrix in [*results['cam2ego'], results['lidar2ego']]:
        rotation = matrix[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(rotation) == pytest.approx(1.0)


def test_left_cameras_still_look_left(frame):
    results = ComputeLidar2Img()(mirror(frame))
    for name, path, cam2ego in zip(
        results['cam_names'],
        results['filename'],
        results['cam2ego'],
        strict=True,
    ):
        assert mirror_text(name) in path  # shows what the twin saw
        if name not in ('CAM_FRONT', 'CAM_BACK'):
            assert (cam2ego[1, 2] > 0) == is_left(name)


def test_skewed_and_off_centre_lenses_are_mirrored(frame):
    frame['cam2img'][0][0, 1] = 3.0
    assert mirror(frame)['cam2img'][0][0, 1] == -3.0
    assert mirror(frame)['cam2img'][0][0, 2] == pytest.approx(0.49 * 96)


def test_occupied_voxel_moves_to_the_other_side(frame):
    grid = OccGrid()
    frame['voxel_semantics'][:] = 17
    index, _ = grid.to_index(np.array([10.1, 3.1, 0.5]))
    frame['voxel_semantics'][tuple(index)] = 4
    frame['mask_camera'][:] = frame['voxel_semantics'] == 4
    results = mirror(frame)
    mirrored, _ = grid.to_index(np.array([10.1, -3.1, 0.5]))
    assert np.argwhere(results['voxel_semantics'] == 4).tolist() == [
        mirrored.tolist()
    ]
    np.testing.assert_array_equal(
        results['mask_camera'], results['voxel_semantics'] == 4
    )


def test_motion_turns_to_the_other_side(frame):
    ego, mirrored = frame['gt_ego'], mirror(frame)['gt_ego']
    np.testing.assert_array_equal(
        mirrored['fut_trajs'], ego['fut_trajs'] * [1, -1]
    )
    np.testing.assert_array_equal(
        mirrored['his_trajs'], ego['his_trajs'] * [1, -1, -1]
    )
    signs = dict(zip(EGO_STATUS, (1, 1, -1, 1, -1, -1, -1), strict=True))
    np.testing.assert_array_equal(
        mirrored['status'],
        ego['status'] * [signs[name] for name in EGO_STATUS],
    )


def test_boxes_follow_their_voxels(frame):
    """A box in the LiDAR frame ends where the ego frame's mirror puts it."""
    box = frame['instances'][0]
    centre = frame['lidar2ego'] @ [*box['bbox_3d'][:3], 1]
    results = mirror(frame)
    mirrored = results['instances'][0]
    np.testing.assert_allclose(
        results['lidar2ego'] @ [*mirrored['bbox_3d'][:3], 1],
        centre * [1, -1, 1, 1],
        atol=1e-9,
    )
    for yaw, lidar2ego, sign in (
        (box['bbox_3d'][6], frame['lidar2ego'], 1),
        (mirrored['bbox_3d'][6], results['lidar2ego'], -1),
    ):
        heading = lidar2ego[:3, :3] @ [np.cos(yaw), np.sin(yaw), 0]
        heading[1] *= sign
        expected = frame['lidar2ego'][:3, :3] @ [
            np.cos(box['bbox_3d'][6]),
            np.sin(box['bbox_3d'][6]),
            0,
        ]
        np.testing.assert_allclose(heading, expected, atol=1e-9)
    np.testing.assert_array_equal(
        mirrored['fut_box'], box['fut_box'] * [1, -1, -1]
    )
    # mmdet3d's box of the same numbers would be flipped alike.
    from mmdet3d.structures import LiDARInstance3DBoxes

    boxes = LiDARInstance3DBoxes(
        np.array([[*box['bbox_3d'], *box['velocity']]]), box_dim=9
    )
    boxes.flip('vertical')
    np.testing.assert_allclose(
        boxes.tensor[0],
        [*mirrored['bbox_3d'], *mirrored['velocity']],
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ('word', 'other'),
    [
        ('Turn Left', 'Turn Right'),
        ('Change Lane Left', 'Change Lane Right'),
        ('Go Straight', 'Go Straight'),
        ('Stop', 'Stop'),
    ],
)
def test_meta_actions_change_sides(frame, word, other):
    frame['gt_meta']['direction'] = np.int64(DIRECTIONS.index(word))
    results = mirror(frame)
    assert DIRECTIONS[results['gt_meta']['direction']] == other
    assert results['gt_meta']['speed'] == frame['gt_meta']['speed']


def test_unlabelled_meta_action_stays_unlabelled(frame):
    frame['gt_meta'] = {'speed': np.int64(-1), 'direction': np.int64(-1)}
    assert mirror(frame)['gt_meta']['direction'] == -1


@pytest.mark.parametrize(
    ('text', 'mirrored'),
    [
        ('a car to the front left', 'a car to the front right'),
        ('Turn Left; the LEFT lane', 'Turn Right; the RIGHT lane'),
        ('the leftmost, right-hand side', 'the rightmost, left-hand side'),
        ('leftwards in CAM_FRONT_LEFT', 'rightwards in CAM_FRONT_RIGHT'),
        ('a bright upright leftover', 'a bright upright leftover'),
        ('it has the right of way', 'it has the right of way'),
        ('right-of-way on the right', 'right-of-way on the left'),
    ],
)
def test_words_change_sides(text, mirrored):
    assert mirror_text(text) == mirrored
    assert mirror_text(mirrored) == text


def test_texts_change_sides(frame):
    results = mirror(frame)
    for before, after in zip(
        frame['questions'], results['questions'], strict=True
    ):
        assert after.question == mirror_text(before.question)
        assert after.answer == mirror_text(before.answer)
        assert after.task == before.task


def test_drawn_share_is_the_probability(frame):
    tokens = [str(i) for i in range(400)]
    mirrored = [
        'ego' not in RandomMirror(prob=0.3)({'token': token, 'ego': {}})
        for token in tokens
    ]
    assert np.mean(mirrored) == pytest.approx(0.3, abs=0.07)
    assert mirrored == [
        'ego' not in RandomMirror(prob=0.3)({'token': token, 'ego': {}})
        for token in tokens
    ]


def test_wrong_places_and_rigs_are_refused(frame):
    with pytest.raises(SampleError, match='ComputeLidar2Img'):
        mirror({'token': 'tok', 'lidar2img': None})
    with pytest.raises(SampleError, match='TokenizeQA'):
        mirror({'token': 'tok', 'input_ids': []})
    frame['gt_ego']['command'] = np.int64(1)
    with pytest.raises(SampleError, match='command'):
        mirror(frame)
    frame['cam_names'] = frame['cam_names'][:2]
    with pytest.raises(SampleError, match='RIGHT'):
        mirror(frame)


def test_can_bus_agrees_with_a_turn_seen_in_a_mirror():
    """Yaw rate and lateral acceleration of a left turn change sign."""
    can_bus = np.zeros(18)
    yaw = 0.3
    can_bus[3], can_bus[6] = np.cos(yaw / 2), np.sin(yaw / 2)
    can_bus[7:10] = 0.5, 1.5, 9.8
    can_bus[10:13] = 0.01, 0.02, 0.3
    can_bus[13:16] = 5.0, 0.2, 0.0
    mirrored = mirror({'token': 'tok', 'can_bus': can_bus})['can_bus']
    assert 2 * np.arctan2(mirrored[6], mirrored[3]) == pytest.approx(-yaw)
    np.testing.assert_array_equal(mirrored[7:10], [0.5, -1.5, 9.8])
    np.testing.assert_array_equal(mirrored[10:13], [-0.01, 0.02, -0.3])
    np.testing.assert_array_equal(mirrored[13:16], [5.0, -0.2, 0.0])
