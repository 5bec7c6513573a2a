"""Write the prediction of a frame, or of its scene, to files."""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from mmocc.apis.frame_reader import FrameReader
from mmocc.apis.prediction import prediction_dict, prediction_json
from mmocc.apis.vla_inferencer import VLAInferencer
from mmocc.structures import OccDataSample
from mmocc.utils.atomic import atomic_open
from mmocc.visualization import (
    FramePicture,
    SceneExport,
    export_frames,
    frame_pictures,
    open_rrd,
    show_frame,
    write_ply,
    write_png,
)
from mmocc.visualization.frame_panel import PICTURE_NAMES
from mmocc.visualization.open3d_window import import_open3d
from mmocc.visualization.rerun_file import import_rerun

PREDICTION, OCCUPANCY = 'prediction.json', 'occupancy.npz'
PLY, RRD, SCENE = 'occupancy.ply', 'frame.rrd', 'scene'


def require_viewers(rrd: bool = False, show: bool = False) -> None:
    """Check that the packages for recordings and windows are installed.

    Args:
        rrd (bool): Whether Rerun is needed. Defaults to False.
        show (bool): Whether open3d is needed. Defaults to False.

    Raises:
        ImportError: If a package is missing; the message says how to get it.
    """
    if rrd:
        import_rerun()
    if show:
        import_open3d()


def export_frame(
    inferencer: VLAInferencer,
    frame: Mapping,
    sample: OccDataSample,
    out: Path,
    source: Mapping,
    occ_labels: str | os.PathLike | None = None,
    ply: bool = False,
    rrd: bool = False,
    show: bool = False,
) -> dict:
    """Write JSON, occupancy and pictures in place of an earlier result.

    The JSON file is written last: if it exists, the result is complete.

    Args:
        inferencer (VLAInferencer): Inferencer that made the prediction.
        frame (Mapping): The frame.
        sample (OccDataSample): The prediction.
        out (Path): Folder of the files.
        source (Mapping): Further keys of the JSON file.
        occ_labels (str | PathLike, optional): True occupancy to draw.
            Defaults to None, that of the frame.
        ply (bool): Whether to write ``occupancy.ply``. Defaults to False.
        rrd (bool): Whether to write ``frame.rrd``. Defaults to False.
        show (bool): Whether to open a window. Defaults to False.

    Returns:
        dict: The content of the JSON file.

    Raises:
        OSError: If a file cannot be written.
    """
    picture = inferencer.make_picture(frame, sample, occ_labels=occ_labels)
    pictures = frame_pictures(picture)
    names = [f'{name}.png' for name in PICTURE_NAMES]
    for name in (PREDICTION, OCCUPANCY, PLY, RRD, *names):
        (out / name).unlink(missing_ok=True)
    if 'pred_occ' in sample:
        grids = {key: grid.numpy() for key, grid in sample.pred_occ.items()}
        with atomic_open(out / OCCUPANCY) as file:
            np.savez_compressed(file, **grids)
        if ply:
            write_ply(picture.pred_occ, out / PLY)
    for name, image in pictures.items():
        write_png(image, out / f'{name}.png')
    if rrd:
        with open_rrd(out / RRD) as add:
            add(picture)
    prediction = {
        **prediction_dict(sample),
        'ego_state_known': 'ego' in frame,
        **source,
    }
    with atomic_open(out / PREDICTION, 'w') as file:
        file.write(prediction_json(prediction))
    if show:
        show_frame(picture)
    return prediction


def export_scene(
    inferencer: VLAInferencer,
    frames: FrameReader,
    index: int,
    out: Path,
    questions: Sequence[str] | None = None,
    ply: bool = False,
    rrd: bool = False,
) -> SceneExport:
    """Predict and draw all frames of the scene of one frame, with videos.

    Args:
        inferencer (VLAInferencer): Inferencer of the model.
        frames (FrameReader): Frames of an info file.
        index (int): Position of a frame of the scene.
        out (Path): Folder; the files lie in its ``scene``.
        questions (Sequence[str], optional): Questions about each frame.
            Defaults to None, those of the info file.
        ply (bool): Whether to write PLY files. Defaults to False.
        rrd (bool): Whether to write ``scene.rrd``. Defaults to False.

    Raises:
        ExportError: If no frame could be drawn.
        VideoError: If a video cannot be written.
    """

    def predict(place: int) -> FramePicture:
        frame = frames[place]
        [sample] = inferencer.predict([frame], questions)
        return inferencer.make_picture(frame, sample)

    scene = enumerate(frames.scene_of(index))
    return export_frames(
        {
            f'{number:03d}_{frames.infos[place]["token"]}': partial(
                predict, place
            )
            for number, place in scene
        },
        out / SCENE,
        video=True,
        ply=ply,
        rrd=rrd,
    )
