"""Frames of an info file: one with its past, or a scene in order."""

import os
from collections.abc import Mapping, Sequence

from mmocc.apis.frames import info_frame, past_infos, with_history
from mmocc.infos import InfoFileError


def frame_at(
    infos: Sequence[Mapping],
    index: int,
    num_history: int,
    data_root: str | os.PathLike = '',
    images_dir: str | os.PathLike | None = None,
) -> dict:
    """Make a frame of an info file, with its past.

    Args:
        infos (Sequence[Mapping]): The file's ``data_list``.
        index (int): The place of the frame, from 0.
        num_history (int): Past key frames, ``VLAInferencer.num_history``.
        data_root (str | os.PathLike): As for ``info_frame``.
        images_dir (str | os.PathLike, optional): As for ``info_frame``.

    Returns:
        dict: The frame.

    Raises:
        InfoFileError: If there is no such frame.
        SampleError: If an image of it or of its past is not there.
    """
    if not 0 <= index < len(infos):
        raise InfoFileError(
            f'there is no frame {index} among the {len(infos)} of the info '
            f'file; choose one from 0 to {len(infos) - 1}'
        )
    return frame_of(infos, infos[index], num_history, data_root, images_dir)


def frame_of(
    infos: Sequence[Mapping],
    info: Mapping,
    num_history: int,
    data_root: str | os.PathLike = '',
    images_dir: str | os.PathLike | None = None,
) -> dict:
    """:func:`frame_at` of an element that is at hand.

    Args:
        infos (Sequence[Mapping]): The file's ``data_list``.
        info (Mapping): The frame's element of it.
        num_history (int): As for :func:`frame_at`.
        data_root (str | os.PathLike): As for ``info_frame``.
        images_dir (str | os.PathLike, optional): As for ``info_frame``.
    """
    frame, *past = [
        each and info_frame(each, data_root, images_dir)
        for each in [info, *past_infos(infos, info, num_history)]
    ]
    return with_history(frame, past)


def scene_infos(infos: Sequence[Mapping], scene: str) -> list[Mapping]:
    """Find a scene in an info file.

    Args:
        infos (Sequence[Mapping]): The file's ``data_list``.
        scene (str): ``scene_name`` or ``scene_token``.

    Returns:
        list[Mapping]: Its elements in the order of their time.

    Raises:
        InfoFileError: If there is no such scene.
    """
    keys = ('scene_name', 'scene_token')
    chosen = [
        info for info in infos if scene in [info.get(key) for key in keys]
    ]
    if not chosen:
        known = sorted({info.get('scene_name', '') for info in infos} - {''})
        raise InfoFileError(
            f'no frame of the info file is of the scene {scene!r}; it has '
            f'{known}'
        )
    return sorted(chosen, key=lambda info: info['frame_idx'])
