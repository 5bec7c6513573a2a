"""Many frames to files: pages, PLY, a Rerun recording, videos."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import MMLogger

from mmocc.structures import OccGrid
from mmocc.visualization.drawing import write_png
from mmocc.visualization.frame_panel import FramePicture, frame_panel
from mmocc.visualization.ply import write_ply
from mmocc.visualization.rerun_file import open_rrd
from mmocc.visualization.video import write_video

MP4, GIF, RRD = 'scene.mp4', 'scene.gif', 'scene.rrd'
# Pixels. A page is wider than a screen is high, and GIFs have no motion
# compression.
MP4_WIDTH, GIF_WIDTH = 1080, 720


class ExportError(RuntimeError):
    """Nothing could be drawn."""


class Export(NamedTuple):
    """What was asked for and what came of it.

    Attributes:
        drawn (list[str]): Names of the frames that have a page.
        skipped (list[str]): Names of the frames that could not be drawn.
        files (list[Path]): Pages, PLY files, recording and videos.
    """

    drawn: list[str]
    skipped: list[str]
    files: list[Path]


def export_frames(
    frames: Mapping[str, Callable[[], FramePicture]],
    out: str | Path,
    video: bool = False,
    ply: bool = False,
    rrd: bool = False,
    grid: OccGrid | None = None,
) -> Export:
    """Draw frames one after the other.

    A frame that cannot be read or drawn is skipped with a warning.

    Args:
        frames (Mapping): By name of the files, in order: what reads a frame.
        out (str | Path): Folder of ``<name>.png``, and of what follows.
        video (bool): Write ``scene.mp4`` and ``scene.gif`` of the pages.
            Defaults to False.
        ply (bool): Write ``<name>.ply``, the predicted occupancy or, without
            it, the true one. Defaults to False.
        rrd (bool): Write ``scene.rrd``. Defaults to False.
        grid (OccGrid, optional): Of the occupancy. Defaults to Occ3D's.

    Raises:
        ExportError: If no frame could be drawn.
        VideoError: If a video could not be written whole; see ``video``.
        ImportError: If Rerun is asked for and not installed.
    """
    out = Path(out)
    export = Export([], [], [])
    recording = open_rrd(out / RRD, grid) if rrd else nullcontext()
    with recording as add:
        for name, read in frames.items():
            try:
                frame = read()
                page = write_png(
                    frame_panel(frame, grid=grid), out / f'{name}.png'
                )
                export.files.append(page)
                if ply:
                    export.files.extend(_write_ply(frame, out, name, grid))
                if add is not None:
                    add(frame)
            except (OSError, ValueError) as error:
                MMLogger.get_current_instance().warning(
                    f'frame {name} is left out: {error}'
                )
                export.skipped.append(name)
                continue
            export.drawn.append(name)
        if not export.drawn:
            raise ExportError(
                f'none of the {len(frames)} frames could be drawn; the '
                'warnings above say why'
            )
    if rrd:
        export.files.append(out / RRD)
    if video:
        pages = [out / f'{name}.png' for name in export.drawn]
        write_video(pages, out / MP4, width=MP4_WIDTH)
        write_video(pages, out / GIF, width=GIF_WIDTH)
        export.files.extend((out / MP4, out / GIF))
    return export


def _write_ply(
    frame: FramePicture, out: Path, name: str, grid: OccGrid | None
) -> list[Path]:
    semantics = frame.gt_occ if frame.pred_occ is None else frame.pred_occ
    if semantics is None:
        return []
    return [write_ply(semantics, out / f'{name}.ply', grid=grid)]
