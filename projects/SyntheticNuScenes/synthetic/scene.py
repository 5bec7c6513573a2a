"""Generate one scene and write its images, points, labels and records."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic import can_bus, shapes
from mmocc.projects.SyntheticNuScenes.synthetic.actors import Box
from mmocc.projects.SyntheticNuScenes.synthetic.calibration import (
    CAMERA_RIG,
    LIDAR_TRANSLATION,
    lidar2ego,
    pose_matrix,
)
from mmocc.projects.SyntheticNuScenes.synthetic.counterfactual import (
    judge_anchors,
)
from mmocc.projects.SyntheticNuScenes.synthetic.ground import Ground
from mmocc.projects.SyntheticNuScenes.synthetic.intent import scripted_intent
from mmocc.projects.SyntheticNuScenes.synthetic.language import (
    Questioner,
    visible_things,
)
from mmocc.projects.SyntheticNuScenes.synthetic.lidar import (
    DEPTH,
    Sweep,
    survey_rays,
)
from mmocc.projects.SyntheticNuScenes.synthetic.light import draw_light
from mmocc.projects.SyntheticNuScenes.synthetic.occupancy import (
    camera_mask,
    lidar_mask,
    semantics,
)
from mmocc.projects.SyntheticNuScenes.synthetic.occupancy_questions import (
    OccupancyQuestioner,
)
from mmocc.projects.SyntheticNuScenes.synthetic.omnidrive import Narrator
from mmocc.projects.SyntheticNuScenes.synthetic.presets import Preset
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    SKY,
    Scene,
    build_scene,
    cast_many,
)
from mmocc.projects.SyntheticNuScenes.synthetic.render import make_look, render
from mmocc.projects.SyntheticNuScenes.synthetic.road_ahead import look_ahead
from mmocc.projects.SyntheticNuScenes.synthetic.sensors import (
    MICRO,
    Recorder,
    View,
)
from mmocc.projects.SyntheticNuScenes.synthetic.stage import (
    Instant,
    Stage,
    freeze,
    scene_rng,
    set_stage,
)
from mmocc.projects.SyntheticNuScenes.synthetic.tracks import from_points
from mmocc.projects.SyntheticNuScenes.synthetic.traffic import (
    Driver,
    RoadUser,
    Simulation,
)
from mmocc.projects.SyntheticNuScenes.synthetic.visibility import (
    ObjectView,
    solids_of,
    visibility_level,
    visible_share,
)
from mmocc.projects.SyntheticNuScenes.synthetic.world import EXTENT
from mmocc.structures.occ3d import OCC3D_CLASSES, STEP_SECONDS

_SURVEY_REACH = 6  # key frames before and after that lend their rays
_SURVEY_STEP = 2
_SURVEY_BEAMS, _SURVEY_AZIMUTHS = 48, 360
_SURVEY_RANGE = 70.0  # metres; longer rays say nothing about the grid
_BOX_RANGE = 80.0
_DIGITS = 4  # of box centres, metres
_DEFLATE_LEVEL = 8  # of labels: 21 % smaller than with the default, 6


@dataclass
class FrameRows:
    """Content of the nuScenes tables that belongs to a key frame.

    Attributes:
        time (float): On the simulator's clock, s.
        pose (list): Ego x, y, yaw in global metres.
        readings (list[dict]): See :class:`~sensors.SampleDataRow`;
            first the sweeps that lead to this key frame.
        boxes (list[dict]): Annotated objects.
        questions (list[dict]): NuScenes-QA entries without their tokens.
        occupancy_questions (list[dict]): The same entries about voxels.
        talk (dict): What OmniDrive's files say, but for the label; see
            :class:`~mmocc.projects.SyntheticNuScenes.synthetic.omnidrive.Narrator`.
        intent (dict): What the ego car is doing and why.
        voxels (list): Number of voxels of each class in ``mask_camera``.
    """

    time: float
    pose: list[float]
    readings: list[dict]
    boxes: list[dict]
    questions: list[dict]
    occupancy_questions: list[dict]
    talk: dict
    intent: dict
    voxels: list[int]


@dataclass
class SceneRows:
    """Content of the nuScenes tables that belongs to a scene."""

    name: str
    scenario: str
    split: str
    stamp: int
    weather: str
    frames: list[FrameRows] = field(default_factory=list)
    can_bus: dict[str, list[dict]] = field(default_factory=dict)


def stamp_of(stamp: int, index: int) -> int:
    """Timestamp of key frame ``index`` in microseconds."""
    return stamp + round(index * STEP_SECONDS * MICRO)


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
    ) -> SceneRows:
        """Make one scene; ``progress`` is called after every key frame."""
        preset = self.preset

        def source(purpose: str) -> np.random.Generator:
            return scene_rng(self.seed, name, purpose)

        stage = set_stage(self.seed, name, scenario, origin, preset.frames)
        light = draw_light(source('light'), preset.weathers)
        record = SceneRows(name, scenario, split, stamp, light.name)
        rng, between = source('sensors'), source('sweeps')
        look = make_look(light, rng)
        recorder = Recorder(self.root, preset, name, stage, look, stamp)
        asker = Questioner(source('text'), preset.questions)
        surveyor = OccupancyQuestioner(source('occupancy'))
        narrator = Narrator(source('talk'), light.name)
        surveys = _Surveys(stage, rng)
        for index, time in enumerate(stage.times):
            instant = freeze(stage, float(time))
            views, readings = recorder.key_images(instant)
            sweep, reading = recorder.key_points(instant, rng)
            rays = surveys.around(index, instant.scene)
            rays.append(_rays_of(sweep, instant))
            labels = self._occupancy(stage, instant, views, rays, name, index)
            boxes = _annotate(instant, views, sweep)
            things = visible_things(boxes)
            if index:
                readings = recorder.between(float(time), between) + readings
            record.frames.append(
                FrameRows(
                    time=instant.time,
                    pose=[float(v) for v in instant.pose],
                    readings=[*readings, reading],
                    boxes=boxes,
                    questions=asker.ask(things),
                    occupancy_questions=surveyor.ask(
                        labels['semantics'], labels['mask_camera']
                    ),
                    talk=narrator.talk(
                        things,
                        look_ahead(stage, instant.time),
                        judge_anchors(stage, instant),
                    ),
                    intent=scripted_intent(
                        stage.scenario, stage.cast, instant.time
                    ),
                    voxels=_count_seen(labels),
                )
            )
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

    def _occupancy(
        self,
        stage: Stage,
        instant: Instant,
        views: list[View],
        rays: list[tuple[np.ndarray, np.ndarray]],
        name: str,
        index: int,
    ) -> dict[str, np.ndarray]:
        """Make and write the labels of a key frame."""
        labels = semantics(
            instant.scene.solids, stage.world.ground, instant.pose
        )
        lidar = lidar_mask(rays, instant.pose)
        camera = camera_mask(
            lidar,
            [
                (_cam2ego(view, instant, rig.cam2ego()), *view[2:4])
                for view, rig in zip(views, CAMERA_RIG, strict=True)
            ],
        )
        labels[lidar == 0] = OCC3D_CLASSES.index('free')
        folder = self.root / 'gts' / name / self.token(name, 'sample', index)
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {
            'semantics': labels,
            'mask_lidar': lidar,
            'mask_camera': camera,
        }
        _save_arrays(folder / 'labels.npz', arrays)
        return arrays


def _rays_of(sweep: Sweep, instant: Instant) -> tuple[np.ndarray, np.ndarray]:
    """Origin (3,) and end points (N, 3) of a sweep, global metres."""
    lidar2global = instant.ego2global @ lidar2ego()
    points = sweep.points[:, :3].astype(np.float64)
    origin = lidar2global[:3, 3]
    return origin, points @ lidar2global[:3, :3].T + origin


def _cam2ego(view: View, instant: Instant, mounted: np.ndarray) -> np.ndarray:
    """Pose of a camera in the ego frame of the key frame's LiDAR."""
    if view.instant is instant:
        return mounted
    return np.linalg.inv(instant.ego2global) @ view.cam2global


def _save_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """``np.savez_compressed`` that packs harder."""
    with zipfile.ZipFile(
        path, 'w', zipfile.ZIP_DEFLATED, compresslevel=_DEFLATE_LEVEL
    ) as archive:
        for name, array in arrays.items():
            # A name alone has a fixed date: the same bytes every time.
            with archive.open(f'{name}.npy', 'w') as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def _count_seen(labels: dict[str, np.ndarray]) -> list[int]:
    """Count the voxels of each class that a camera sees."""
    seen = labels['semantics'][labels['mask_camera'] > 0]
    return np.bincount(seen, minlength=len(OCC3D_CLASSES)).tolist()


def _annotate(instant: Instant, views: list[View], sweep: Sweep) -> list[dict]:
    """Boxes of a key frame with what each sensor has of them."""
    x0, y0, yaw = instant.pose
    _, points = _rays_of(sweep, instant)
    cos, sin = np.cos(yaw), np.sin(yaw)
    at_exposure = [
        {box.instance: box for box in view.instant.boxes} for view in views
    ]
    entries = []
    for box in instant.boxes:
        gap = box.centre[:2] - (x0, y0)
        if np.hypot(*gap) > _BOX_RANGE:
            continue
        shots = [
            ObjectView(
                solids_of(view.instant.dynamic, box.instance),
                box_corners(there[box.instance]),
                view.cam2global,
                view.cam2img,
                view.owners,
            )
            for view, there in zip(views, at_exposure, strict=True)
        ]
        share, shown = visible_share(shots, box.instance)
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
    visible_share([ObjectView(solids, rays, *view, owners)], 0)
    track = from_points(np.array([[0.0, 0.0], [9.0, 0.0]]))
    ego = RoadUser('vehicle.ego', (4, 2, 2), track=track, driver=Driver())
    Simulation([ego], lambda arm, time: 'green', 0.0, 0.2).run()
