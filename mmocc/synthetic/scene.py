"""One scene from nothing to files: everything that can run by itself."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from mmocc.structures.occ3d import OCC3D_CLASSES, STEP_SECONDS
from mmocc.synthetic import can_bus, shapes
from mmocc.synthetic.actors import (
    Box,
    agent_box,
    dynamic_solids,
    lamp_solids,
)
from mmocc.synthetic.calibration import (
    CAMERA_RIG,
    LIDAR_TRANSLATION,
    lidar2ego,
    pose_matrix,
)
from mmocc.synthetic.ground import Ground
from mmocc.synthetic.intent import scripted_intent
from mmocc.synthetic.language import Questioner, visible_things
from mmocc.synthetic.lidar import DEPTH, Sweep, survey_rays
from mmocc.synthetic.light import draw_light
from mmocc.synthetic.occupancy import camera_mask, lidar_mask, semantics
from mmocc.synthetic.population import Cast, populate
from mmocc.synthetic.presets import Preset
from mmocc.synthetic.raycast import SKY, Scene, build_scene, cast_many
from mmocc.synthetic.render import make_look, render
from mmocc.synthetic.scenarios import (
    FIRST_KEY_FRAME,
    Scenario,
    draw_scenario,
)
from mmocc.synthetic.tracks import from_points
from mmocc.synthetic.traffic import Agent, Driver, Simulation
from mmocc.synthetic.visibility import (
    solids_of,
    visibility_level,
    visible_share,
)
from mmocc.synthetic.world import (
    EXTENT,
    World,
    build_world,
)

LIDAR_CHANNEL = 'LIDAR_TOP'
_TAIL = 0.5  # s simulated after the last key frame
_SURVEY_REACH = 6  # key frames before and after that lend their rays
_SURVEY_STEP = 2
_SURVEY_BEAMS, _SURVEY_AZIMUTHS = 48, 360
_SURVEY_RANGE = 70.0  # metres; longer rays say nothing about the grid
_BOX_RANGE = 80.0
_MICRO = 1_000_000
_DIGITS = 4  # of box centres, metres


@dataclass
class Stage:
    """A scene ready to be looked at."""

    world: World
    scenario: Scenario
    cast: Cast
    times: np.ndarray


@dataclass
class FrameRecord:
    """What the tables say about a key frame.

    Attributes:
        time (float): On the simulator's clock, s.
        pose (list): Ego x, y, yaw in global metres.
        boxes (list[dict]): Annotated objects.
        questions (list[dict]): NuScenes-QA entries without their tokens.
        intent (dict): What the ego car is doing and why.
        voxels (list): Number of voxels of each class in ``mask_camera``.
    """

    time: float
    pose: list[float]
    boxes: list[dict]
    questions: list[dict]
    intent: dict
    voxels: list[int]


@dataclass
class SceneRecord:
    """What the tables say about a scene."""

    name: str
    scenario: str
    split: str
    stamp: int
    weather: str
    frames: list[FrameRecord] = field(default_factory=list)
    can_bus: dict[str, list[dict]] = field(default_factory=dict)


def scene_rng(seed: int, name: str, purpose: str) -> np.random.Generator:
    """A random source that depends on nothing else."""
    words = [ord(letter) for letter in f'{name}/{purpose}']
    return np.random.default_rng([seed, *words])


def set_world(
    seed: int, name: str, scenario_name: str, origin: tuple[float, float]
) -> tuple[World, Scenario, np.random.Generator]:
    """Build a world; the random source goes on with its cast."""
    rng = scene_rng(seed, name, 'stage')
    scenario = draw_scenario(scenario_name, rng)
    return build_world(scenario.layout, origin, rng), scenario, rng


def set_stage(
    seed: int,
    name: str,
    scenario_name: str,
    origin: tuple[float, float],
    frames: int,
) -> Stage:
    """Build a world and move everybody through it."""
    world, scenario, rng = set_world(seed, name, scenario_name, origin)
    times = FIRST_KEY_FRAME + STEP_SECONDS * np.arange(frames)
    cast = populate(world, scenario, rng, float(times[-1]) + _TAIL)
    return Stage(world, scenario, cast, times)


def stamp_of(stamp: int, index: int) -> int:
    """Timestamp of key frame ``index`` in microseconds."""
    return stamp + round(index * STEP_SECONDS * _MICRO)


def file_name(scene: str, channel: str, stamp: int, ending: str) -> str:
    """Path of a sensor file below the data root."""
    return f'samples/{channel}/synthetic-{scene}__{channel}__{stamp}.{ending}'


class SceneWriter:
    """Renders the key frames of one scene into files.

    Args:
        root (Path): Data root that is being filled.
        preset (Preset): Sizes.
        seed (int): Of the data set.
        token (Callable): Maps scene, kind and index to a token.
    """

    def __init__(
        self,
        root: Path,
        preset: Preset,
        seed: int,
        token: Callable[[str, str, int], str],
    ) -> None:
        self.root, self.preset, self.seed = root, preset, seed
        self.token = token

    def write(
        self,
        name: str,
        scenario: str,
        split: str,
        origin: tuple[float, float],
        stamp: int,
        progress: Callable[[], None],
    ) -> SceneRecord:
        """Make one scene; ``progress`` is called after every key frame."""
        stage = set_stage(
            self.seed, name, scenario, origin, self.preset.frames
        )
        light = draw_light(
            scene_rng(self.seed, name, 'light'), self.preset.weathers
        )
        record = SceneRecord(name, scenario, split, stamp, light.name)
        rng = scene_rng(self.seed, name, 'sensors')
        look = make_look(light, rng)
        asker = Questioner(
            scene_rng(self.seed, name, 'text'), self.preset.questions
        )
        surveys = _Surveys(stage, rng)
        for index in range(len(stage.times)):
            frame = self._frame(
                stage, name, index, stamp_of(stamp, index), look, surveys, rng
            )
            frame.questions = asker.ask(visible_things(frame.boxes))
            record.frames.append(frame)
            progress()
        first, last = stage.times[0], stage.times[-1]
        record.can_bus = {
            'pose': can_bus.pose_messages(stage.cast, first, last, stamp),
            'steeranglefeedback': can_bus.steer_messages(
                stage.cast, first, last, stamp
            ),
            'vehicle_monitor': can_bus.monitor_messages(
                stage.cast, first, last, stamp
            ),
        }
        return record

    def _frame(
        self, stage, name, index, stamp, look, surveys, rng
    ) -> FrameRecord:
        world, cast = stage.world, stage.cast
        time = float(stage.times[index])
        pose, _ = cast.simulation.state(cast.agents[0], time)
        ego2global = pose_matrix(*pose)
        boxes = [agent_box(cast, i, time) for i in range(1, len(cast.agents))]
        boxes = [
            box
            for box in boxes
            if np.hypot(*(box.centre[:2] - pose[:2])) < _BOX_RANGE + 60.0
        ]
        dynamic = dynamic_solids(cast, boxes, time)
        arms = {signal.arm for signal in world.signals}
        lamps = lamp_solids(
            world, {arm: stage.scenario.signal(arm, time) for arm in arms}
        )
        solids = np.concatenate([world.solids, lamps, dynamic])
        scene = build_scene(solids, world.origin, EXTENT)
        views = self._cameras(world, scene, look, ego2global, name, stamp)
        sweep = self._lidar(world, scene, ego2global, name, stamp, rng)
        voxels = self._occupancy(
            world, scene, pose, views, surveys, name, index
        )
        entries = self._annotate(
            boxes, dynamic, views, sweep, ego2global, pose
        )
        return FrameRecord(
            time,
            [float(v) for v in pose],
            entries,
            [],
            scripted_intent(stage.scenario, cast, time),
            voxels,
        )

    def _cameras(self, world, scene, look, ego2global, name, stamp) -> list:
        views = []
        for camera in CAMERA_RIG:
            cam2ego = camera.cam2ego()
            cam2img = camera.intrinsic(self.preset.image_size)
            cam2global = ego2global @ cam2ego
            image, ranges, owners = render(
                scene,
                world.ground,
                look,
                cam2global,
                cam2img,
                self.preset.image_size,
            )
            path = self.root / file_name(name, camera.name, stamp, 'jpg')
            quality = [cv2.IMWRITE_JPEG_QUALITY, self.preset.quality]
            if not cv2.imwrite(str(path), image, quality):
                raise OSError(f'could not write the image {path}')
            views.append((cam2ego, cam2img, ranges, owners, cam2global))
        return views

    def _lidar(self, world, scene, ego2global, name, stamp, rng) -> Sweep:
        sweep = Sweep(
            scene,
            world.ground,
            ego2global @ lidar2ego(),
            self.preset.azimuths,
            rng,
        )
        path = self.root / file_name(name, LIDAR_CHANNEL, stamp, 'pcd.bin')
        sweep.points.tofile(path)
        return sweep

    def _occupancy(
        self, world, scene, pose, views, surveys, name, index
    ) -> list[int]:
        labels = semantics(scene.solids, world.ground, pose)
        lidar = lidar_mask(surveys.around(index, scene), pose)
        camera = camera_mask(lidar, [view[:3] for view in views])
        labels[lidar == 0] = OCC3D_CLASSES.index('free')
        folder = self.root / 'gts' / name / self.token(name, 'sample', index)
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            folder / 'labels.npz',
            semantics=labels,
            mask_lidar=lidar,
            mask_camera=camera,
        )
        seen = labels[camera > 0]
        return np.bincount(seen, minlength=len(OCC3D_CLASSES)).tolist()

    def _annotate(
        self, boxes, dynamic, views, sweep, ego2global, pose
    ) -> list[dict]:
        shots = [(view[4], view[1], view[3]) for view in views]
        lidar2global = ego2global @ lidar2ego()
        points = sweep.points[:, :3].astype(np.float64)
        points = points @ lidar2global[:3, :3].T + lidar2global[:3, 3]
        cos, sin = np.cos(pose[2]), np.sin(pose[2])
        entries = []
        for box in boxes:
            gap = box.centre[:2] - pose[:2]
            if np.hypot(*gap) > _BOX_RANGE:
                continue
            share, shown = visible_share(
                solids_of(dynamic, box.instance),
                box_corners(box),
                box.instance,
                shots,
            )
            entries.append(
                {
                    'instance': box.instance,
                    'category': box.category,
                    'attribute': box.attribute,
                    'centre': [round(float(v), _DIGITS) for v in box.centre],
                    'size': list(box.size),
                    'yaw': box.yaw,
                    'velocity': [float(v) for v in box.velocity],
                    'visibility': visibility_level(share),
                    'pixels': int(shown),
                    'points': int(points_inside(points, box).sum()),
                    'x': float(cos * gap[0] + sin * gap[1]),
                    'y': float(cos * gap[1] - sin * gap[0]),
                }
            )
        return entries


class _Surveys:
    """Rays of the poses around a frame, each cast only once.

    Static solids alone stop the rays of other poses, because moving things
    were elsewhere then; the frame's own rays meet everything.
    """

    def __init__(self, stage: Stage, rng: np.random.Generator) -> None:
        self.stage = stage
        world = stage.world
        self.still = build_scene(world.solids, world.origin, EXTENT)
        self.rays = [
            survey_rays(_SURVEY_BEAMS, _SURVEY_AZIMUTHS, rng)
            for _ in stage.times
        ]
        self.done: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def _cast(self, index: int, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
        cast = self.stage.cast
        pose, _ = cast.simulation.state(
            cast.agents[0], float(self.stage.times[index])
        )
        turn = pose_matrix(*pose)[:3, :3]
        origin = np.array([*pose[:2], 0.0]) + turn @ LIDAR_TRANSLATION
        rays = self.rays[index] @ turn.T
        ranges, found = cast_many(scene, origin, rays, _SURVEY_RANGE)
        hit = found != SKY
        depth = np.where(found[hit] >= 0, DEPTH, 0.0)
        ends = origin + rays[hit] * (ranges[hit] + depth)[:, None]
        return origin, ends

    def around(
        self, index: int, scene: Scene
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Origins and end points for the LiDAR mask of a frame."""
        out = [self._cast(index, scene)]
        for step in range(-_SURVEY_REACH, _SURVEY_REACH + 1, _SURVEY_STEP):
            other = index + step
            if step == 0 or not 0 <= other < len(self.stage.times):
                continue
            if other not in self.done:
                self.done[other] = self._cast(other, self.still)
            out.append(self.done[other])
        return out


def box_corners(box: Box) -> np.ndarray:
    """(8, 3) corners in global metres."""
    signs = np.array(
        [[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]
    )
    local = signs * np.array(box.size) / 2
    cos, sin = np.cos(box.yaw), np.sin(box.yaw)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    return local @ turn.T + box.centre


def points_inside(points: np.ndarray, box: Box) -> np.ndarray:
    """(N,) bool, True for points (N, 3) inside a box or on its border."""
    cos, sin = np.cos(box.yaw), np.sin(box.yaw)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    local = np.abs((points - box.centre) @ turn)
    return (local <= np.array(box.size) / 2).all(-1)


def warm_up() -> None:
    """Compile every kernel once, before processes are forked."""
    ground = Ground((0.0, 0.0), 4.0)
    rng = np.random.default_rng(0)
    solids = np.stack([shapes.solid(0, (2, 2, 1), (1, 1, 1), (9, 9, 9))])
    scene = build_scene(solids, (0.0, 0.0), 4.0)
    pose = np.zeros(3)
    rays = np.eye(3)
    cast_many(scene, np.ones(3), rays, 5.0)
    camera = CAMERA_RIG[0]
    view = (camera.cam2ego(), camera.intrinsic((16, 9)))
    _, ranges, owners = render(
        scene, ground, make_look(draw_light(rng), rng), *view, (16, 9)
    )
    mask = lidar_mask([(np.ones(3), rays)], pose)
    semantics(solids, ground, pose)
    camera_mask(mask, [(*view, ranges)])
    visible_share(solids, rays, 0, [(*view, owners)])
    track = from_points(np.array([[0.0, 0.0], [9.0, 0.0]]))
    ego = Agent('vehicle.ego', (4, 2, 2), track=track, driver=Driver())
    Simulation([ego], lambda arm, time: 'green', 0.0, 0.2).run()
