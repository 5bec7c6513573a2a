"""Boxes, voxels and paths land on the things that a renderer shows there.

The renderer of the synthetic world knows range and owner of each pixel; what
is drawn is compared with both.
"""

import cv2
import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.actors import occ_label
from mmocc.projects.SyntheticNuScenes.synthetic.calibration import CAMERA_RIG
from mmocc.projects.SyntheticNuScenes.synthetic.light import draw_light
from mmocc.projects.SyntheticNuScenes.synthetic.occupancy import semantics
from mmocc.projects.SyntheticNuScenes.synthetic.presets import PRESETS
from mmocc.projects.SyntheticNuScenes.synthetic.render import make_look, render
from mmocc.projects.SyntheticNuScenes.synthetic.stage import freeze, set_stage
from mmocc.structures import FREE, OCC3D_CLASSES
from mmocc.visualization import AgentBoxes, GroundPath
from mmocc.visualization.agent_boxes import draw_boxes
from mmocc.visualization.camera_panel import draw_path
from mmocc.visualization.camera_voxels import first_voxels
from mmocc.visualization.projection import project

SIZE = (320, 180)  # width, height
CAMERAS = {camera.name: camera for camera in CAMERA_RIG}
ROAD = OCC3D_CLASSES.index('driveable_surface')
FUTURE = 0.5 * np.arange(1, 7)  # seconds
GREEN = (0, 255, 0)


class World:
    """One instant, seen by its six cameras."""

    def __init__(self) -> None:
        scenario, frames = 'change_and_left', PRESETS['mini'].frames
        stage = set_stage(3, 'scene-0103', scenario, (20.0, 20.0), frames)
        time = float(stage.times[8])
        self.instant = freeze(stage, time)
        rng = np.random.default_rng(0)
        look = make_look(draw_light(rng), rng)
        self.views = {
            camera.name: render(
                self.instant.scene,
                stage.world.ground,
                look,
                self.instant.ego2global @ camera.cam2ego(),
                camera.intrinsic(SIZE),
                SIZE,
            )
            for camera in CAMERA_RIG
        }
        solids = np.concatenate([stage.world.solids, self.instant.dynamic])
        self.labels = semantics(solids, stage.world.ground, self.instant.pose)
        occupied = self.labels < FREE
        self.found = {
            name: first_voxels(occupied, SIZE[::-1], *calibration(name))
            for name in CAMERAS
        }
        # Occ3D id (H, W) that each pixel shows, free where there is none.
        self.ids = {
            name: np.where(
                found.index < 0, FREE, self.labels.reshape(-1)[found.index]
            )
            for name, found in self.found.items()
        }
        simulation, ego = stage.cast.simulation, stage.cast.agents[0]
        future = np.stack(
            [simulation.state(ego, time + step)[0][:2] for step in FUTURE]
        )
        self.path = self.to_ego(np.pad(future, ((0, 0), (0, 1))))[:, :2]
        self.agents = self._agents()

    def to_ego(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) global metres to ego metres."""
        pose = np.linalg.inv(self.instant.ego2global)
        return points @ pose[:3, :3].T + pose[:3, 3]

    def _agents(self) -> AgentBoxes:
        boxes = self.instant.boxes
        centres = self.to_ego(np.stack([box.centre for box in boxes]))
        sizes = np.array([box.size for box in boxes])
        yaws = np.array([box.yaw for box in boxes]) - self.instant.pose[2]
        return AgentBoxes(
            np.concatenate([centres, sizes, yaws[:, None]], axis=1),
            np.array([occ_label(box.category) for box in boxes]),
            [np.zeros((0, 2))] * len(boxes),
        )


@pytest.fixture(scope='module')
def world():
    return World()


def calibration(name):
    return CAMERAS[name].intrinsic(SIZE), CAMERAS[name].cam2ego()


def seen_boxes(world, least=60):
    """(camera, index of the box, its pixels) of what a camera sees well."""
    for name, (_, _, owners) in world.views.items():
        for index, box in enumerate(world.instant.boxes):
            mask = owners == box.instance
            if mask.sum() >= least:
                yield name, index, mask


def hull_mask(corners, name):
    """Pixels within the outline of projected corners; None if cut."""
    pixels, depth = project(corners, *calibration(name))
    if depth.min() < 0.5:
        return None
    mask = np.zeros(SIZE[::-1], dtype=np.uint8)
    hull = cv2.convexHull(np.rint(pixels - 0.5).astype(np.int32))
    cv2.fillConvexPoly(mask, hull, 1)
    return mask.astype(bool)


def test_boxes_hold_the_pixels_of_their_objects(world):
    inside, filled = [], []
    for name, index, pixels in seen_boxes(world):
        mask = hull_mask(world.agents.corners[index], name)
        if mask is not None:
            inside.append((mask & pixels).sum() / pixels.sum())
            filled.append((mask & pixels).sum() / mask.sum())
    assert len(inside) >= 4
    # Mirrors and wheels stand out a little; others may hide a box.
    assert min(inside) > 0.9
    assert np.median(inside) > 0.97
    assert np.median(filled) > 0.4


def test_drawn_edges_surround_the_object(world):
    name, index, pixels = max(
        (
            seen
            for seen in seen_boxes(world)
            if hull_mask(world.agents.corners[seen[1]], seen[0]) is not None
        ),
        key=lambda seen: seen[2].sum(),
    )
    image = np.zeros((*SIZE[::-1], 3), dtype=np.uint8)
    one = AgentBoxes(
        world.agents.boxes[[index]],
        world.agents.labels[[index]],
        [np.zeros((0, 2))],
    )
    draw_boxes(image, one, *calibration(name))
    drawn, object_ = np.argwhere(image.any(axis=2)), np.argwhere(pixels)
    border = np.array(SIZE[::-1]) - 1
    low, high = object_.min(axis=0), object_.max(axis=0)
    assert (drawn.min(axis=0) <= np.maximum(low + 2, 0)).all()
    assert (drawn.max(axis=0) >= np.minimum(high - 2, border)).all()
    # Not far beyond, either: a box is not much larger than its object.
    room = 0.35 * (high - low) + 6
    assert (drawn.min(axis=0) >= low - room).all()
    assert (drawn.max(axis=0) <= high + room).all()


@pytest.mark.parametrize('name', CAMERAS)
def test_voxels_are_where_the_surfaces_in_the_image_are(world, name):
    found, ranges = world.found[name], world.views[name][1]
    hit = np.isfinite(found.depth) & (ranges < 35)
    assert hit.mean() > 0.2
    # A surface lies anywhere within its voxel of 0.4 m: seen at an angle that
    # is far along the ray, but not across the face that the ray meets.
    lens, pose = calibration(name)
    columns, rows = np.meshgrid(*(np.arange(side) + 0.5 for side in SIZE))
    rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    rays = rays @ (pose[:3, :3] @ np.linalg.inv(lens)).T
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    steep = np.take_along_axis(rays, found.axis[..., None], axis=-1)[..., 0]
    gap = np.abs((found.depth - ranges) * steep)[hit]
    assert np.median(gap) < 0.25
    assert (gap < 0.45).mean() > 0.85


def test_voxels_of_agents_cover_the_pixels_of_agents(world):
    covered = total = 0
    for name, index, pixels in seen_boxes(world):
        if np.abs(world.agents.boxes[index, :2]).max() < 20:
            right = world.ids[name] == world.agents.labels[index]
            covered += right[pixels].sum()
            total += pixels.sum()
    assert total > 500
    assert covered / total > 0.85


def test_path_lies_on_the_road_that_the_camera_shows(world):
    image = np.zeros((*SIZE[::-1], 3), dtype=np.uint8)
    lens, pose = calibration('CAM_FRONT')
    draw_path(image, GroundPath(world.path, GREEN, 1.0), lens, pose)
    painted = image[..., 1] > 64
    assert painted.sum() > 100
    assert (world.ids['CAM_FRONT'][painted] == ROAD).mean() > 0.9


def test_steps_of_the_path_are_as_far_as_the_ground_there(world):
    lens, pose = calibration('CAM_FRONT')
    points = np.pad(world.path, ((0, 0), (0, 1)))
    pixels, depth = project(points, lens, pose)
    ranges = world.views['CAM_FRONT'][1]
    away = np.linalg.norm(points - pose[:3, 3], axis=1)
    columns, rows = np.floor(pixels).astype(int).T
    seen = (depth > 0.5) & (columns >= 0) & (columns < SIZE[0])
    seen &= (rows >= 0) & (rows < SIZE[1])
    assert seen.sum() >= 2
    gap = ranges[rows[seen], columns[seen]] - away[seen]
    # One row of pixels is this long on the ground at that distance.
    row = away[seen] ** 2 / (lens[1, 1] * pose[2, 3])
    assert (np.abs(gap) < 0.3 + row).all()
