"""Convert drives of one's own vehicle to an info file.

An adapter describes each recording as a :class:`Drive` (or as the JSON file
that :func:`read_drive` reads) and passes it to :func:`write_drives`. Key
frames are 0.5 s apart; images are undistorted; poses are metric, right-handed
and upright. Drives that the models cannot use are refused here, before
anything is trained on them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from dataset_converters.ego_motion import motion_fields
from dataset_converters.file_checks import decode_image
from dataset_converters.mmdet3d_fields import POINT_FEATURES
from mmocc.infos import build_metainfo, write_info_file
from mmocc.infos.plausibility import (
    Problem,
    judge,
    motion_problems,
    pose_problem,
    rig_problems,
)
from mmocc.infos.rigid import invert_rigid
from mmocc.structures import CAMERAS
from mmocc.structures.occ3d import STEP_SECONDS
from mmocc.utils.json_files import JsonFileError, read_json

VERSION = 'own'
# Seconds that a step may differ from 0.5; labels assume steps of 0.5 s.
_STEP_TOLERANCE = 0.1
# Seconds between a camera and the moment of its key frame.
_MOST_DELAY = 0.25


class OwnCamerasError(ValueError):
    """A drive is malformed, or the models cannot use it."""


@dataclass(frozen=True)
class CameraCalibration:
    """Calibration of a camera and size of its images.

    Attributes:
        cam2img (np.ndarray): (3, 3) pinhole intrinsics, pixels of the image
            as it is stored.
        cam2ego (np.ndarray): (4, 4) mounting pose, metres: from the camera
            (x right, y down, z forward) to the ego frame (x forward, y left,
            z up, on the ground below the rear axle).
        width, height (int): Size of its images, pixels.
    """

    cam2img: np.ndarray
    cam2ego: np.ndarray
    width: int
    height: int


@dataclass(frozen=True)
class CameraImage:
    """An image, its time and the ego pose at that time.

    Attributes:
        path (str): Relative to the data root.
        timestamp (float): Time of the exposure, seconds.
        ego2global (np.ndarray): (4, 4) ego pose at that time.
    """

    path: str
    timestamp: float
    ego2global: np.ndarray


@dataclass(frozen=True)
class KeyFrame:
    """Images of all cameras at one moment.

    Attributes:
        timestamp (float): Seconds.
        ego2global (np.ndarray): (4, 4) from the ego frame to a frame that is
            fixed during the drive.
        shots (Mapping[str, CameraImage]): By camera name.
    """

    timestamp: float
    ego2global: np.ndarray
    shots: Mapping[str, CameraImage]


@dataclass(frozen=True)
class Drive:
    """A recording without a gap.

    Attributes:
        name (str): Unique among the drives of an info file.
        location (str): Any name of a place; may be ''.
        cameras (Mapping[str, CameraCalibration]): By nuScenes' six names.
        frames (Sequence[KeyFrame]): In time order, 0.5 s apart.
    """

    name: str
    location: str
    cameras: Mapping[str, CameraCalibration]
    frames: Sequence[KeyFrame]


def drive_infos(drive: Drive, root: Path) -> list[dict]:
    """Check a drive and build its entries of an info file.

    There is no LiDAR: its frame is the ego frame.

    Args:
        drive (Drive): A recording.
        root (Path): Data root, which paths of images are relative to.

    Returns:
        list[dict]: Without ``sample_idx``; ``occ_path`` is '' and there are
        no boxes, so the infos serve inference, and training of plans and
        meta-actions.

    Raises:
        OwnCamerasError: The drive is malformed, or the models cannot use it.
    """
    _check_cameras(drive)
    _check_times(drive)
    for frame in drive.frames:
        _check_frame(drive, frame, root)
    moved = motion_problems(
        np.stack([frame.ego2global for frame in drive.frames]),
        np.array([frame.timestamp for frame in drive.frames]),
    )
    _judge(drive, [(f'frame {k}', problem) for k, problem in moved])
    motion = motion_fields(
        np.stack([frame.ego2global for frame in drive.frames]),
        np.array([frame.timestamp for frame in drive.frames]),
    )
    tokens = [f'{drive.name}-{k:06d}' for k in range(len(drive.frames))]
    infos = []
    for k, frame in enumerate(drive.frames):
        infos.append(
            dict(
                token=tokens[k],
                timestamp=frame.timestamp,
                ego2global=frame.ego2global.tolist(),
                images={
                    name: _view(drive.cameras[name], frame, frame.shots[name])
                    for name in CAMERAS
                },
                lidar_points=dict(
                    num_pts_feats=POINT_FEATURES,
                    lidar_path='',
                    lidar2ego=np.eye(4).tolist(),
                ),
                instances=[],
                scene_token=drive.name,
                scene_name=drive.name,
                frame_idx=k,
                prev=tokens[k - 1] if k else '',
                next=tokens[k + 1] if k + 1 < len(tokens) else '',
                location=drive.location,
                occ_path='',
                qa=[],
                **motion[k],
                cot='',
            )
        )
    return infos


def write_drives(drives: Sequence[Drive], root: Path, out: Path) -> int:
    """Write an info file of drives and return the number of key frames.

    Raises:
        OwnCamerasError: As ``drive_infos``; or two drives share a name.
    """
    names = [drive.name for drive in drives]
    if len(set(names)) < len(names):
        raise OwnCamerasError(
            f'drives share a name: {sorted(names)}; scenes are told apart by '
            'it, so give each its own'
        )
    infos = [info for drive in drives for info in drive_infos(drive, root)]
    for index, info in enumerate(infos):
        info['sample_idx'] = index
    metainfo = build_metainfo(VERSION, dataset=VERSION)
    write_info_file(dict(metainfo=metainfo, data_list=infos), out)
    return len(infos)


def _view(
    camera: CameraCalibration, frame: KeyFrame, shot: CameraImage
) -> dict:
    cam2global = shot.ego2global @ camera.cam2ego
    return dict(
        img_path=shot.path,
        cam2img=camera.cam2img.tolist(),
        cam2ego=camera.cam2ego.tolist(),
        lidar2cam=(invert_rigid(cam2global) @ frame.ego2global).tolist(),
        timestamp=shot.timestamp,
        ego2global=shot.ego2global.tolist(),
        height=camera.height,
        width=camera.width,
        sample_data_token=shot.path,
    )


def _check_cameras(drive: Drive) -> None:
    if set(drive.cameras) != set(CAMERAS):
        raise OwnCamerasError(
            f'drive {drive.name} has the cameras {sorted(drive.cameras)}; the '
            f'configs here read exactly {list(CAMERAS)}: give each of yours '
            'the name of the direction it looks to; another number of '
            'cameras needs a model that was trained with it'
        )
    rig = {
        name: (each.cam2img, each.cam2ego, (each.width, each.height))
        for name, each in drive.cameras.items()
    }
    _judge(drive, rig_problems(rig))


def _judge(drive: Drive, found: list[tuple[str, Problem]]) -> None:
    """Refuse or warn of problems, each with its place in the drive."""
    placed = [(f'drive {drive.name}: {at}', each) for at, each in found]
    judge(placed, OwnCamerasError)


def _check_times(drive: Drive) -> None:
    if not drive.frames:
        raise OwnCamerasError(f'drive {drive.name} has no frames')
    for k, (before, after) in enumerate(pairwise(drive.frames)):
        step = after.timestamp - before.timestamp
        if abs(step - STEP_SECONDS) > _STEP_TOLERANCE:
            raise OwnCamerasError(
                f'drive {drive.name}: frames {k} and {k + 1} are {step:.3f} '
                f's apart, expected {STEP_SECONDS} s: choose the frames '
                'nearest to a grid of 2 Hz, and begin a new drive after a gap'
            )


def _check_frame(drive: Drive, frame: KeyFrame, root: Path) -> None:
    place = f'drive {drive.name} at {frame.timestamp}'
    if set(frame.shots) != set(CAMERAS):
        raise OwnCamerasError(
            f'{place}: images of {sorted(frame.shots)}, expected one of each '
            f'of {list(CAMERAS)}; leave incomplete frames out and begin a '
            'new drive behind them'
        )
    poses = {'': frame.ego2global}
    poses |= {
        f' {name}': shot.ego2global for name, shot in frame.shots.items()
    }
    problems = {name: pose_problem(pose) for name, pose in poses.items()}
    _judge(
        drive,
        [
            (f'at {frame.timestamp}{name}: ego2global', problem)
            for name, problem in problems.items()
            if problem
        ],
    )
    for name, shot in frame.shots.items():
        delay = shot.timestamp - frame.timestamp
        if abs(delay) > _MOST_DELAY:
            raise OwnCamerasError(
                f'{place}: {name} was taken {delay:+.3f} s from the key '
                f'frame, expected at most {_MOST_DELAY} s; pair images by '
                'time'
            )
        _check_image(drive.cameras[name], root / shot.path, place)


def _check_image(camera: CameraCalibration, path: Path, place: str) -> None:
    image = decode_image(path) if path.is_file() else None
    if image is None:
        raise OwnCamerasError(
            f'{place}: the image {path} is missing, cut off or cannot be '
            'decoded; paths are relative to the data root'
        )
    size = image.shape[1], image.shape[0]
    if size != (camera.width, camera.height):
        raise OwnCamerasError(
            f'{place}: the image {path} has {size[0]} x {size[1]} pixels, '
            f'the calibration is for {camera.width} x {camera.height}'
        )


def read_drive(path: Path) -> Drive:
    """Read a drive from a JSON file.

    The file holds ``name``, ``location``, ``cameras`` (by name ``cam2img``,
    ``cam2ego``, ``width``, ``height``) and ``frames`` (``timestamp``,
    ``ego2global``, ``images``: by name a path, or ``path``, ``timestamp`` and
    ``ego2global`` where the camera fires at another time).

    Raises:
        OwnCamerasError: The file is missing, damaged, or lacks a key.
    """
    try:
        content = read_json(path, kind=dict, allow_nan=True)
    except JsonFileError as error:
        raise OwnCamerasError(
            f'{error}; docs/data.md shows an example'
        ) from error
    try:
        return _parse(content)
    except OwnCamerasError as error:
        raise OwnCamerasError(f'{path}: {error}') from None


def _parse(content: dict) -> Drive:
    cameras = {}
    for name, camera in _read(content, 'cameras', '', dict).items():
        place = f'camera {name}: '
        if not isinstance(camera, dict):
            raise _malformed(place, camera, 'an object of its calibration')
        if np.any(_numbers(camera.get('distortion', 0), f'{place}distortion')):
            raise OwnCamerasError(
                f'camera {name} has a lens distortion; undistort the images '
                '(cv2.undistort) and give the new cam2img'
            )
        cameras[name] = CameraCalibration(
            cam2img=_read_numbers(camera, 'cam2img', place),
            cam2ego=_read_numbers(camera, 'cam2ego', place),
            width=_read(camera, 'width', place, int),
            height=_read(camera, 'height', place, int),
        )
    return Drive(
        name=_read(content, 'name', '', str),
        location=content.get('location', ''),
        cameras=cameras,
        frames=[
            _parse_frame(frame, f'frame {k}: ')
            for k, frame in enumerate(_read(content, 'frames', '', list))
        ],
    )


def _parse_frame(frame: dict, place: str) -> KeyFrame:
    if not isinstance(frame, dict):
        raise _malformed(place, frame, 'an object of a key frame')
    moment = _read_moment(frame, place)
    pose = _read_numbers(frame, 'ego2global', place)
    shots = {}
    for name, image in _read(frame, 'images', place, dict).items():
        image = dict(path=image) if isinstance(image, str) else image
        here = f'{place}{name}: '
        if not isinstance(image, dict):
            raise _malformed(here, image, 'a path, or an object with one')
        given = {'timestamp': moment, 'ego2global': pose, **image}
        shots[name] = CameraImage(
            path=_read(image, 'path', here, str),
            timestamp=_read_moment(given, here),
            ego2global=_read_numbers(given, 'ego2global', here),
        )
    return KeyFrame(moment, pose, shots)


def _read(content: dict, key: str, place: str, kind: type) -> Any:
    """Return a value of a type, or say where it is missing or another."""
    if key not in content:
        raise _malformed(f'{place}{key}', 'nothing', f'a {kind.__name__}')
    value = content[key]
    if isinstance(value, bool) or not isinstance(value, kind):
        raise _malformed(f'{place}{key}', value, f'a {kind.__name__}')
    return value


def _read_numbers(content: dict, key: str, place: str) -> np.ndarray:
    if key not in content:
        raise _malformed(f'{place}{key}', 'nothing', 'numbers')
    return _numbers(content[key], f'{place}{key}')


def _read_moment(content: dict, place: str) -> float:
    moment = _read_numbers(content, 'timestamp', place)
    if moment.shape or not np.isfinite(moment):
        got = content['timestamp']
        raise _malformed(f'{place}timestamp', got, 'finite seconds')
    return float(moment)


def _numbers(value: Any, place: str) -> np.ndarray:
    try:
        numbers = np.asarray(value)
    except ValueError:  # ragged
        numbers = np.zeros(0, dtype=object)
    if numbers.dtype.kind not in 'fiu':
        raise _malformed(place, value, 'numbers in rows of one length')
    return numbers.astype(float)


def _malformed(place: str, got: Any, expected: str) -> OwnCamerasError:
    return OwnCamerasError(
        f'{place.rstrip(": ")}: {got!r:.80}, expected {expected}; '
        'docs/data.md shows an example'
    )
