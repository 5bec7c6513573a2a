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

import numpy as np

from dataset_converters.ego_motion import motion_fields
from dataset_converters.file_checks import decode_image
from dataset_converters.mmdet3d_fields import POINT_FEATURES
from mmocc.infos import build_metainfo, write_info_file
from mmocc.infos.rigid import invert_rigid
from mmocc.structures import CAMERAS
from mmocc.structures.occ3d import STEP_SECONDS
from mmocc.utils.json_files import JsonFileError, read_json

VERSION = 'own'
# Seconds that a step may differ from 0.5; labels assume steps of 0.5 s.
_STEP_TOLERANCE = 0.1
# Seconds between a camera and the moment of its key frame.
_MOST_DELAY = 0.25
_RIGID_TOLERANCE = 1e-3
# Cosine of the largest tilt of a car, 30 degrees; beyond that the axes of the
# ego frame are mixed up.
_LEAST_UPRIGHT = np.cos(np.deg2rad(30.0))


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
    for name, camera in drive.cameras.items():
        place = f'camera {name} of drive {drive.name}'
        matrix = camera.cam2img
        if (
            matrix.shape != (3, 3)
            or not np.isfinite(matrix).all()
            or not (matrix[0, 0] > 0 and matrix[1, 1] > 0)
            or not np.allclose(matrix[2], (0, 0, 1))
        ):
            raise OwnCamerasError(
                f'{place}: cam2img is {matrix.tolist()}, expected a pinhole '
                'matrix [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in pixels; '
                'rectify fisheye images first'
            )
        if not (
            0 < matrix[0, 2] < camera.width
            and 0 < matrix[1, 2] < camera.height
        ):
            raise OwnCamerasError(
                f'{place}: the principal point {matrix[:2, 2].tolist()} is '
                f'outside an image of {camera.width} x {camera.height}; '
                'scale cam2img to the stored images'
            )
        _check_rigid(camera.cam2ego, f'{place}: cam2ego')


def _check_rigid(matrix: np.ndarray, place: str) -> None:
    turn = matrix[:3, :3] if matrix.shape == (4, 4) else np.zeros((3, 3))
    if (
        not np.isfinite(matrix).all()
        or not np.allclose(turn @ turn.T, np.eye(3), atol=_RIGID_TOLERANCE)
        or np.linalg.det(turn) < 0
        or not np.allclose(matrix[3], (0, 0, 0, 1))
    ):
        raise OwnCamerasError(
            f'{place} is {matrix.tolist()}, expected a rigid 4 x 4 transform '
            '(a right-handed rotation and a shift in metres)'
        )


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
    _check_pose(frame.ego2global, place)
    for name, shot in frame.shots.items():
        _check_pose(shot.ego2global, f'{place}, {name}')
        delay = shot.timestamp - frame.timestamp
        if abs(delay) > _MOST_DELAY:
            raise OwnCamerasError(
                f'{place}: {name} was taken {delay:+.3f} s from the key '
                f'frame, expected at most {_MOST_DELAY} s; pair images by '
                'time'
            )
        _check_image(drive.cameras[name], root / shot.path, place)


def _check_pose(pose: np.ndarray, place: str) -> None:
    _check_rigid(pose, f'{place}: ego2global')
    if pose[2, 2] < _LEAST_UPRIGHT:
        raise OwnCamerasError(
            f'{place}: the ego frame is tilted by more than 30 degrees; its '
            'axes are x forward, y left, z up'
        )


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
    except OwnCamerasError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise OwnCamerasError(
            f'{path} is not a drive ({error!r}); docs/data.md shows an example'
        ) from error


def _parse(content: dict) -> Drive:
    cameras = {}
    for name, camera in content['cameras'].items():
        if np.any(camera.get('distortion', 0)):
            raise OwnCamerasError(
                f'camera {name} has a lens distortion; undistort the images '
                '(cv2.undistort) and give the new cam2img'
            )
        cameras[name] = CameraCalibration(
            cam2img=np.array(camera['cam2img'], dtype=float),
            cam2ego=np.array(camera['cam2ego'], dtype=float),
            width=int(camera['width']),
            height=int(camera['height']),
        )
    return Drive(
        name=content['name'],
        location=content.get('location', ''),
        cameras=cameras,
        frames=[_parse_frame(frame) for frame in content['frames']],
    )


def _parse_frame(frame: dict) -> KeyFrame:
    pose = np.array(frame['ego2global'], dtype=float)
    shots = {}
    for name, image in frame['images'].items():
        image = dict(path=image) if isinstance(image, str) else image
        shots[name] = CameraImage(
            path=image['path'],
            timestamp=float(image.get('timestamp', frame['timestamp'])),
            ego2global=np.array(image.get('ego2global', pose), dtype=float),
        )
    return KeyFrame(float(frame['timestamp']), pose, shots)
