"""The convention of an info file's boxes, told by the boxes themselves."""

import warnings
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from mmocc.infos.errors import InfoFileError
from mmocc.infos.schema import holds_numbers, shape_of

# Classes that are longer than wide in nuScenes, in all but a few boxes.
LONG_CLASSES = ('car', 'truck', 'trailer', 'bus', 'bicycle', 'motorcycle')
# Boxes that judge a file, and the fewest that do. Ours.
_ENOUGH, _FEWEST = 2000, 5
_MOVING = 2.0  # m/s; slower boxes say little about a heading
_SIDEWAYS = np.cos(np.deg2rad(60.0))
_SHAPES = ((7,), (9,))
_Vehicle = tuple[str, np.ndarray, Any]
_ADVICE = (
    'expected x, y, z, length, width, height, yaw anti-clockwise from x in '
    'the LiDAR frame, as mmdet3d since 1.0 writes them; '
    '`tools/create_data.py convert FILE --source mmdet3d-0.x` (or vad, '
    'occworld, bev-planner for files of those projects) converts older ones'
)


def check_box_convention(content: Mapping[str, Any], source: str) -> None:
    """Refuse boxes whose sizes or headings are of another convention.

    mmdet3d before 1.0 wrote width before length and another yaw: cars come
    out wider than long, and drive sideways. A file that does not name its
    classes gets a warning: any of its boxes may be wide.

    Args:
        content (Mapping): ``metainfo`` and ``data_list`` of an info file.
        source (str): Path of the file, for messages.

    Raises:
        InfoFileError: Most vehicles are wider than long, or drive sideways.
    """
    named = content['metainfo'].get('categories') is not None
    boxes = _vehicles(content)
    for problem in (_wide(boxes), _sideways(boxes)):
        message = f'{source}: {problem}; {_ADVICE}'
        if problem and named:
            raise InfoFileError(message)
        if problem:
            warnings.warn(message, stacklevel=3)


def has_wide_boxes(content: Mapping[str, Any]) -> bool:
    """Whether most vehicles of an info file are wider than long."""
    return bool(_wide(_vehicles(content)))


def _vehicles(content: Mapping[str, Any]) -> list[_Vehicle]:
    """Return sample token, box and velocity of boxes that judge a file."""
    categories = content['metainfo'].get('categories')
    known = categories if isinstance(categories, Mapping) else {}
    labels = [known.get(name) for name in LONG_CLASSES]
    boxes = (
        (info.get('token'), box)
        for info in content['data_list']
        for box in info.get('instances') or ()
        if categories is None or box.get('bbox_label_3d') in labels
    )
    return [
        (token, np.asarray(box['bbox_3d'], float), box.get('velocity'))
        for token, box in islice(boxes, _ENOUGH)
        if _are_numbers(box.get('bbox_3d'), _SHAPES)
    ]


def _are_numbers(value: Any, shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether a value is an array of numbers of one of some shapes."""
    return shape_of(value) in shapes and holds_numbers(value)


def _wide(boxes: list[_Vehicle]) -> str:
    """Say that most boxes are wider than long; '' where they are not."""
    wide = [box[4] > box[3] for _, box, _ in boxes]
    if len(wide) < _FEWEST or np.mean(wide) <= 0.5:
        return ''
    token, box, _ = boxes[wide.index(True)]
    return (
        f'{sum(wide)} of {len(wide)} boxes of vehicles are wider than long, '
        f'such as {box[3]:.1f} m x {box[4]:.1f} m in sample {token}'
    )


def _sideways(boxes: list[_Vehicle]) -> str:
    """Say that most boxes that move do so sideways; '' where not."""
    tokens, sideways = [], []
    for token, box, velocity in boxes:
        if (
            not _are_numbers(velocity, [(2,)])
            or not np.hypot(*velocity) > _MOVING
        ):
            continue
        along = np.cos(box[6]) * velocity[0] + np.sin(box[6]) * velocity[1]
        tokens.append(token)
        sideways.append(abs(along) < _SIDEWAYS * np.hypot(*velocity))
    if len(tokens) < _FEWEST or np.mean(sideways) <= 0.5:
        return ''
    return (
        f'{sum(sideways)} of {len(tokens)} moving vehicles drive sideways, '
        f'such as one in sample {tokens[sideways.index(True)]}'
    )
