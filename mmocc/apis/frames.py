"""Input frames of an inferencer, from one's own cameras or an info file.

A frame is a dict with the keys of an element of an info file's ``data_list``,
whose paths can be opened as they are. A view may hold an array ``img`` in
place of ``img_path``.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from mmocc.apis.ego_state import parse_ego_state, parse_past_actions
from mmocc.datasets.nuscenes_occ_dataset import NUSCENES_PREFIX
from mmocc.datasets.sample_error import SampleError, sample_error
from mmocc.infos import InfoFrame, map_path
from mmocc.infos.plausibility import (
    judge,
    pose_problem,
    rig_problems,
    to_matrix,
)
from mmocc.structures import CAMERAS, MetaAction

OWN_FRAME = 'own-cameras'
ImageInput = str | os.PathLike | np.ndarray


def camera_frame(
    images: Mapping[str, ImageInput],
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
        SampleError: If cameras are missing or unknown, an image or the ego
            state is malformed, or no vehicle has such cameras (see
            ``mmocc.infos.plausibility``).
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
    views = {name: _check_image(token, name, images[name]) for name in cameras}
    rig = {
        name: (intrinsics[name], extrinsics[name], _image_size(images[name]))
        for name in cameras
    }
    judge(rig_problems(rig), partial(_calibration_error, token))
    for name, view in views.items():
        view['cam2img'] = to_matrix(intrinsics[name])
        view['cam2ego'] = to_matrix(extrinsics[name])
    frame = {
        'token': token,
        'images': views,
        'his_meta_actions': parse_past_actions(token, past_actions),
        'qa': [],
    }
    if ego_state is not None:
        frame['ego'] = parse_ego_state(token, ego_state)
    if ego2global is not None:
        problem = pose_problem(ego2global)
        if problem:
            judge(
                [('ego2global', problem)], partial(_calibration_error, token)
            )
        frame['ego2global'] = to_matrix(ego2global)
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


def _check_image(token: str, name: str, image: ImageInput) -> dict:
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


def _image_size(image: ImageInput) -> tuple[int, int] | None:
    """Return width and height of an image; None if its file is none."""
    if isinstance(image, np.ndarray):
        return image.shape[1], image.shape[0]
    try:
        with Image.open(image) as header:
            return header.size
    except (OSError, ValueError, Image.DecompressionBombError):
        return None  # the loader names the file


def _calibration_error(token: str, message: str) -> SampleError:
    return SampleError(f'sample {token}: the calibration: {message}')
