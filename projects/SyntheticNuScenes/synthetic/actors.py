"""Turn simulated road users into solids and annotated boxes."""

from dataclasses import dataclass

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic import shapes
from mmocc.projects.SyntheticNuScenes.synthetic.population import Cast
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import NUM_COLUMNS
from mmocc.projects.SyntheticNuScenes.synthetic.traffic import RoadUser
from mmocc.projects.SyntheticNuScenes.synthetic.world import World
from mmocc.structures.occ3d import OCC3D_CLASSES

_OCC_CLASS = {
    'vehicle.car': 'car',
    'vehicle.truck': 'truck',
    'vehicle.bus.rigid': 'bus',
    'vehicle.trailer': 'trailer',
    'vehicle.construction': 'construction_vehicle',
    'vehicle.motorcycle': 'motorcycle',
    'vehicle.bicycle': 'bicycle',
    'human.pedestrian.adult': 'pedestrian',
    'human.pedestrian.child': 'pedestrian',
    'human.pedestrian.construction_worker': 'pedestrian',
    'movable_object.trafficcone': 'traffic_cone',
    'movable_object.barrier': 'barrier',
    'movable_object.pushable_pullable': 'others',
}
_BRAKING = -0.6  # m/s^2 below which brake lights are lit
_MOVING = 0.3  # m/s
_STRIDE = 0.72  # metres of half a gait cycle


@dataclass
class Box:
    """An annotated object at one instant.

    Attributes:
        instance (int): Index of the agent in its cast.
        category (str): nuScenes category.
        attribute (str): nuScenes attribute, '' where it has none.
        centre (np.ndarray): (3,) global metres.
        size (tuple): Length, width, height.
        yaw (float): Radians, global.
        velocity (np.ndarray): (2,) global m/s.
    """

    instance: int
    category: str
    attribute: str
    centre: np.ndarray
    size: tuple[float, float, float]
    yaw: float
    velocity: np.ndarray


def occ_label(category: str) -> int:
    """Return the Occ3D class of a nuScenes category."""
    return OCC3D_CLASSES.index(_OCC_CLASS[category])


def _attribute(agent: RoadUser, speed: float) -> str:
    if agent.attribute:
        return agent.attribute
    if agent.category.startswith('human'):
        word = 'moving' if speed > _MOVING else 'standing'
        return f'pedestrian.{word}'
    if agent.category.startswith('vehicle'):
        word = 'moving' if speed > _MOVING else 'stopped'
        return f'vehicle.{word}'
    return ''


def agent_box(cast: Cast, index: int, time: float) -> Box:
    """Return the box of a road user at a time on the simulator's clock."""
    agent = cast.agents[index]
    pose, speed = cast.simulation.state(agent, time)
    heading = np.array([np.cos(pose[2]), np.sin(pose[2])])
    middle = pose[:2] + heading * (agent.front - agent.size[0] / 2)
    return Box(
        index,
        agent.category,
        _attribute(agent, speed),
        np.array([*middle, agent.size[2] / 2]),
        agent.size,
        float(pose[2]),
        heading * speed,
    )


def _shape(agent: RoadUser, braking: bool, progress: float) -> np.ndarray:
    size, style, colour = agent.size, agent.style, agent.colour
    rng = np.random.default_rng(style)
    category = agent.category
    if category == 'vehicle.car':
        return shapes.car(size, colour, braking, style % 3)
    if category == 'vehicle.truck':
        return shapes.truck(size, colour, braking, style)
    if category == 'vehicle.bus.rigid':
        return shapes.bus(size, colour, braking)
    if category == 'vehicle.trailer':
        return shapes.trailer(size, colour)
    if category == 'vehicle.construction':
        return shapes.excavator(size)
    if category in ('vehicle.bicycle', 'vehicle.motorcycle'):
        return shapes.cycle(
            size,
            colour,
            agent.attribute == 'cycle.with_rider',
            category == 'vehicle.motorcycle',
            rng,
        )
    if category == 'movable_object.trafficcone':
        return shapes.cone(size)
    if category == 'movable_object.barrier':
        return shapes.barrier(size)
    if category == 'movable_object.pushable_pullable':
        return shapes.bin_(size, colour)
    stride = np.sin(np.pi * progress / _STRIDE) if agent.track else 0.0
    if category.endswith('construction_worker'):
        return shapes.worker(size, rng, stride)
    return shapes.person(size, rng, stride)


def dynamic_solids(cast: Cast, boxes: list[Box], time: float) -> np.ndarray:
    """(P, 16) solids of all agents but the ego car, owned by their index."""
    parts = [np.empty((0, NUM_COLUMNS), np.float32)]
    for box in boxes:
        agent = cast.agents[box.instance]
        braking = cast.simulation.acceleration(agent, time) < _BRAKING or (
            agent.driver is not None and np.hypot(*box.velocity) < _MOVING
        )
        progress = (
            float(cast.simulation.progress(agent, time))
            if agent.track
            else 0.0
        )
        parts.append(
            shapes.place(
                _shape(agent, braking, progress),
                box.centre[0],
                box.centre[1],
                box.yaw,
                box.instance,
                occ_label(agent.category),
            )
        )
    return np.concatenate(parts)


def lamp_solids(world: World, states: dict[str, str]) -> np.ndarray:
    """(P, 16) solids of the traffic lights' lamps."""
    parts = [np.empty((0, NUM_COLUMNS), np.float32)]
    for signal in world.signals:
        parts.append(
            shapes.place(
                shapes.signal_lamps(signal.reach, states[signal.arm]),
                signal.x,
                signal.y,
                signal.yaw,
            )
        )
    return np.concatenate(parts)
