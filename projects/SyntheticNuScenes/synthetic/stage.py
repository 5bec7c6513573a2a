"""A simulated scene and its state at one instant."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.actors import (
    Box,
    agent_box,
    dynamic_solids,
    lamp_solids,
)
from mmocc.projects.SyntheticNuScenes.synthetic.calibration import pose_matrix
from mmocc.projects.SyntheticNuScenes.synthetic.population import (
    Cast,
    populate,
)
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    Scene,
    build_scene,
)
from mmocc.projects.SyntheticNuScenes.synthetic.scenarios import (
    FIRST_KEY_FRAME,
    Scenario,
    draw_scenario,
)
from mmocc.projects.SyntheticNuScenes.synthetic.world import (
    EXTENT,
    World,
    build_world,
)
from mmocc.structures.occ3d import STEP_SECONDS

_TAIL = 0.5  # s simulated after the last key frame
_REACH = 140.0  # metres from the ego car within which agents are drawn


@dataclass
class Stage:
    """A simulated scene: world, road users and their motion.

    Attributes:
        world (World): All that stands still.
        scenario (Scenario): The script.
        cast (Cast): All that moves, already simulated.
        times (np.ndarray): (N,) clock of the key frames, s.
    """

    world: World
    scenario: Scenario
    cast: Cast
    times: np.ndarray


class Instant(NamedTuple):
    """The state of a simulated scene at one time.

    Attributes:
        time (float): On the simulator's clock, s.
        pose (np.ndarray): (3,) x, y, yaw of the ego car, global.
        ego2global (np.ndarray): (4, 4) pose of the ego frame.
        boxes (list[Box]): Every agent near the ego car, itself left out.
        dynamic (np.ndarray): (P, 16) solids of these agents.
        scene (Scene): All solids, ready for rays.
    """

    time: float
    pose: np.ndarray
    ego2global: np.ndarray
    boxes: list[Box]
    dynamic: np.ndarray
    scene: Scene


def scene_rng(seed: int, name: str, purpose: str) -> np.random.Generator:
    """Return the random generator of a scene for one purpose."""
    words = [ord(letter) for letter in f'{name}/{purpose}']
    return np.random.default_rng([seed, *words])


def set_world(
    seed: int, name: str, scenario_name: str, origin: tuple[float, float]
) -> tuple[World, Scenario, np.random.Generator]:
    """Build a world; its generator then draws the road users."""
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
    """Build a world and simulate the motion of all road users."""
    world, scenario, rng = set_world(seed, name, scenario_name, origin)
    times = FIRST_KEY_FRAME + STEP_SECONDS * np.arange(frames)
    cast = populate(world, scenario, rng, float(times[-1]) + _TAIL)
    return Stage(world, scenario, cast, times)


def freeze(stage: Stage, time: float) -> Instant:
    """Return the state of a simulated scene at ``time``."""
    world, cast = stage.world, stage.cast
    pose, _ = cast.simulation.state(cast.agents[0], time)
    boxes = [agent_box(cast, i, time) for i in range(1, len(cast.agents))]
    boxes = [
        box for box in boxes if np.hypot(*(box.centre[:2] - pose[:2])) < _REACH
    ]
    dynamic = dynamic_solids(cast, boxes, time)
    arms = {signal.arm for signal in world.signals}
    lamps = lamp_solids(
        world, {arm: stage.scenario.signal(arm, time) for arm in arms}
    )
    solids = np.concatenate([world.solids, lamps, dynamic])
    scene = build_scene(solids, world.origin, EXTENT)
    return Instant(time, pose, pose_matrix(*pose), boxes, dynamic, scene)
