"""Export of many frames: pages, PLY files, a Rerun recording, videos."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from mmengine.logging import MMLogger

from mmocc.structures import OccGrid
from mmocc.utils.file_names import make_file_name
from mmocc.visualization.drawing import write_png
from mmocc.visualization.frame_panel import frame_panel
from mmocc.visualization.frame_picture import FramePicture
from mmocc.visualization.ply import write_ply
from mmocc.visualization.rerun_file import open_rrd
from mmocc.visualization.video import write_video

MP4, GIF, RRD = 'scene.mp4', 'scene.gif', 'scene.rrd'
# Pixels. Pages are higher than screens, and GIFs have no motion compression.
MP4_WIDTH, GIF_WIDTH = 1080, 720


class ExportError(RuntimeError):
    """No frame could be drawn."""


class SceneExport(NamedTuple):
    """Frames and files of an export.

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
) -> SceneExport:
    """Draw frames on pages and write them to a folder.

    A frame that cannot be read or drawn is skipped with a warning.

    Args:
        frames (Mapping): Functions that read a frame, by the name of its
            files, in order.
        out (str | Path): Folder of ``<name>.png`` and the other files.
        video (bool): Whether to write ``scene.mp4`` and ``scene.gif`` of the
            pages. Defaults to False.
        ply (bool): Whether to write ``<name>.ply``, the predicted occupancy
            or, without it, the true one. Defaults to False.
        rrd (bool): Whether to write ``scene.rrd``. Defaults to False.
        grid (OccGrid, optional): Grid of the occupancy. Defaults to None,
            Occ3D's.

    Returns:
        SceneExport: Names of the frames and paths of the files.

    Raises:
        ExportError: If no frame could be drawn.
        VideoError: If a video cannot be written completely.
        ImportError: If ``rrd`` is set and Rerun is not installed.
    """
    out = Path(out)
    export = SceneExport([], [], [])
    recording = open_rrd(out / RRD, grid) if rrd else nullcontext()
    with recording as add:
        for shown, read in frames.items():
            name = make_file_name(shown)
            try:
                frame = read()
                page = write_png(
                    frame_panel(frame, grid=grid), out / f'{name}.png'
                )
                export.files.append(page)
                _, semantics = frame.occupancy
                if ply and semantics is not None:
                    export.files.append(
                        write_ply(semantics, out / f'{name}.ply', grid=grid)
                    )
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
