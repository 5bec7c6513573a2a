"""Read frames from the files that a command line names."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from mmocc.apis.ego_state import parse_ego_state, parse_past_actions
from mmocc.apis.frame_reader import FrameReader
from mmocc.apis.frames import OWN_FRAME, camera_frame
from mmocc.apis.vla_inferencer import VLAInferencer
from mmocc.datasets.sample_error import sample_error
from mmocc.utils.json_files import read_json

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')
PAST_ACTIONS = 'past_actions'
WAY_OUT = 'tools/infer.py --help shows an example of each file'


def open_frames(
    args: argparse.Namespace, inferencer: VLAInferencer
) -> tuple[FrameReader | list[dict], int]:
    """Open the frames that a command line names.

    Args:
        args (argparse.Namespace): See ``mmocc.utils.frame_arguments``.
        inferencer (VLAInferencer): Inferencer of the model.

    Returns:
        tuple: Frames, of an info file or one of one's own cameras, and the
        position of the named frame.

    Raises:
        InfoFileError: If the info file or its frame cannot be read.
        JsonFileError: If a JSON file cannot be read.
        SampleError: If a file is missing or has other content than expected.
    """
    if args.images:
        frame = read_camera_frame(
            args.images, args.calibration, args.ego, inferencer.cameras
        )
        return [frame], 0
    frames = FrameReader(
        args.infos, inferencer.num_history, args.data_root, args.images_dir
    )
    return frames, frames.find(args.index, args.token)


def with_ego_file(frame: dict, path: str | os.PathLike) -> dict:
    """Replace the ego state of a frame by that of a file.

    Args:
        frame (dict): Frame of an info file; is not changed.
        path (str | PathLike): See :func:`read_ego`.

    Raises:
        JsonFileError: If the file cannot be read.
        SampleError: If a value is malformed.
    """
    state, past_actions = read_ego(path)
    ego = parse_ego_state(frame['token'], state)
    frame = {**frame, 'ego': {**frame.get('ego', {}), **ego}}
    if past_actions:
        frame['his_meta_actions'] = parse_past_actions(
            frame['token'], past_actions
        )
    return frame


def read_camera_frame(
    images: str | os.PathLike,
    calibration: str | os.PathLike,
    ego: str | os.PathLike | None,
    cameras: Sequence[str],
) -> dict:
    """Read a frame of one's own cameras from files.

    Args:
        images (str | PathLike): A folder with one image for each camera,
            whose file name contains the camera's name, or a JSON file of
            paths by camera name, relative to it.
        calibration (str | PathLike): JSON file of ``cam2img`` (3 x 3) and
            ``cam2ego`` (4 x 4) by camera name; see ``camera_frame`` for
            coordinates and units.
        ego (str | PathLike, optional): JSON file, see :func:`read_ego`.
        cameras (Sequence[str]): Cameras that the model was built for.

    Returns:
        dict: The frame.

    Raises:
        JsonFileError: If a JSON file cannot be read.
        SampleError: If a file is missing or has other content than expected.
    """
    paths = _find_images(Path(images), cameras)
    matrices = read_json(calibration, kind=dict)
    for name, view in matrices.items():
        keys = sorted(view) if isinstance(view, dict) else view
        if keys != ['cam2ego', 'cam2img']:
            raise sample_error(
                OWN_FRAME,
                str(calibration),
                f'{name!r} holds {keys!r}',
                "'cam2img' and 'cam2ego'",
                WAY_OUT,
            )
    state, past_actions = (None, []) if ego is None else read_ego(ego)
    return camera_frame(
        paths,
        {name: view['cam2img'] for name, view in matrices.items()},
        {name: view['cam2ego'] for name, view in matrices.items()},
        state,
        past_actions,
        cameras,
    )


def read_ego(path: str | os.PathLike) -> tuple[dict, list]:
    """Read an ego state and past meta-actions from a JSON file.

    Args:
        path (str | PathLike): An object with the keys of ``parse_ego_state``
            and ``past_actions``, a list of ``'SPEED; DIRECTION'``.

    Returns:
        tuple: The arguments of ``parse_ego_state`` and
        ``parse_past_actions``.

    Raises:
        JsonFileError: If the file cannot be read.
    """
    state = read_json(path, kind=dict)
    return state, state.pop(PAST_ACTIONS, [])


def _find_images(place: Path, cameras: Sequence[str]) -> dict[str, str]:
    """Find the image of each camera; return paths by camera name."""
    if not place.exists():
        raise sample_error(
            OWN_FRAME,
            str(place),
            'no such file or folder',
            'a folder of images, or a JSON file of their paths',
            WAY_OUT,
        )
    if not place.is_dir():
        named = read_json(place, kind=dict)
        return {
            name: str(place.parent / str(path)) for name, path in named.items()
        }
    found: dict[str, str] = {}
    for path in sorted(place.iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        # CAM_FRONT is a part of CAM_FRONT_LEFT.
        names = [name for name in cameras if name in path.stem]
        if not names:
            continue
        name = max(names, key=len)
        if name in found:
            raise sample_error(
                OWN_FRAME,
                str(place),
                f'two images of {name}, {Path(found[name]).name} and '
                f'{path.name}',
                "one image for each camera, the camera's name in the file "
                'name',
                'keep one moment in the folder, or name the files in a JSON '
                'file (--images FILE.json)',
            )
        found[name] = str(path)
    return found
