"""Drawing helpers: colours, text, layout, anti-aliased lines, PNG files.

Pictures are (H, W, 3) uint8 RGB arrays on white. Text is set in DejaVu Sans,
which ships with Matplotlib, so no display, system font or open3d is needed.
"""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from mmocc.structures import FREE, OCC3D_CLASSES, OCC3D_PALETTE
from mmocc.utils.atomic import atomic_open

Colour = tuple[int, int, int]

PAPER: Colour = (255, 255, 255)
SHADE: Colour = (241, 243, 245)
RULE: Colour = (206, 212, 218)
MUTED: Colour = (108, 117, 125)
INK: Colour = (33, 37, 41)
GOOD: Colour = (32, 128, 72)
BAD: Colour = (196, 40, 40)

# Trajectories: planned by the model, driven (ground truth), driven before.
PLAN: Colour = (230, 25, 90)
TRUTH: Colour = (20, 90, 230)
HISTORY: Colour = (120, 120, 120)

CAPTION_SIZE = 17
TEXT_SIZE = 14
SMALL_SIZE = 12
GAP = 10

# Fractional bits of the coordinates that OpenCV's drawing functions take.
SHIFT = 4

CLASS_LEGEND = tuple(
    (name.replace('_', ' '), colour)
    for name, colour in zip(OCC3D_CLASSES, OCC3D_PALETTE, strict=True)
)[:FREE]


class Label(NamedTuple):
    """A line of text at a position in a picture.

    Attributes:
        text (str): Text without line breaks.
        x (float): Column in pixels.
        y (float): Row in pixels.
        size (int): Font size in pixels.
        colour (Colour): RGB.
        bold (bool): Whether the bold face is used.
        anchor (str): Pillow's two-letter anchor: the point of the text that
            lies at ``x, y``. Defaults to 'la', left and top.
    """

    text: str
    x: float
    y: float
    size: int = TEXT_SIZE
    colour: Colour = INK
    bold: bool = False
    anchor: str = 'la'


@lru_cache(maxsize=32)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans at a size in pixels."""
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    folder = Path(matplotlib.get_data_path(), 'fonts', 'ttf')
    return ImageFont.truetype(str(folder / name), size)


def blank(width: int, height: int, colour: Colour = PAPER) -> np.ndarray:
    """Create a picture of one colour, (height, width, 3)."""
    return np.full((height, width, 3), colour, dtype=np.uint8)


def write_labels(image: np.ndarray, labels: Iterable[Label]) -> np.ndarray:
    """Return a copy of ``image`` with text drawn on it."""
    picture = Image.fromarray(image)
    draw = ImageDraw.Draw(picture)
    for label in labels:
        draw.text(
            (label.x, label.y),
            label.text,
            fill=label.colour,
            font=font(label.size, label.bold),
            anchor=label.anchor,
        )
    return np.asarray(picture).copy()


def text_width(text: str, size: int, bold: bool = False) -> int:
    """Measure the width of a line of text in pixels, rounded up."""
    return int(np.ceil(font(size, bold).getlength(text)))


def wrap_text(
    text: str, size: int, width: int, bold: bool = False
) -> list[str]:
    """Break text at spaces into lines of at most ``width`` pixels.

    A word that is longer than a line is broken inside.
    """
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ''
        for word in paragraph.split():
            candidate = f'{line} {word}' if line else word
            if text_width(candidate, size, bold) <= width:
                line = candidate
                continue
            if line:
                lines.append(line)
            while text_width(word, size, bold) > width and len(word) > 1:
                fits = next(
                    n
                    for n in range(len(word) - 1, 0, -1)
                    if n == 1 or text_width(word[:n], size, bold) <= width
                )
                lines.append(word[:fits])
                word = word[fits:]
            line = word
        lines.append(line)
    return lines


def fit_text(text: str, size: int, width: int) -> str:
    """Shorten a line to ``width`` pixels with an ellipsis at its end."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(f'{text}…', size) > width:
        text = text[:-1]
    return f'{text.rstrip()}…'


def with_caption(
    image: np.ndarray, caption: str, note: str = ''
) -> np.ndarray:
    """Add a strip with a bold caption and a muted note above a picture."""
    strip = blank(image.shape[1], CAPTION_SIZE + 11)
    baseline = CAPTION_SIZE + 2
    labels = [
        Label(caption, 2, baseline, CAPTION_SIZE, bold=True, anchor='ls')
    ]
    if note:
        start = 2 + text_width(caption, CAPTION_SIZE, bold=True) + 12
        room = image.shape[1] - start
        labels.append(
            Label(
                fit_text(note, TEXT_SIZE, room),
                start,
                baseline,
                colour=MUTED,
                anchor='ls',
            )
        )
    return np.concatenate([write_labels(strip, labels), image])


def beside(images: Sequence[np.ndarray], gap: int = GAP) -> np.ndarray:
    """Concatenate pictures from left to right, tops aligned."""
    height = max(len(image) for image in images)
    padded = []
    for image in images:
        below_it = ((0, height - len(image)), (0, gap), (0, 0))
        padded.append(np.pad(image, below_it, constant_values=255))
    row = np.concatenate(padded, axis=1)
    return row[:, : row.shape[1] - gap]


def below(images: Sequence[np.ndarray], gap: int = GAP) -> np.ndarray:
    """Concatenate pictures from top to bottom, left edges aligned."""
    width = max(image.shape[1] for image in images)
    padded = []
    for image in images:
        right_of_it = ((0, gap), (0, width - image.shape[1]), (0, 0))
        padded.append(np.pad(image, right_of_it, constant_values=255))
    column = np.concatenate(padded)
    return column[: len(column) - gap]


def legend(entries: Sequence[tuple[str, Colour]], width: int) -> np.ndarray:
    """Draw coloured squares with names, wrapped into rows of ``width``."""
    swatch, row_height, spacing = 12, 21, 16
    labels, squares = [], []
    x, y = 2, 0
    for name, colour in entries:
        length = swatch + 6 + text_width(name, SMALL_SIZE)
        if x > 2 and x + length > width:
            x, y = 2, y + row_height
        squares.append((x, y + 4, colour))
        labels.append(
            Label(
                name,
                x + swatch + 6,
                y + 4 + swatch / 2,
                SMALL_SIZE,
                anchor='lm',
            )
        )
        x += length + spacing
    image = blank(width, y + row_height)
    for left, top, colour in squares:
        corner = (left + swatch - 1, top + swatch - 1)
        cv2.rectangle(image, (left, top), corner, colour, cv2.FILLED)
        cv2.rectangle(image, (left, top), corner, RULE)
    return write_labels(image, labels)


def to_subpixels(points: np.ndarray) -> np.ndarray:
    """Convert pixel positions to the fixed-point integers of OpenCV."""
    return np.rint(points * 2**SHIFT).astype(np.int32)


def class_colours(ids: np.ndarray) -> np.ndarray:
    """Look up the palette colours (..., 3) uint8 of Occ3D ids (...)."""
    return np.array(OCC3D_PALETTE, dtype=np.uint8)[ids]


def enlarge(image: np.ndarray, width: int) -> np.ndarray:
    """Resize a picture of cells to ``width`` pixels, keeping hard edges."""
    height = round(width * image.shape[0] / image.shape[1])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_NEAREST)


def fill_polygon(
    image: np.ndarray, corners: np.ndarray, colour: Colour
) -> None:
    """Fill a convex polygon of (N, 2) pixel positions, in place."""
    cv2.fillConvexPoly(
        image, to_subpixels(corners), colour, cv2.LINE_AA, SHIFT
    )


def blend(image: np.ndarray, painted: np.ndarray, opacity: float) -> None:
    """Lay ``painted`` over ``image`` with an opacity of 0 to 1, in place."""
    cv2.addWeighted(painted, opacity, image, 1 - opacity, 0, dst=image)


def polyline(
    image: np.ndarray, points: np.ndarray, colour: Colour, thickness: int
) -> None:
    """Draw an anti-aliased line through (N, 2) pixel positions, in place."""
    cv2.polylines(
        image,
        [to_subpixels(points)],
        False,
        colour,
        thickness,
        cv2.LINE_AA,
        SHIFT,
    )


def clipped_line(
    image: np.ndarray, ends: np.ndarray, colour: Colour, thickness: int
) -> None:
    """Draw a line between two pixel positions (2, 2), in place.

    OpenCV overflows on coordinates far off the image, so the line is clipped
    at the border first.
    """
    height, width = image.shape[:2]
    rectangle = (0, 0, width << SHIFT, height << SHIFT)
    visible, start, end = cv2.clipLine(rectangle, *to_subpixels(ends).tolist())
    if visible:
        cv2.line(image, start, end, colour, thickness, cv2.LINE_AA, SHIFT)


def disc(
    image: np.ndarray, centre: np.ndarray, radius: float, colour: Colour
) -> None:
    """Draw a filled circle around a pixel position (2,), in place."""
    cv2.circle(
        image,
        [int(v) for v in to_subpixels(centre)],
        round(radius * 2**SHIFT),
        colour,
        cv2.FILLED,
        cv2.LINE_AA,
        SHIFT,
    )


def write_png(image: np.ndarray, path: str | os.PathLike) -> Path:
    """Write an RGB picture to a PNG file, atomically.

    Args:
        image (np.ndarray): (H, W, 3) uint8 RGB picture.
        path (str | PathLike): Name that ends in ``.png``; its folder is
            created.

    Returns:
        Path: The file.

    Raises:
        ValueError: If the array is no picture, or the suffix is another one.
    """
    path = Path(path)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f'{path}: got an image of shape {image.shape} and type '
            f'{image.dtype}, expected (H, W, 3) uint8 RGB'
        )
    if path.suffix.lower() != '.png':
        raise ValueError(f'{path}: pictures are written as .png files')
    encoded = cv2.imencode('.png', image[..., ::-1])[1]
    with atomic_open(path) as file:
        file.write(encoded.tobytes())
    return path
