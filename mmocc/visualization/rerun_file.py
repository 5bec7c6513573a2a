"""Frames as a ``.rrd`` file, which the Rerun viewer opens."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np

from mmocc.structures import FREE, OCC3D_CLASSES, OccGrid
from mmocc.structures.occ3d import STEP_SECONDS
from mmocc.utils.atomic import TEMPORARY_SUFFIX
from mmocc.visualization.drawing import HISTORY, PLAN, TRUTH
from mmocc.visualization.frame_panel import FramePicture
from mmocc.visualization.road_lines import ROAD_COLOURS
from mmocc.visualization.voxel_view import class_colours

APPLICATION = 'mmocc'
JPEG_QUALITY = 85
# Half widths of lines, in metres.
PATH_RADIUS, ROAD_RADIUS = 0.12, 0.04


@contextmanager
def open_rrd(
    path: str | os.PathLike, grid: OccGrid | None = None
) -> Iterator[Callable[[FramePicture], None]]:
    """Open a recording that takes its name when the block ends well.

    Everything lies in the ego frame of its moment. ``rerun FILE.rrd`` opens
    the file; so does app.rerun.io in a browser, without an installation.

    Args:
        path (str | PathLike): Ends in ``.rrd``; folders are made.
        grid (OccGrid, optional): Of the occupancy. Defaults to Occ3D's.

    Yields:
        Callable: Adds a frame; the next one is 0.5 s later.

    Raises:
        ImportError: If Rerun is not installed.
        ValueError: If the name has another ending.
    """
    path, grid = Path(path), grid or OccGrid()
    if path.suffix.lower() != '.rrd':
        raise ValueError(f'{path}: Rerun recordings are .rrd files')
    try:
        import rerun
    except ImportError as error:
        raise ImportError(
            f'{path} needs Rerun, which cannot be imported ({error}); pip '
            'install rerun-sdk==0.23.1, or write pictures, videos or PLY '
            'files instead'
        ) from error
    stream = rerun.RecordingStream(APPLICATION)
    steps = count()

    def add(frame: FramePicture) -> None:
        step = next(steps)
        stream.set_time('frame', sequence=step)
        stream.set_time('seconds', duration=step * STEP_SECONDS)
        # What this frame lacks shall not stay from the one before.
        stream.log('ego', rerun.Clear(recursive=True))
        stream.log('frame', rerun.TextDocument(frame.title))
        for name, thing in _things(rerun, frame, grid).items():
            stream.log(name, thing)
        for name, parts in _cameras(rerun, frame).items():
            stream.log(name, *parts)

    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    try:
        stream.save(temporary)
        stream.log('ego', rerun.ViewCoordinates.FLU, static=True)
        yield add
        stream.disconnect()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _things(rerun, frame: FramePicture, grid: OccGrid) -> dict:
    """What a frame holds, by its place in the tree of the viewer."""
    things = {}
    for name, semantics in (
        ('ego/predicted occupancy', frame.pred_occ),
        ('ego/true occupancy', frame.gt_occ),
    ):
        if semantics is not None:
            things[name] = _voxels(rerun, semantics, grid)
    plans = () if frame.pred_trajs is None else frame.pred_trajs[:1]
    for name, points, colour in (
        *(('ego/plan', plan, PLAN) for plan in plans),
        ('ego/driven', frame.gt_trajs, TRUTH),
        ('ego/driven before', frame.his_trajs, HISTORY),
    ):
        if points is not None and len(points):
            things[name] = rerun.LineStrips3D(
                [_on_ground(points)], colors=[colour], radii=[PATH_RADIUS]
            )
    agents, road, _ = frame.surroundings
    if agents is not None:
        things['ego/agents'] = rerun.Boxes3D(
            centers=agents.boxes[:, :3],
            sizes=agents.boxes[:, 3:6],
            quaternions=_about_z(agents.boxes[:, 6]),
            colors=[agents.colour(i) for i in range(len(agents.boxes))],
            labels=[
                OCC3D_CLASSES[label] if label >= 0 else ''
                for label in agents.labels
            ],
            show_labels=False,
        )
    if road:
        things['ego/road'] = rerun.LineStrips3D(
            [_on_ground(line.points) for line in road],
            colors=[ROAD_COLOURS[line.kind] for line in road],
            radii=ROAD_RADIUS,
        )
    return things


def _voxels(rerun, semantics: np.ndarray, grid: OccGrid):
    index = np.argwhere(semantics < FREE)
    ids = semantics[tuple(index.T)]
    return rerun.Boxes3D(
        centers=grid.to_metres(index),
        half_sizes=np.broadcast_to(grid.voxel_size / 2, index.shape),
        colors=class_colours(ids),
        fill_mode='solid',
    )


def _cameras(rerun, frame: FramePicture) -> dict[str, list]:
    """Images, and where they are calibrated, their place and lens."""
    things = {}
    calibrated = frame.cam2img is not None and frame.cam2ego is not None
    for view, (name, image) in enumerate(
        zip(frame.cam_names, frame.images, strict=True)
    ):
        parts = [rerun.Image(image).compress(jpeg_quality=JPEG_QUALITY)]
        if calibrated:
            pose = frame.cam2ego[view]
            parts += [
                rerun.Transform3D(
                    translation=pose[:3, 3], mat3x3=pose[:3, :3]
                ),
                rerun.Pinhole(
                    image_from_camera=frame.cam2img[view],
                    resolution=image.shape[1::-1],
                    camera_xyz=rerun.ViewCoordinates.RDF,
                ),
            ]
        things[f'ego/{name}'] = parts
    return things


def _about_z(yaws: np.ndarray) -> np.ndarray:
    """Quaternions (N, 4), x y z w, of turns by (N,) radians."""
    zeros = np.zeros_like(yaws)
    return np.stack([zeros, zeros, np.sin(yaws / 2), np.cos(yaws / 2)], axis=1)


def _on_ground(points: np.ndarray) -> np.ndarray:
    """(N, 3) of positions (N, 2 or more)."""
    return np.pad(np.asarray(points)[:, :2], ((0, 0), (0, 1)))
