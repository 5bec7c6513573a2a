"""Input frames of an inferencer, from one's own cameras or an info file.

A frame is a dict with the keys of an element of an info file's ``data_list``,
whose paths can be opened as they are. A view may hold an array ``img`` in
place of ``img_path``.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from mmocc.apis.ego_state import parse_ego_state, parse_past_actions
from mmocc.datasets.nuscenes_occ_dataset import NUSCENES_PREFIX
from mmocc.datasets.sample_error import sample_error
from mmocc.infos import InfoFrame, map_path
from mmocc.infos.rigid import is_rigid
from mmocc.structures import CAMERAS, MetaAction

OWN_FRAME = 'own-cameras'
Image = str | os.PathLike | np.ndarray


def camera_frame(
    images: Mapping[str, Image],
    intrinsics: Mapping[str, np.ndarray],
    extrinsics: Mapping[str, np.ndarray],
    ego_state: Mapping | None = None,
    past_actions: Sequence[MetaAction | str] = (),
    cameras: Sequence[str] = CAMERAS,
    token: str = OWN_FRAME,
    ego2global: np.ndarray | None = None,
) -> dict:
    """Make a frame of one's own cameras and check it.

    Args:
        images (Mapping): Undistorted images by camera name: a path, or an
            array (H, W, 3) uint8 in BGR order, as OpenCV reads it.
        intrinsics (Mapping): Matrices (3, 3) by camera name, in pixels of the
            image as it is given.
        extrinsics (Mapping): cam2ego (4, 4) in metres by camera name, from
            the camera (x right, y down, z forward) at its exposure to the
            ego frame (x forward, y left, z up; on the ground below the rear
            axle) at the time of prediction. If all cameras fire at that time,
            it is the mounting pose.
        ego_state (Mapping, optional): See ``parse_ego_state``. Defaults to
            None, unknown: the model gets a velocity of 0 and a history that
            is masked out.
        past_actions (Sequence): See ``parse_past_actions``. Defaults to (),
            unknown: the prompt says so.
        cameras (Sequence[str]): Cameras that the model was built for.
            Defaults to nuScenes' six.
        token (str): Name of the frame. Defaults to 'own-cameras'.
        ego2global (np.ndarray, optional): (4, 4) metres, from the ego frame
            to any static frame; needed by frames with a past, see
            ``with_history``. Defaults to None.

    Returns:
        dict: The frame.

    Raises:
        SampleError: If cameras are missing or unknown, or an image, a matrix
            or the ego state is malformed.
    """
    for what, given in (
        ('images', images),
        ('intrinsics', intrinsics),
        ('extrinsics', extrinsics),
    ):
        if set(given) != set(cameras):
            raise sample_error(
                token,
                what,
                f'the cameras {sorted(given)}',
                f'the cameras the model was built for, {list(cameras)}',
                'name every view so and give no others; a model for other '
                "cameras has them in LoadSurroundImages' `cameras`",
            )
    frame = {
        'token': token,
        'images': {
            name: {
                **_check_image(token, name, images[name]),
                'cam2img': _check_intrinsics(token, name, intrinsics[name]),
                'cam2ego': _check_pose(
                    token, f'extrinsics of {name}', extrinsics[name], 'cam2ego'
                ),
            }
            for name in cameras
        },
        'his_meta_actions': parse_past_actions(token, past_actions),
        'qa': [],
    }
    if ego_state is not None:
        frame['ego'] = parse_ego_state(token, ego_state)
    if ego2global is not None:
        frame['ego2global'] = _check_pose(
            token, 'ego2global', ego2global, 'ego2global'
        )
    return frame


def info_frame(
    info: Mapping,
    data_root: str | os.PathLike = '',
    images_dir: str | os.PathLike | None = None,
    data_prefix: Mapping[str, str] | None = None,
) -> dict:
    """Make a frame of an element of an info file and find its images.

    Plain info files of mmdet3d 1.1 serve as well; the keys that they lack are
    unknown to the model, as in ``camera_frame``.

    With ``images_dir``, an image is searched there by its file name, also in
    a folder named after the camera. Without it, the places are, in this
    order, the camera's folder of ``data_prefix``, the path below
    ``data_root``, and ``data_root`` itself.

    Args:
        info (Mapping): The element; is not changed.
        data_root (str | os.PathLike): Root of the data set. Defaults to ''.
        images_dir (str | os.PathLike, optional): Folder of the images.
            Defaults to None.
        data_prefix (Mapping, optional): Folder of each camera below
            ``data_root``; ``img`` stands for the others. Defaults to
            nuScenes' layout.

    Returns:
        dict: The frame. ``occ_path`` and ``map_path`` begin with
        ``data_root``; they are there if the element names them.

    Raises:
        SampleError: If a key is missing, or an image does not exist.
    """
    token = info.get('token', '(unknown)')
    missing = [key for key in ('token', 'images') if key not in info]
    missing += [
        f'images.{name}.img_path'
        for name, view in info.get('images', {}).items()
        if 'img_path' not in view
    ]
    if missing:
        raise sample_error(
            token,
            'the info file',
            f'the frame has no {", ".join(missing)}',
            "mmdet3d's info_version 1.1",
            'make the file with tools/create_data.py',
        )
    root = Path(data_root)
    prefix = NUSCENES_PREFIX if data_prefix is None else data_prefix
    frame = dict(info)
    frame['images'] = {}
    for name, view in info['images'].items():
        relative = Path(InfoFrame(info).image_name(name))
        folder = prefix.get(name, prefix.get('img', ''))
        places = [root / folder / relative, root / relative]
        places.append(root / relative.name)
        if images_dir is not None:
            folder = Path(images_dir)
            places = [folder / relative.name, folder / name / relative.name]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise sample_error(
                token,
                f'image of {name}',
                'no file at ' + ', '.join(map(str, dict.fromkeys(places))),
                'the image',
                'correct the data root, or name the folder of the images '
                '(--images-dir)',
            )
        frame['images'][name] = {**view, 'img_path': str(path)}
    occ_path = InfoFrame(info).occ_path
    if occ_path:
        frame['occ_path'] = str(root / occ_path)
    if info.get('location'):
        frame['map_path'] = str(map_path(root, info['location']))
    frame.setdefault('his_meta_actions', [])
    frame.setdefault('qa', [])
    return frame


def with_history(frame: Mapping, past: Sequence[Mapping | None]) -> dict:
    """Add the key frames before a frame to it.

    Models that look back read as many past frames as they were trained with.
    If some are missing, the oldest known frame stands in for them.

    Args:
        frame (Mapping): The frame.
        past (Sequence[Mapping | None]): Frames 0.5 s, 1.0 s, ... ago, None
            for missing ones. They and ``frame`` need ``ego2global``.

    Returns:
        dict: A copy of the frame.

    Raises:
        SampleError: If a pose is missing.
    """
    past = list(past)
    for each in [frame, *filter(None, past)] if any(past) else []:
        if 'ego2global' not in each:
            raise sample_error(
                each['token'],
                'the past of a frame',
                'no ego2global',
                'the pose of the car in each frame, 4 x 4',
                'give camera_frame its `ego2global`, or leave the past out',
            )
    return {**frame, 'history': past}


def load_images(frame: Mapping, cameras: Sequence[str]) -> list[np.ndarray]:
    """Read the images of a frame at their own size, (H, W, 3) uint8 RGB.

    Args:
        frame (Mapping): A frame that a model has accepted.
        cameras (Sequence[str]): Names of the cameras in order.
    """
    images = []
    for name in cameras:
        view = frame['images'][name]
        image = view.get('img')
        if image is None:
            image = cv2.imread(
                InfoFrame(frame).image_name(name),
                cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION,
            )
        images.append(np.ascontiguousarray(image[..., ::-1]))
    return images


def _check_image(token: str, name: str, image: Image) -> dict:
    """Return the view of an image: its path, or its checked array."""
    if isinstance(image, str | os.PathLike):
        return {'img_path': os.fspath(image)}
    shape, dtype = np.shape(image), getattr(image, 'dtype', None)
    if len(shape) != 3 or shape[2] != 3 or dtype != np.uint8 or 0 in shape:
        raise sample_error(
            token,
            f'image of {name}',
            f'a {type(image).__name__} of shape {shape} and type {dtype}',
            'a path, or an array (height, width, 3) of uint8, BGR',
            'convert the image',
        )
    return {'img_path': '', 'img': image}


def _check_intrinsics(token: str, name: str, matrix: np.ndarray) -> np.ndarray:
    """Return pinhole intrinsics (3, 3), or raise an error."""
    intrinsics = _to_matrix(matrix)
    right = (
        intrinsics.shape == (3, 3)
        and np.isfinite(intrinsics).all()
        and np.array_equal(intrinsics[2], [0, 0, 1])
        and (np.diag(intrinsics) > 0).all()
    )
    if not right:
        raise sample_error(
            token,
            f'intrinsics of {name}',
            _describe_matrix(matrix),
            '3 x 3 finite numbers [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] in '
            'pixels of the image as given',
            'correct the calibration (of a larger matrix, take the upper '
            'left 3 x 3)',
        )
    return intrinsics


def _check_pose(
    token: str, what: str, matrix: np.ndarray, name: str
) -> np.ndarray:
    """Return a rigid transform (4, 4), or raise an error."""
    pose = _to_matrix(matrix)
    if not is_rigid(pose):
        raise sample_error(
            token,
            what,
            _describe_matrix(matrix),
            f'{name}, 4 x 4 finite numbers: a rotation without scale or '
            'mirror, a translation in metres, and the last row 0 0 0 1',
            'correct the calibration',
        )
    return pose


def _to_matrix(matrix: np.ndarray) -> np.ndarray:
    """Convert to float64; empty if it is no matrix of numbers."""
    try:
        return np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        return np.zeros(0)


def _describe_matrix(matrix: np.ndarray) -> str:
    """Describe the shape and the values of a matrix for an error."""
    values = _to_matrix(matrix)
    if values.ndim != 2:
        return f'no matrix of numbers: {matrix!r:.80}'
    if not np.isfinite(values).all():
        return f'values that are not finite in a matrix {values.shape}'
    return f'a matrix of shape {values.shape}: {values.round(3).tolist()}'
