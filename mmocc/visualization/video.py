"""Videos of picture files, as GIF or MP4."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.logging import MMLogger
from PIL import Image, UnidentifiedImageError

from mmocc.utils.atomic import atomic_open, atomic_path
from mmocc.visualization.drawing import PAPER

# Key frames are 0.5 s apart.
FRAME_RATE = 2.0
# Codecs in the order in which they are tried. VP9 plays in browsers and VLC,
# MPEG-4 part 2 in VLC and most desktop players.
CODECS = ('vp09', 'mp4v')
SUFFIXES = ('.mp4', '.gif')
# Colours of a GIF, which stores one byte per pixel.
GIF_COLOURS = 256


class VideoError(OSError):
    """A video could not be written; no file has its name."""


def write_video(
    pictures: Sequence[str | os.PathLike],
    path: str | os.PathLike,
    frame_rate: float = FRAME_RATE,
    width: int | None = None,
) -> int:
    """Write picture files as the frames of a video, atomically.

    Pictures that are missing or broken are skipped with a warning. Smaller
    pictures are padded with white to the right and below.

    Args:
        pictures (Sequence[str | PathLike]): Picture files in order.
        path (str | PathLike): Name that ends in ``.mp4`` or ``.gif``; its
            folder is created.
        frame_rate (float): Pictures per second. Defaults to 2, real time.
        width (int, optional): Width in pixels that the widest picture is
            shrunk to; all pictures get the same scale. Defaults to None, no
            scaling.

    Returns:
        int: Number of pictures in the video.

    Raises:
        ValueError: If the suffix is another one.
        VideoError: If no picture can be read, or the video cannot be written
            completely, as on a full disk.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f'{path}: videos are written as {" or ".join(SUFFIXES)} files'
        )
    sizes = {}
    for picture in pictures:
        size = _size(picture)
        if size is not None:
            sizes[Path(picture)] = size
    if not sizes:
        raise VideoError(
            f'{path}: none of the {len(pictures)} pictures can be read; draw '
            'them first'
        )
    largest = np.array(list(sizes.values())).max(axis=0)
    scale = 1.0 if width is None else min(1.0, width / largest[0])
    # Video codecs require even sizes.
    canvas = (np.ceil(largest * scale / 2) * 2).astype(int)
    frames = _frames(list(sizes), canvas, scale)
    path.parent.mkdir(parents=True, exist_ok=True)
    write = _write_gif if path.suffix.lower() == '.gif' else _write_mp4
    return write(frames, path, frame_rate, tuple(canvas.tolist()))


def _size(picture: str | os.PathLike) -> tuple[int, int] | None:
    """Read a picture's width and height; warn and return None on failure."""
    try:
        with Image.open(picture) as image:
            image.load()
            return image.size
    except (OSError, UnidentifiedImageError) as error:
        MMLogger.get_current_instance().warning(
            f'the video is made without {picture}, which cannot be read: '
            f'{error}'
        )
        return None


def _frames(
    pictures: Sequence[Path], canvas: np.ndarray, scale: float
) -> Iterator[np.ndarray]:
    """Read pictures, scaled and padded to one size, (H, W, 3) uint8 RGB."""
    for picture in pictures:
        with Image.open(picture) as image:
            pixels = np.asarray(image.convert('RGB'))
        if scale < 1:
            pixels = cv2.resize(
                pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
            )
        frame = np.full((canvas[1], canvas[0], 3), PAPER, dtype=np.uint8)
        frame[: len(pixels), : pixels.shape[1]] = pixels
        yield frame


def _write_gif(
    frames: Iterator[np.ndarray],
    path: Path,
    frame_rate: float,
    size: tuple[int, int],
) -> int:
    images = [Image.fromarray(frame).quantize(GIF_COLOURS) for frame in frames]
    try:
        with atomic_open(path) as file:
            images[0].save(
                file,
                format='GIF',
                save_all=True,
                append_images=images[1:],
                duration=round(1000 / frame_rate),
                loop=0,
            )
    except OSError as error:
        raise _not_written(path, len(images), str(error)) from error
    return len(images)


def _write_mp4(
    frames: Iterator[np.ndarray],
    path: Path,
    frame_rate: float,
    size: tuple[int, int],
) -> int:
    # OpenCV takes a file name and chooses the format by its suffix.
    count = 0
    with atomic_path(path) as temporary:
        writer = _open_writer(temporary, frame_rate, size)
        try:
            for frame in frames:
                writer.write(np.ascontiguousarray(frame[..., ::-1]))
                count += 1
        finally:
            writer.release()
        # OpenCV reports no error when it cannot write.
        written = _count_frames(temporary)
        if written != count:
            raise _not_written(
                path, count, f'the file holds {written} frames that play'
            )
    return count


def _open_writer(
    path: Path, frame_rate: float, size: tuple[int, int]
) -> cv2.VideoWriter:
    for codec in CODECS:
        code = cv2.VideoWriter_fourcc(*codec)
        writer = cv2.VideoWriter(
            str(path), cv2.CAP_FFMPEG, code, frame_rate, size
        )
        if writer.isOpened():
            return writer
    raise VideoError(
        f'{path}: OpenCV can open no video with the codecs {list(CODECS)}; '
        'check that the folder can be written to, or write a .gif'
    )


def _count_frames(path: Path) -> int:
    """Count the frames that can be decoded; 0 if the file is no video."""
    if not path.is_file() or not path.stat().st_size:
        return 0
    capture = cv2.VideoCapture(str(path))
    count = 0
    while capture.grab():
        count += 1
    capture.release()
    return count


def _not_written(path: Path, count: int, reason: str) -> VideoError:
    return VideoError(
        f'{path}: the video of {count} frames could not be written '
        'completely '
        f'({reason}); make room on the disk, or choose another folder'
    )
