"""Pictures that are compared with those in ``tests/data/golden``.

``python tests/mmocc/visualization/golden.py`` draws them anew; look at each
before it is committed.
"""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mmocc.structures import FREE, OCC3D_CLASSES, OccGrid
from mmocc.visualization import (
    AgentBoxes,
    FrameOverlays,
    FramePicture,
    GroundPath,
    RoadLine,
    TextRow,
    bev_view,
    forecast_strip,
    frame_panel,
    plan_bev,
    voxel_view,
    write_png,
)
from mmocc.visualization.camera_panel import camera_panel
from mmocc.visualization.road_lines import CROSSING, DIVIDER, EDGE

FOLDER = Path(__file__).resolve().parents[2] / 'data' / 'golden'
GRID = OccGrid((-16.0, -16.0, -1.0, 16.0, 16.0, 5.4), (0.8, 0.8, 0.4))
NAMES = ('CAM_FRONT_LEFT', 'CAM_FRONT', 'CAM_FRONT_RIGHT')
YAWS = np.deg2rad([55.0, 0.0, -55.0])
BLUE = (20, 90, 230)
ROAD, TREE, CAR, WALK = (
    OCC3D_CLASSES.index(name)
    for name in ('driveable_surface', 'vegetation', 'car', 'sidewalk')
)
STEPS = np.arange(1, 7)[:, None]
PLAN = np.concatenate([2.2 * STEPS, 0.08 * STEPS**2], axis=1)


def street(shift: int = 0) -> np.ndarray:
    """A road with a walk, trees and a car."""
    semantics = np.full(GRID.shape, FREE, dtype=np.uint8)
    semantics[:, :, 2] = WALK
    semantics[:, 10:30, 2] = ROAD
    for x in range(3, 40, 9):
        semantics[x, 5, 3:8] = TREE
        semantics[x - 1 : x + 2, 4:7, 8:12] = TREE
    semantics[30 - shift : 36 - shift, 22:25, 3:7] = CAR
    return semantics


def agents() -> AgentBoxes:
    """The car of :func:`street`, and one to the right."""
    boxes = [[10.4, 2.8, 1.0, 4.6, 2.2, 1.6, 0.0], [4, -6, 1, 4, 2, 1.5, 1.2]]
    futures = [np.array([[12.0, 2.8], [14.0, 2.8]]), np.zeros((0, 2))]
    return AgentBoxes(np.array(boxes), np.array([CAR, CAR]), futures)


def road() -> list[RoadLine]:
    xs = np.array([-40.0, 40.0])
    crossing = [[14, -8], [14, 8], [17, 8], [17, -8], [14, -8]]
    return [
        RoadLine(EDGE, np.stack([xs, [8.0, 8.0]], axis=1)),
        RoadLine(EDGE, np.stack([xs, [-8.0, -8.0]], axis=1)),
        RoadLine(DIVIDER, np.stack([xs, [0.5, 0.5]], axis=1)),
        RoadLine(CROSSING, np.array(crossing, dtype=float)),
    ]


def cameras() -> dict:
    """Three cameras that see a gradient."""
    ahead = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    poses = np.tile(np.eye(4), (3, 1, 1))
    for pose, yaw in zip(poses, YAWS, strict=True):
        cos, sin = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        pose[:3, :3] = turn @ ahead
        pose[:3, 3] = [1.5 * cos, 1.5 * sin, 1.5]
    lens = np.array([[130.0, 0, 80], [0, 130.0, 45], [0, 0, 1]])
    sky = np.linspace(220, 120, 90).astype(np.uint8)
    image = np.tile(sky[:, None, None], (1, 160, 3))
    return {
        'images': [image] * 3,
        'cam_names': NAMES,
        'cam2img': np.stack([lens] * 3),
        'cam2ego': poses,
    }


def cameras_with_boxes() -> np.ndarray:
    paths = [GroundPath(PLAN, BLUE, 1.2)]
    return camera_panel(*cameras_as_arguments(paths), 480, agents())


def cameras_with_voxels() -> np.ndarray:
    return camera_panel(*cameras_as_arguments(()), 480, None, street(), GRID)


def cameras_as_arguments(paths) -> tuple:
    rig = cameras()
    return (
        rig['images'], rig['cam_names'], paths, rig['cam2img'],
        rig['cam2ego'],
    )  # fmt: skip


def plan() -> np.ndarray:
    plans = np.stack([PLAN, PLAN * (1, -1), PLAN * (0.7, 0)])
    return plan_bev(
        street(), PLAN * (1, 0.5), plans, -PLAN[::-1] * (1, 0), 400, GRID,
        np.array([2.0, 0.0, -2.0]), agents(), road(), plans * 0.9,
    )  # fmt: skip


def voxels() -> np.ndarray:
    return voxel_view(street(), width=400, height=240, grid=GRID)


def from_above() -> np.ndarray:
    return bev_view(street(), scale=4)


def forecast() -> np.ndarray:
    future = np.stack([street(shift) for shift in range(1, 7)])
    return forecast_strip(street(), future, 480)


def page() -> np.ndarray:
    """A whole frame, shrunk."""
    frame = FramePicture(
        title='a street · frame 7',
        **cameras(),
        pred_occ=street(2),
        gt_occ=street(),
        pred_trajs=PLAN[None],
        gt_trajs=PLAN * (1, 0.5),
        overlays=FrameOverlays(agents(), road()),
        rows=[TextRow('Meta-action', 'Maintain speed; Go Straight', True)],
    )
    whole = frame_panel(frame, 900, GRID)
    return cv2.resize(
        whole, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA
    )


PICTURES: dict[str, Callable[[], np.ndarray]] = {
    draw.__name__: draw
    for draw in (
        cameras_with_boxes,
        cameras_with_voxels,
        plan,
        voxels,
        from_above,
        forecast,
        page,
    )
}


def main() -> None:
    for name, draw in PICTURES.items():
        path = write_png(draw(), FOLDER / f'{name}.png')
        print(f'{path.stat().st_size:8} bytes  {path}')


if __name__ == '__main__':
    main()
