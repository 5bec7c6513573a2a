"""Images, calibration and ego state of one's own cameras, from files."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from mmocc.apis.frames import OWN_FRAME, camera_frame
from mmocc.datasets.sample_error import SampleError, sample_error

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')
PAST_ACTIONS = 'past_actions'
WAY_OUT = 'tools/infer.py --help shows an example of each file'

# An example of each file, for help texts.
CALIBRATION_EXAMPLE = """\
{"CAM_FRONT": {"cam2img": [[1266.4, 0, 816.3], [0, 1266.4, 491.5], [0, 0, 1]],
               "cam2ego": [[0, 0, 1, 1.70], [-1, 0, 0, 0.02],
                           [0, -1, 0, 1.51], [0, 0, 0, 1]]},
 "CAM_FRONT_RIGHT": ...}"""
EGO_EXAMPLE = """\
{"velocity": 5.2, "yaw_rate": 0.01,
 "his_poses": [[-10.4, 0, 0], [-7.8, 0, 0], [-5.2, 0, 0], [-2.6, 0, 0]],
 "past_actions": ["Accelerate; Go Straight", "Maintain speed; Go Straight"]}"""


def read_camera_frame(
    images: str | os.PathLike,
    calibration: str | os.PathLike,
    ego: str | os.PathLike | None,
    cameras: Sequence[str],
) -> dict:
    """Read a frame of one's own cameras.

    Args:
        images (str | os.PathLike): A folder with one image a camera, whose
            file name contains the camera's name, or a JSON file of paths by
            camera name, relative to it.
        calibration (str | os.PathLike): JSON: by camera name ``cam2img``
            (3 x 3) and ``cam2ego`` (4 x 4); see ``camera_frame`` for the
            frames and units.
        ego (str | os.PathLike, optional): JSON: see ``read_ego``.
        cameras (Sequence[str]): What the model was built for.

    Returns:
        dict: The frame.

    Raises:
        SampleError: If a file is missing, no JSON, or holds anything else.
    """
    paths = _find_images(Path(images), cameras)
    matrices = _read_json(Path(calibration))
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
    state, past_actions = None, []
    if ego is not None:
        state, past_actions = read_ego(ego)
    return camera_frame(
        paths,
        {name: view['cam2img'] for name, view in matrices.items()},
        {name: view['cam2ego'] for name, view in matrices.items()},
        state,
        past_actions,
        cameras,
    )


def read_ego(path: str | os.PathLike) -> tuple[dict, list]:
    """Read an ego state and past meta-actions.

    Args:
        path (str | os.PathLike): JSON, the keys of ``parse_ego_state`` and
            ``past_actions``, a list of ``'SPEED; DIRECTION'``.

    Returns:
        tuple: What ``parse_ego_state`` and ``parse_past_actions`` take.

    Raises:
        SampleError: If the file is missing or no JSON object.
    """
    state = _read_json(Path(path))
    return state, state.pop(PAST_ACTIONS, [])


def _find_images(place: Path, cameras: Sequence[str]) -> dict[str, str]:
    """Paths by camera name."""
    if not place.exists():
        raise sample_error(
            OWN_FRAME,
            str(place),
            'no such file or folder',
            'a folder of images, or a JSON file of their paths',
            WAY_OUT,
        )
    if not place.is_dir():
        named = _read_json(place)
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
                'one image a camera, its name in the file name',
                'keep one moment in the folder, or name the files in a JSON '
                'file (--images FILE.json)',
            )
        found[name] = str(path)
    return found


def _read_json(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error
    except ValueError as error:  # not JSON, or not UTF-8
        raise _unreadable(path, f'no JSON ({error})') from error
    if not isinstance(content, dict):
        raise _unreadable(path, f'a {type(content).__name__}')
    return content


def _unreadable(path: Path, got: str) -> SampleError:
    return sample_error(OWN_FRAME, str(path), got, 'a JSON object', WAY_OUT)
