"""Export of frames to a ``.rrd`` file for the Rerun viewer."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np

from mmocc.structures import FREE, OCC3D_CLASSES, OccGrid
from mmocc.structures.occ3d import STEP_SECONDS
from mmocc.utils.atomic import atomic_path
from mmocc.visualization.drawing import HISTORY, PLAN, class_colours
from mmocc.visualization.frame_picture import FramePicture
from mmocc.visualization.road_lines import ROAD_COLOURS

APPLICATION = 'mmocc'
JPEG_QUALITY = 85
# Half widths of lines, in metres.
PATH_RADIUS, ROAD_RADIUS = 0.12, 0.04


def import_rerun():
    """Import Rerun, or say how to install it.

    Raises:
        ImportError: If Rerun is not installed, or cannot be loaded.
    """
    try:
        import rerun
    except ImportError as error:
        raise ImportError(
            f'.rrd files need Rerun, which cannot be imported ({error}); pip '
            'install rerun-sdk==0.23.1, or write pictures, videos or PLY '
            'files instead'
        ) from error
    return rerun


@contextmanager
def open_rrd(
    path: str | os.PathLike, grid: OccGrid | None = None
) -> Iterator[Callable[[FramePicture], None]]:
    """Record frames to a file, which appears when the block ends well.

    All coordinates are in the ego frame of the frame's time. The command
    ``rerun FILE.rrd`` opens the file, and so does app.rerun.io in a browser.

    Args:
        path (str | PathLike): Name that ends in ``.rrd``; its folder is
            created.
        grid (OccGrid, optional): Grid of the occupancy. Defaults to None,
            Occ3D's.

    Yields:
        Callable: Adds a ``FramePicture`` at the next step of 0.5 s.

    Raises:
        ImportError: If Rerun is not installed.
        ValueError: If the suffix is another one.
    """
    path, grid = Path(path), grid or OccGrid()
    if path.suffix.lower() != '.rrd':
        raise ValueError(f'{path}: Rerun recordings are .rrd files')
    rerun = import_rerun()
    stream = rerun.RecordingStream(APPLICATION)
    steps = count()

    def add(frame: FramePicture) -> None:
        step = next(steps)
        stream.set_time('frame', sequence=step)
        stream.set_time('seconds', duration=step * STEP_SECONDS)
        # Parts that this frame lacks must not stay from the frame before.
        stream.log('ego', rerun.Clear(recursive=True))
        stream.log('frame', rerun.TextDocument(frame.title))
        for name, entity in _make_entities(rerun, frame, grid).items():
            stream.log(name, entity)
        for name, parts in _make_cameras(rerun, frame).items():
            stream.log(name, *parts)

    with atomic_path(path) as temporary:
        stream.save(temporary)
        stream.log('ego', rerun.ViewCoordinates.FLU, static=True)
        yield add
        stream.disconnect()


def _make_entities(rerun, frame: FramePicture, grid: OccGrid) -> dict:
    """Convert voxels, trajectories, boxes and map, by Rerun's entity path."""
    entities = {}
    for name, semantics in (
        ('ego/predicted occupancy', frame.pred_occ),
        ('ego/true occupancy', frame.gt_occ),
    ):
        if semantics is not None:
            entities[name] = _make_voxels(rerun, semantics, grid)
    trajs = [
        ('ego/plan' if path.colour == PLAN else 'ego/driven', *path[:2])
        for path in frame.paths
    ]
    if frame.his_trajs is not None and len(frame.his_trajs):
        trajs.append(('ego/driven before', frame.his_trajs, HISTORY))
    for name, points, colour in trajs:
        entities[name] = rerun.LineStrips3D(
            [_on_ground(points)], colors=[colour], radii=[PATH_RADIUS]
        )
    agents, road, _ = frame.overlays
    if agents is not None:
        entities['ego/agents'] = rerun.Boxes3D(
            centers=agents.boxes[:, :3],
            sizes=agents.boxes[:, 3:6],
            quaternions=_yaw_quaternions(agents.boxes[:, 6]),
            colors=[agents.colour(i) for i in range(len(agents.boxes))],
            labels=[
                OCC3D_CLASSES[label] if label >= 0 else ''
                for label in agents.labels
            ],
            show_labels=False,
        )
    if road:
        entities['ego/road'] = rerun.LineStrips3D(
            [_on_ground(line.points) for line in road],
            colors=[ROAD_COLOURS[line.kind] for line in road],
            radii=ROAD_RADIUS,
        )
    return entities


def _make_voxels(rerun, semantics: np.ndarray, grid: OccGrid):
    """Convert the occupied voxels to boxes in class colours."""
    index = np.argwhere(semantics < FREE)
    ids = semantics[tuple(index.T)]
    return rerun.Boxes3D(
        centers=grid.to_metres(index),
        half_sizes=np.broadcast_to(grid.voxel_size / 2, index.shape),
        colors=class_colours(ids),
        fill_mode='solid',
    )


def _make_cameras(rerun, frame: FramePicture) -> dict[str, list]:
    """Convert images, with poses and intrinsics where these are known."""
    entities = {}
    for view, (name, image) in enumerate(
        zip(frame.cam_names, frame.images, strict=True)
    ):
        parts = [rerun.Image(image).compress(jpeg_quality=JPEG_QUALITY)]
        if frame.is_calibrated:
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
        entities[f'ego/{name}'] = parts
    return entities


def _yaw_quaternions(yaws: np.ndarray) -> np.ndarray:
    """Convert yaws (N,) in radians to quaternions (N, 4), x y z w."""
    zeros = np.zeros_like(yaws)
    return np.stack([zeros, zeros, np.sin(yaws / 2), np.cos(yaws / 2)], axis=1)


def _on_ground(points: np.ndarray) -> np.ndarray:
    """Convert positions (N, 2 or more) to (N, 3) with z = 0."""
    return np.pad(np.asarray(points)[:, :2], ((0, 0), (0, 1)))
