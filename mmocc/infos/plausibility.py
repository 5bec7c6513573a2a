"""Whether cameras and poses can be those of a road vehicle.

Info files, drives of one's own cameras and arrays are judged here; the check
of nuScenes' tables has limits of its own, nearer to nuScenes' car, and shares
the directions of its cameras. Each function returns :class:`Problem` s of
three levels:

* ``IMPOSSIBLE``: no rig has it (a mirrored rotation, NaN).
* ``DOUBTFUL``: all but certainly a slip, such as a camera that looks to the
  left and is named for the right. Refused; the environment variable
  ``MMOCC_DOUBTFUL_GEOMETRY=warn`` turns the refusal into a warning.
* ``UNLIKELY``: unusual, but some vehicle has it. A warning.

The limits are ours. Coordinates: ego x forward, y left, z up, on the ground;
camera x right, y down, z forward; metres, pixels, seconds.
"""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from mmocc.infos.rigid import invert_rigid

IMPOSSIBLE, DOUBTFUL, UNLIKELY = 'impossible', 'doubtful', 'unlikely'
VARIABLE = 'MMOCC_DOUBTFUL_GEOMETRY'
# Viewing direction of nuScenes' cameras, degrees to the left of the front.
CAMERA_HEADINGS = {
    'CAM_FRONT': 0.0,
    'CAM_FRONT_RIGHT': -55.0,
    'CAM_FRONT_LEFT': 55.0,
    'CAM_BACK': 180.0,
    'CAM_BACK_LEFT': 110.0,
    'CAM_BACK_RIGHT': -110.0,
}
# Degrees that a camera of such a name may be off without a word, and at all:
# its neighbour is 55 degrees away, so 50 is nearer to the neighbour.
USUAL_TURN, MOST_TURN = 35.0, 50.0
# Float32 files hold rotations to about 1e-6; three digits by hand to 1e-3.
ROTATION_TOLERANCE = 2e-3
# Metres from the ego origin to a sensor: an articulated bus is 18 m long, so
# 30 m is beyond every vehicle, and 0.5 m in centimetres is 50.
USUAL_MOUNT, MOST_MOUNT = 12.0, 30.0
# Height of a camera, metres: bumper to the roof of a double-decker (4.4 m),
# with some sag of the springs.
LOWEST_CAMERA, HIGHEST_CAMERA = -0.3, 6.0
# Metres to the side: vehicles are 2.6 m wide, with mirrors 3.2 m.
USUAL_SIDE, MOST_SIDE = 2.0, 5.0
# Degrees above the horizon of a camera for the road.
MOST_PITCH = 60.0
# The up side of the image against the vehicle's: the sine of its elevation.
# Below 0.5 the camera is rolled by more than 60 degrees.
LEAST_UPRIGHT = 0.5
# Sine of the elevation from which a camera looks upwards.
MOST_UPWARD = 0.5
# Focal length over width: 0.2 is 136 degrees, as wide as a pinhole camera
# gets; 20 is 3 degrees, a telescope.
LEAST_FOCAL, MOST_FOCAL = 0.2, 20.0
# Focal lengths across and down; images may be resized to squares.
MOST_ASPECT = 3.0
# Principal point over size of the image, from its centre: 0.2 leaves room
# for images that are cropped at the top; 1/6 in both by the same ratio is
# the matrix of an image of another size.
USUAL_OFFSET, SCALED_OFFSET, SAME_RATIO = 0.2, 1 / 6, 0.1
# Largest number in a matrix: Earth's circumference in metres is 4e7.
MOST_NUMBER = 1e8
# Camera against LiDAR: they fire up to 0.25 s apart, at 45 m/s and 1 rad/s.
MOST_APART, MOST_TURNED = 12.0, 20.0
# Motion of road vehicles: 300 km/h; a step of poses; degrees of tilt (a
# multi-storey car park has ramps of 15 %, 9 degrees).
MOST_SPEED, POSE_NOISE, MOST_TILT = 85.0, 0.5, 30.0
# m/s^2 and rad/s that no road car exceeds, with noise of positions.
USUAL_ACCELERATION, USUAL_YAW_RATE = 20.0, 2.0
# Metres of motion below which the direction of travel says nothing.
LEAST_TRAVEL = 1.0
# Share of steps sideways or turned from which poses are doubted.
MOST_SIDEWAYS = 0.8
_OPENGL = np.diag([1.0, -1.0, -1.0])


class Problem(NamedTuple):
    """What is wrong with a piece of geometry.

    Attributes:
        level (str): ``IMPOSSIBLE``, ``DOUBTFUL`` or ``UNLIKELY``.
        what (str): What was got, for a message that names the place before.
        expected (str): What was expected, and the way out.
    """

    level: str
    what: str
    expected: str

    def __str__(self) -> str:
        return f'{self.what}; expected {self.expected}'


def judge(
    problems: Sequence[tuple[str, Problem]],
    error: Callable[[str], Exception],
) -> None:
    """Refuse the worst of the problems of a rig, and warn of the others.

    Args:
        problems (Sequence[tuple[str, Problem]]): Each with its place.
        error (Callable): Makes the exception of a message.

    Raises:
        Exception: What ``error`` makes, if a problem is impossible, or
            doubtful and not allowed by the environment variable.
    """
    allowed = os.environ.get(VARIABLE) == 'warn'
    for level in (IMPOSSIBLE, DOUBTFUL, UNLIKELY):
        found = [each for each in problems if each[1].level == level]
        if not found:
            continue
        place, problem = found[0]
        more = f' (and {len(found) - 1} more)' if len(found) > 1 else ''
        message = f'{place}: {problem}{more}'
        if level == IMPOSSIBLE:
            raise error(message)
        if level == DOUBTFUL and not allowed:
            raise error(f'{message}; if it is meant so, set {VARIABLE}=warn')
        warnings.warn(message, stacklevel=3)


def to_matrix(value: Any) -> np.ndarray:
    """Convert a given matrix to float64; empty if it holds no numbers."""
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.zeros(0)


def _describe(value: Any) -> str:
    """Describe what was given in place of a matrix."""
    matrix = to_matrix(value)
    if matrix.ndim != 2:
        return f'no matrix of numbers: {value!r:.80}'
    if not (np.abs(matrix) < MOST_NUMBER).all():
        return f'values that are not finite in a matrix {matrix.shape}'
    return f'a matrix of shape {matrix.shape}: {matrix.round(3).tolist()}'


def transform_problem(value: Any) -> Problem | None:
    """Say why a value is no rigid transform (4, 4), None if it is one."""
    matrix = to_matrix(value)
    expected = (
        'a rigid 4 x 4 transform of finite numbers: a right-handed rotation '
        'without scale, a shift in metres, and the last row 0 0 0 1'
    )
    if matrix.shape != (4, 4) or not (np.abs(matrix) < MOST_NUMBER).all():
        what = _describe(value)
    else:
        rotation = matrix[:3, :3]
        error = np.abs(rotation @ rotation.T - np.eye(3)).max()
        scale = np.abs(np.linalg.det(rotation)) ** (1 / 3)
        if np.abs(matrix[3] - (0, 0, 0, 1)).max() > ROTATION_TOLERANCE:
            what = f'the last row {matrix[3].tolist()} (is it transposed?)'
        elif error > ROTATION_TOLERANCE:
            what = f'a rotation that is none, of scale {scale:.3g}'
        elif np.linalg.det(rotation) < 0:
            what = 'a mirrored rotation'
        else:
            return None
    return Problem(IMPOSSIBLE, what, expected)


def intrinsics_problems(
    value: Any, size: tuple[float, float] | None
) -> list[Problem]:
    """Check pinhole intrinsics.

    Args:
        value (Any): What was given for a matrix (3, 3), pixels.
        size (tuple[float, float], optional): Width and height of the image
            that it is for; None where it is unknown.
    """
    matrix = to_matrix(value)
    form = (
        'a pinhole matrix, 3 x 3 finite numbers [[fx, 0, cx], [0, fy, cy], '
        '[0, 0, 1]] in pixels of the image as given; rectify fisheye images '
        'first, and of a larger matrix take the upper left 3 x 3'
    )
    if matrix.shape != (3, 3) or not (np.abs(matrix) < MOST_NUMBER).all():
        return [Problem(IMPOSSIBLE, _describe(value), form)]
    lower = np.abs([matrix[1, 0], *(matrix[2] - (0, 0, 1))]).max()
    (fx, fy), (cx, cy) = np.diag(matrix)[:2], matrix[:2, 2]
    if lower > ROTATION_TOLERANCE or min(fx, fy) <= 0:
        return [Problem(IMPOSSIBLE, _describe(value), form)]
    problems = []
    if max(fx / fy, fy / fx) > MOST_ASPECT:
        what = f'focal lengths of {fx:.1f} across and {fy:.1f} down'
        problems.append(Problem(DOUBTFUL, what, 'about the same'))
    if size is None:
        return problems
    width, height = size
    image = f'an image of {width:g} x {height:g} pixels'
    if min(size) <= 0:
        return [Problem(IMPOSSIBLE, image, 'its size in pixels')]
    if not (0 < cx < width and 0 < cy < height):
        what = f'the principal point ({cx:.1f}, {cy:.1f}) outside of {image}'
        scale = 'inside; scale cam2img to the images as given'
        return [*problems, Problem(IMPOSSIBLE, what, scale)]
    if not LEAST_FOCAL < fx / width < MOST_FOCAL:
        what = f'the focal length {fx:.4g} for {image}'
        expected = (
            f'{LEAST_FOCAL * width:.0f} to {MOST_FOCAL * width:.0f} pixels'
        )
        problems.append(Problem(DOUBTFUL, what, expected))
    offset = np.array([cx / width, cy / height]) - 0.5
    what = f'the principal point ({cx:.1f}, {cy:.1f}) in {image}'
    centre = f'about ({width / 2:.0f}, {height / 2:.0f})'
    ratio = abs(offset[0] - offset[1])
    if np.abs(offset).min() > SCALED_OFFSET and ratio < SAME_RATIO:
        expected = f'{centre}; is the matrix that of another image size?'
        problems.append(Problem(DOUBTFUL, what, expected))
    elif np.abs(offset).max() > USUAL_OFFSET:
        problems.append(Problem(UNLIKELY, what, centre))
    return problems


def camera_heading(cam2ego: np.ndarray) -> float:
    """Return where a camera looks to, degrees to the left of the front."""
    return float(np.rad2deg(np.arctan2(cam2ego[1, 2], cam2ego[0, 2])))


def camera_turn(name: str, cam2ego: np.ndarray) -> float:
    """Return degrees between a camera's direction and that of its name.

    Args:
        name (str): One of ``CAMERA_HEADINGS``.
        cam2ego (np.ndarray): (4, 4).
    """
    off = camera_heading(cam2ego) - CAMERA_HEADINGS[name]
    return abs((off + 180) % 360 - 180)


def _upright(rotation: np.ndarray) -> bool:
    """Whether a camera is upright and does not look into the sky."""
    return bool(
        -rotation[2, 1] > LEAST_UPRIGHT
        and rotation[2, 2] < np.sin(np.deg2rad(MOST_PITCH))
    )


def mount_problems(name: str, value: Any) -> list[Problem]:
    """Check the mounting pose of a camera.

    Args:
        name (str): Its name; nuScenes' names tell where it looks to.
        value (Any): What was given for cam2ego (4, 4).
    """
    broken = transform_problem(value)
    if broken:
        return [broken]
    cam2ego = to_matrix(value)
    rotation, (_, y, z) = cam2ego[:3, :3], cam2ego[:3, 3]
    problems = []
    distance = float(np.linalg.norm(cam2ego[:3, 3]))
    if distance > USUAL_MOUNT:
        level = IMPOSSIBLE if distance > MOST_MOUNT else UNLIKELY
        what = f'mounted {distance:.1f} m from the ego origin'
        expected = 'metres, on the car (not millimetres or centimetres)'
        problems.append(Problem(level, what, expected))
    if not LOWEST_CAMERA < z < HIGHEST_CAMERA:
        what = f'mounted {z:.2f} m above the road'
        expected = (
            f'{LOWEST_CAMERA} to {HIGHEST_CAMERA} m, cam2ego (not ego2cam) '
            'from the camera to an ego frame on the ground'
        )
        problems.append(Problem(DOUBTFUL, what, expected))
    if abs(y) > USUAL_SIDE:
        level = DOUBTFUL if abs(y) > MOST_SIDE else UNLIKELY
        what = f'mounted {abs(y):.1f} m beside the middle of the car'
        problems.append(Problem(level, what, f'at most {USUAL_SIDE} m'))
    if not _upright(rotation):
        up, ahead = -rotation[2, 1], rotation[2, 2]
        what = (
            'its image stands on its side or head, or looks into the sky '
            f'(up {up:+.2f}, forward {ahead:+.2f} of vertical)'
        )
        guess = 'an upright camera, x right, y down, z forward'
        level = DOUBTFUL
        if _upright(rotation.T):
            guess = 'cam2ego: this is ego2cam, the wrong way round; invert it'
        elif _upright(rotation @ _OPENGL):
            guess += ': are its axes those of OpenGL, y up and z backward?'
        elif abs(up) < LEAST_UPRIGHT and (
            abs(ahead) < MOST_UPWARD
            or (ahead < 0 and name not in CAMERA_HEADINGS)
        ):
            # Portrait images, or a camera that looks down on the road; the
            # models' own cameras look to the horizon.
            level = UNLIKELY
        problems.append(Problem(level, what, guess))
    elif name in CAMERA_HEADINGS and camera_turn(name, cam2ego) > USUAL_TURN:
        level = (
            DOUBTFUL if camera_turn(name, cam2ego) > MOST_TURN else UNLIKELY
        )
        what = f'looks {camera_heading(cam2ego):.0f} degrees to the left'
        expected = f'about {CAMERA_HEADINGS[name]:.0f}: are cameras swapped?'
        problems.append(Problem(level, what, expected))
    return problems


def rig_problems(
    cameras: Mapping[str, tuple[Any, Any, tuple[float, float] | None]],
) -> list[tuple[str, Problem]]:
    """Check the cameras of a vehicle.

    Args:
        cameras (Mapping): By name what was given for ``cam2img`` (3, 3) and
            ``cam2ego`` (4, 4), and the (width, height) of the image or None.

    Returns:
        list[tuple[str, Problem]]: Name and matrix of a camera, its problem.
    """
    problems = []
    for name, (cam2img, cam2ego, size) in cameras.items():
        problems += [
            (f'cam2img of {name}', each)
            for each in intrinsics_problems(cam2img, size)
        ]
        problems += [
            (f'cam2ego of {name}', each)
            for each in mount_problems(name, cam2ego)
        ]
    if any(problem.level == IMPOSSIBLE for _, problem in problems):
        return problems
    named = [name for name in cameras if name in CAMERA_HEADINGS]
    for one, other in combinations(named, 2):
        poses = [to_matrix(cameras[name][1]) for name in (one, other)]
        own = min(camera_turn(one, poses[0]), camera_turn(other, poses[1]))
        swapped = max(camera_turn(one, poses[1]), camera_turn(other, poses[0]))
        if own > USUAL_TURN > swapped:
            what = f'it looks where {other} should, and the other way round'
            problem = Problem(DOUBTFUL, what, 'each under its own name')
            problems.append((f'cam2ego of {one}', problem))
    return problems


def pose_problem(value: Any) -> Problem | None:
    """Say why a value is no ego2global (4, 4), None if it can be one."""
    broken = transform_problem(value)
    if broken:
        return broken
    if to_matrix(value)[2, 2] < np.cos(np.deg2rad(MOST_TILT)):
        what = f'the car is tilted by more than {MOST_TILT:.0f} degrees'
        return Problem(DOUBTFUL, what, 'axes x forward, y left, z up')
    return None


def are_poses(ego2global: np.ndarray) -> np.ndarray:
    """Whether matrices (N, 4, 4) pass ``pose_problem``, (N,) bool."""
    turn = ego2global[:, :3, :3]
    with np.errstate(all='ignore'):
        error = np.abs(turn @ turn.swapaxes(1, 2) - np.eye(3)).max((1, 2))
        upright = ego2global[:, 2, 2] >= np.cos(np.deg2rad(MOST_TILT))
        size = np.abs(ego2global).max((1, 2)) < MOST_NUMBER
        last = np.abs(ego2global[:, 3] - (0, 0, 0, 1)).max(1)
        return (
            (error < ROTATION_TOLERANCE)
            & (last < ROTATION_TOLERANCE)
            & (np.linalg.det(turn) > 0)
            & upright
            & size
        )


def motion_problems(
    ego2global: np.ndarray, times: np.ndarray
) -> list[tuple[int, Problem]]:
    """Check the motion between poses of one drive.

    Args:
        ego2global (np.ndarray): (N, 4, 4), rigid.
        times (np.ndarray): (N,) rising seconds.

    Returns:
        list[tuple[int, Problem]]: Index of the pose behind a step; 0 where
        all of them are meant.
    """
    problems: list[tuple[int, Problem]] = []
    ego2global = np.asarray(ego2global, dtype=np.float64)
    step = np.diff(np.asarray(times, dtype=np.float64))
    if len(step) == 0 or not (step > 0).all():
        return problems
    move = np.diff(ego2global[:, :3, 3], axis=0)
    far = np.linalg.norm(move, axis=1)
    for k in np.flatnonzero(far > POSE_NOISE + step * MOST_SPEED):
        what = f'the ego pose jumps by {far[k]:.1f} m in {step[k]:.2f} s'
        expected = f'metres, at most {MOST_SPEED:.0f} m/s, and seconds'
        problems.append((int(k) + 1, Problem(IMPOSSIBLE, what, expected)))
    if problems:
        return problems
    turned = np.einsum('nji,njk->nik', ego2global[:-1], ego2global[1:])
    yaw = np.arctan2(turned[:, 1, 0], turned[:, 0, 0]) / step
    speed = move / step[:, None]
    slower = np.diff(speed, axis=0)
    gain = np.linalg.norm(slower, axis=1) / (step[1:] + step[:-1]) * 2
    gain = gain - 4 * POSE_NOISE / (step[1:] + step[:-1])
    for values, limit, unit, offset in (
        (np.abs(yaw), USUAL_YAW_RATE, 'rad/s of yaw', 1),
        (gain, USUAL_ACCELERATION, 'm/s^2', 2),
    ):
        for k in np.flatnonzero(values > limit):
            what = f'the ego pose changes by {values[k]:.1f} {unit}'
            problem = Problem(UNLIKELY, what, f'at most {limit:.0f}')
            problems.append((int(k) + offset, problem))
    along = np.einsum('nji,nj->ni', ego2global[:-1, :3, :3], move)
    moved = far > LEAST_TRAVEL
    sideways = moved & (np.abs(along[:, 1]) > np.abs(along[:, 0]))
    if moved.sum() > 2 and sideways.sum() > MOST_SIDEWAYS * moved.sum():
        inverse = np.stack([invert_rigid(pose) for pose in ego2global])
        moves = np.diff(inverse[:, :3, 3], axis=0)
        along = np.einsum('nji,nj->ni', inverse[:-1, :3, :3], moves)
        aside = np.abs(along[:, 1]) > np.abs(along[:, 0])
        hint = '' if aside[moved].any() else ' (these look like global2ego)'
        what = f'the car drives sideways{hint}'
        problem = Problem(DOUBTFUL, what, 'ego2global, x forward and y left')
        problems.append((0, problem))
    return problems
