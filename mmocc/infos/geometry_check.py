"""Check calibration and poses of an info file, once when it is read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmocc.infos.errors import InfoFileError
from mmocc.infos.plausibility import (
    DOUBTFUL,
    MOST_APART,
    MOST_TURNED,
    ROTATION_TOLERANCE,
    UNLIKELY,
    Problem,
    are_poses,
    intrinsics_problems,
    judge,
    motion_problems,
    pose_problem,
    rig_problems,
    to_matrix,
    transform_problem,
)
from mmocc.infos.rigid import invert_rigid
from mmocc.infos.scenes import (
    InfoScene,
    group_scenes,
    missing_for_scenes,
)

_Found = list[tuple[str, Problem]]
_HERE = np.eye(4)
_CALIBRATION = ('cam2img', 'cam2ego', 'width', 'height')


def check_info_geometry(
    data_list: Sequence[Mapping[str, Any]],
    source: str,
    scenes: Sequence[InfoScene] = (),
) -> None:
    """Refuse cameras and poses that no road vehicle has.

    A rig is checked once, however many frames share it. What a frame lacks,
    or what has another shape, is passed over: the schema names it when the
    frame is read.

    Args:
        data_list (Sequence[Mapping]): Entries of an info file.
        source (str): Path of the file, for messages.
        scenes (Sequence[InfoScene]): Its scenes, where they are known.
            Defaults to none: they are told apart here if the file allows it.

    Raises:
        InfoFileError: See ``mmocc.infos.plausibility``.
    """
    found: _Found = []
    pairs: list[tuple[str, Any, Any, Any]] = []
    posed: list[Mapping[str, Any]] = []
    before: dict[str, list] = {}
    for info in data_list:
        place = f'{source}: sample {info.get("token", "(unknown)")}'
        views = {
            name: view
            for name, view in _mapping(info.get('images')).items()
            if isinstance(view, Mapping)
        }
        rig = {
            name: [view.get(key) for key in _CALIBRATION]
            for name, view in views.items()
        }
        if not _same(rig, before):
            found += [(f'{place}: {at}', each) for at, each in _rig(rig)]
            before = rig
        lidar2ego = _mapping(info.get('lidar_points')).get('lidar2ego', _HERE)
        pairs += [
            (f'{place}: {name}', view['lidar2cam'], view['cam2ego'], lidar2ego)
            for name, view in views.items()
            if view.get('lidar2cam') is not None
            and view.get('cam2ego') is not None
        ]
        if 'ego2global' in info:
            posed.append(info)
    found += _lidar_problems(pairs)
    found += _pose_problems(posed, source, scenes)
    judge(found, InfoFileError)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _same(rig: dict[str, list], before: dict[str, list]) -> bool:
    """Whether two rigs are equal; False where it cannot be told cheaply."""
    try:
        return rig == before
    except ValueError:  # NumPy arrays
        return all(
            len(rig) == len(before)
            and name in before
            and all(map(np.array_equal, rig[name], before[name]))
            for name in rig
        )


def _rig(rig: dict[str, list]) -> _Found:
    cameras = {}
    for name, (cam2img, cam2ego, width, height) in rig.items():
        if to_matrix(cam2ego).shape != (4, 4):
            continue  # the schema names it when the frame is read
        size = (width, height) if width and height else None
        # Some files hold 4 x 4 intrinsics.
        if to_matrix(cam2img).shape == (4, 4):
            cam2img = to_matrix(cam2img)[:3, :3]
        if to_matrix(cam2img).shape == (3, 3):
            cameras[name] = (cam2img, cam2ego, size)
    blank = [
        name
        for name, (_, cam2ego, _) in cameras.items()
        if np.array_equal(to_matrix(cam2ego)[:3, :3], np.eye(3))
    ]
    if not blank or len(blank) < len(cameras):
        return rig_problems(cameras)
    # Files for parts that read no geometry leave the mounts out this way.
    what = 'all cameras have the rotation of the identity, as if unknown'
    problem = Problem(UNLIKELY, what, 'the mounting pose of each camera')
    return [(f'cam2ego of {blank[0]}', problem)] + [
        (f'cam2img of {name}', each)
        for name, (cam2img, _, size) in cameras.items()
        for each in intrinsics_problems(cam2img, size)
    ]


def _stack(values: Sequence[Any]) -> tuple[np.ndarray, list[int]]:
    """Convert matrices at once; return (N, 4, 4) and where they are none."""
    if not values:
        return np.zeros((0, 4, 4)), []
    try:
        stack = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        stack = np.zeros(0)
    if stack.shape == (len(values), 4, 4):
        return stack, []
    each = [to_matrix(value) for value in values]
    bad = [k for k, matrix in enumerate(each) if matrix.shape != (4, 4)]
    for k in bad:
        each[k] = np.eye(4)
    return np.stack(each), bad


def _lidar_problems(pairs: Sequence[tuple[str, Any, Any, Any]]) -> _Found:
    """Compare lidar2cam with cam2ego and lidar2ego of each view."""
    if not pairs:
        return []
    places, *columns = zip(*pairs, strict=True)
    stacks = [_stack(each) for each in columns]
    (lidar2cam, mounts, lidar2ego), broken = zip(*stacks, strict=True)
    bad = set().union(*broken)
    lost = np.flatnonzero(~np.isfinite(lidar2cam).all(axis=(1, 2))).tolist()
    # Both lead from the LiDAR to the ego frame; the car moves in between.
    with np.errstate(all='ignore'):
        apart = mounts @ lidar2cam - lidar2ego
    limit = np.sin(np.deg2rad(MOST_TURNED))
    good = np.abs(apart[:, :3, :3]).max(axis=(1, 2)) < limit
    good &= np.abs(apart[:, :3, 3]).max(axis=1) < MOST_APART
    good &= (
        np.abs(np.linalg.norm(lidar2cam[:, :3, :3], axis=2) - 1).max(axis=1)
        < ROTATION_TOLERANCE
    )
    # Who reads such a frame refuses it, or leaves it out.
    problem = Problem(UNLIKELY, 'values that are not finite', 'numbers')
    found = [(f'{places[k]}: lidar2cam', problem) for k in lost]
    # The schema names misshapen matrices when the frame is read.
    for k in sorted(set(np.flatnonzero(~good).tolist()) - bad - set(lost)):
        problem = None
        for name, given in zip(
            ('lidar2cam', 'cam2ego', 'lidar2ego'), pairs[k][1:], strict=True
        ):
            problem = problem or transform_problem(given)
            if problem:
                found.append((f'{places[k]}: {name}', problem))
                break
        if problem:
            continue
        other = mounts[k] @ invert_rigid(lidar2cam[k]) - lidar2ego[k]
        turned = np.abs(other[:3, :3]).max() < limit
        problem = Problem(
            DOUBTFUL if turned else UNLIKELY,
            'it contradicts cam2ego and lidar2ego'
            + (' (it is the wrong way round)' if turned else ''),
            'inv(cam2ego) @ lidar2ego but for the motion in between',
        )
        found.append((f'{places[k]}: lidar2cam', problem))
    return found


def _pose_problems(
    posed: Sequence[Mapping[str, Any]],
    source: str,
    scenes: Sequence[InfoScene],
) -> _Found:
    """Check the poses of the car, and the motion within each scene."""
    poses, bad = _stack([info['ego2global'] for info in posed])
    doubted = set(np.flatnonzero(~are_poses(poses)).tolist()) - set(bad)
    found: _Found = []
    for k in sorted(doubted):
        problem = pose_problem(posed[k]['ego2global'])
        place = f'{source}: sample {posed[k].get("token")}: ego2global'
        found += [(place, problem)] if problem else []
    if found or bad or missing_for_scenes(posed):
        return found
    places = {info['token']: k for k, info in enumerate(posed)}
    for scene in scenes or group_scenes(posed, source):
        infos = [info for info in scene.infos if info['token'] in places]
        if any(info.get('timestamp') is None for info in infos):
            continue  # motion needs times
        members = [places[info['token']] for info in infos]
        times = np.array([info['timestamp'] for info in infos])
        found += [
            (f'{source}: sample {infos[k]["token"]}', problem)
            for k, problem in motion_problems(poses[members], times)
        ]
    return found
