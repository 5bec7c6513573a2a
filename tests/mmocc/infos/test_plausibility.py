"""Legitimate rigs pass without a word; each kind of slip is caught."""

import warnings

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mmocc.infos.errors import InfoFileError
from mmocc.infos.geometry_check import check_info_geometry
from mmocc.infos.plausibility import (
    CAMERA_HEADINGS,
    IMPOSSIBLE,
    UNLIKELY,
    VARIABLE,
    judge,
    motion_problems,
    rig_problems,
)
from mmocc.infos.rigid import invert_rigid, quaternion_of, rotation_matrix

SEEDS = range(12)


def mount(heading: float, pitch: float, shift) -> np.ndarray:
    """cam2ego of a camera that looks ``heading`` degrees to the left."""
    a = np.deg2rad(heading)
    pose = np.eye(4)
    pose[:3, :3] = np.array(
        [
            [np.sin(a), 0, np.cos(a)],
            [-np.cos(a), 0, np.sin(a)],
            [0, -1, 0],
        ]
    )
    tilt = Rotation.from_euler('x', pitch, degrees=True).as_matrix()
    pose[:3, :3] = pose[:3, :3] @ tilt
    pose[:3, 3] = shift
    return pose


def rig(seed: int) -> dict:
    """Random cameras of a car, van or bus, by nuScenes' names."""
    rng = np.random.default_rng(seed)
    length, height = rng.uniform(0.5, 9.0), rng.uniform(0.6, 3.8)
    cameras = {}
    for name, heading in CAMERA_HEADINGS.items():
        width, tall = rng.choice([(1600, 900), (400, 225), (1280, 960)])
        turn = heading + rng.uniform(-12, 12)
        a = np.deg2rad(turn)
        shift = (np.cos(a) * length, np.sin(a) * 0.9, height)
        focal = width * rng.uniform(0.4, 4.0)
        centre = np.array([width, tall]) * rng.uniform(0.45, 0.55, 2)
        cam2img = np.array(
            [[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1]]
        )
        pose = mount(turn, rng.uniform(-15, 15), shift)
        cameras[name] = (cam2img, pose, (int(width), int(tall)))
    return cameras


def each_mount(change):
    return lambda cameras: {
        name: (k, change(pose.copy()), size)
        for name, (k, pose, size) in cameras.items()
    }


def each_matrix(change):
    return lambda cameras: {
        name: (change(k.copy()), pose, size)
        for name, (k, pose, size) in cameras.items()
    }


def exchange(one: str, other: str):
    def change(cameras):
        swapped = {**cameras}
        swapped[one], swapped[other] = cameras[other], cameras[one]
        return swapped

    return change


def scaled_shift(factor):
    def change(pose):
        pose[:3, 3] *= factor
        return pose

    return each_mount(change)


def xyzw(pose):
    """Read a quaternion w, x, y, z as if it were x, y, z, w."""
    q = quaternion_of(pose[:3, :3])
    pose[:3, :3] = rotation_matrix(q[[3, 0, 1, 2]])
    return pose


def quarter_turn(pose):
    """Give the pose in x right, y forward in place of x forward, y left."""
    turn = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    return turn @ pose


def of_number(value):
    def change(matrix):
        matrix[0, 2] = value
        return matrix

    return change


SLIPS = {
    'ego2cam': each_mount(invert_rigid),
    'left and right': exchange('CAM_BACK_LEFT', 'CAM_BACK_RIGHT'),
    'front and back': exchange('CAM_FRONT', 'CAM_BACK'),
    'neighbours': exchange('CAM_FRONT', 'CAM_FRONT_RIGHT'),
    'one side': exchange('CAM_FRONT_LEFT', 'CAM_BACK_LEFT'),
    'OpenGL': each_mount(lambda m: m @ np.diag([1.0, -1, -1, 1])),
    'axes of the car': each_mount(quarter_turn),
    'millimetres': scaled_shift(1000.0),
    'centimetres': scaled_shift(100.0),
    'mirrored': each_mount(lambda m: m @ np.diag([1.0, -1, 1, 1])),
    'scaled': each_mount(lambda m: m @ np.diag([1.1, 1.1, 1.1, 1])),
    'axes of the camera': each_mount(lambda m: m @ np.eye(4)[[1, 2, 0, 3]].T),
    'x ahead, y right, z down': each_mount(
        lambda m: m @ np.eye(4)[[1, 2, 0, 3]]
    ),
    'quaternion order': each_mount(xyzw),
    'transposed pose': each_mount(np.transpose),
    'not finite': each_mount(of_number(np.nan)),
    'absurd': each_mount(of_number(1e22)),
    'text': each_mount(lambda m: [['x'] * 4] * 4),
    'ragged': each_mount(lambda m: [[1, 2], [3]]),
    'larger image': each_matrix(lambda k: np.diag([4.0, 4, 1]) @ k),
    'smaller image': each_matrix(lambda k: np.diag([0.25, 0.25, 1]) @ k),
    'half the image': each_matrix(lambda k: np.diag([0.5, 0.5, 1]) @ k),
    'transposed': each_matrix(np.transpose),
    'no focal length': each_matrix(lambda k: k * [[0], [1], [1]]),
    'focal length in mm': each_matrix(lambda k: k * [[0.004, 1, 1]]),
    'infinite': each_matrix(of_number(np.inf)),
}


def refuse(cameras) -> None:
    judge(rig_problems(cameras), ValueError)


@pytest.mark.parametrize('seed', SEEDS)
def test_random_rigs_pass_without_a_word(seed):
    assert rig_problems(rig(seed)) == []


@pytest.mark.parametrize('slip', SLIPS)
def test_each_slip_is_refused(slip):
    for seed in SEEDS:
        with pytest.raises(ValueError, match='expected'):
            refuse(SLIPS[slip](rig(seed)))


@pytest.mark.parametrize(
    'cameras',
    [
        {'rear': (np.diag([900.0, 900, 1]), mount(180, 30, (-4, 0, 2)), None)},
        {'c7': (np.diag([900.0, 900, 1]), mount(-37, 0, (11, 1, 3.5)), None)},
        {
            'CAM_FRONT': (
                np.array([[19000.0, 0, 950], [0, 19000, 500], [0, 0, 1]]),
                mount(0, 0, (5, 0, 2.5)),
                (1920, 1080),
            )
        },
    ],
)
def test_unusual_rigs_pass(cameras):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        refuse(cameras)


def test_a_portrait_camera_warns():
    pose = mount(0, 0, (1, 0, 1.5))
    roll = Rotation.from_euler('z', 90, degrees=True).as_matrix()
    pose[:3, :3] = pose[:3, :3] @ roll
    [(_, problem)] = rig_problems({'x': (np.diag([9.0, 9, 1]), pose, None)})
    assert problem.level == UNLIKELY


def test_the_variable_turns_doubt_into_a_warning(monkeypatch):
    doubtful = SLIPS['front and back'](rig(0))
    with pytest.raises(ValueError, match=VARIABLE):
        refuse(doubtful)
    monkeypatch.setenv(VARIABLE, 'warn')
    with pytest.warns(UserWarning, match='CAM_FRONT'):
        refuse(doubtful)
    with pytest.raises(ValueError, match='mirrored'):
        refuse(SLIPS['mirrored'](rig(0)))


def drive(count: int = 12, speed: float = 9.0, turn: float = 0.1):
    """Poses of a car on a circle, 0.5 s apart, and their times."""
    poses = np.tile(np.eye(4), (count, 1, 1))
    place, yaw = np.array([400.0, 900.0]), 0.7
    for k in range(count):
        cos, sin = np.cos(yaw), np.sin(yaw)
        poses[k, :2, :2] = [[cos, -sin], [sin, cos]]
        poses[k, :2, 3] = place
        place = place + speed / 2 * np.array([cos, sin])
        yaw += turn / 2
    return poses, np.arange(count) / 2


def test_a_drive_passes():
    assert motion_problems(*drive()) == []
    assert motion_problems(*drive(speed=0.0, turn=0.0)) == []
    assert motion_problems(*drive(speed=-3.0)) == []


@pytest.mark.parametrize(
    'change',
    [
        lambda poses, times: (poses, times / 1000),
        lambda poses, times: (poses * scaled(1000.0), times),
        lambda poses, times: (poses + jump(), times),
        lambda poses, times: (np.linalg.inv(poses), times),
        lambda poses, times: (poses @ np.eye(4)[[1, 0, 2, 3]], times),
    ],
)
def test_motion_of_no_vehicle_is_named(change):
    assert motion_problems(*change(*drive()))


def scaled(factor: float) -> np.ndarray:
    matrix = np.ones((4, 4))
    matrix[:3, 3] = factor
    return matrix


def jump() -> np.ndarray:
    shift = np.zeros((12, 4, 4))
    shift[6:, 0, 3] = 300.0
    return shift


def test_impossible_steps_are_refused():
    found = motion_problems(*drive(speed=300.0))
    assert found[0][1].level == IMPOSSIBLE


def info(token: str = 't') -> dict:
    lidar2ego = np.eye(4)
    lidar2ego[:3, 3] = 0.9, 0.0, 1.8
    return dict(
        token=token,
        images={
            name: dict(
                cam2img=k.tolist(),
                cam2ego=pose.tolist(),
                lidar2cam=(invert_rigid(pose) @ lidar2ego).tolist(),
                width=size[0],
                height=size[1],
            )
            for name, (k, pose, size) in rig(3).items()
        },
        lidar_points=dict(lidar2ego=lidar2ego.tolist()),
    )


def test_info_files_are_checked_frame_by_frame():
    check_info_geometry([info('a'), info('b')], 'x.pkl')
    wrong = info('b')
    view = wrong['images']['CAM_BACK']
    view['lidar2cam'] = np.linalg.inv(view['lidar2cam']).tolist()
    with pytest.raises(InfoFileError, match=r'x\.pkl: sample b: CAM_BACK'):
        check_info_geometry([info('a'), wrong], 'x.pkl')
    wrong = info('b')
    wrong['images']['CAM_FRONT']['cam2ego'][0][3] = 1e22
    with pytest.raises(InfoFileError, match=r'sample b.*CAM_FRONT'):
        check_info_geometry([info('a'), wrong], 'x.pkl')
