"""Find road users on the way ahead of the car."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmocc.annotation.frame_context import Agent
from mmocc.annotation.lane_graph import LANE_SPACING

_VEHICLES = (
    'car',
    'truck',
    'trailer',
    'bus',
    'construction_vehicle',
    'bicycle',
    'motorcycle',
)
# Half a lane, metres (nuScenes lanes are about 3.5 m wide).
HALF_LANE = 1.75
# From the ego origin (rear axle) to the front bumper of nuScenes' Renault
# Zoe, metres.
FRONT_OVERHANG = 3.4


@dataclass(frozen=True)
class Lead:
    """The vehicle ahead of the ego car.

    Attributes:
        agent (Agent): The vehicle.
        gap (float): Metres from bumper to bumper.
        speed (float): Its speed along the way, m/s; 0 where unknown.
    """

    agent: Agent
    gap: float
    speed: float

    def is_close(self, ego_speed: float, gap: float, time: float) -> bool:
        """Return whether it is within ``gap`` metres or ``time`` seconds.

        Args:
            ego_speed (float): Speed of the ego car in m/s.
            gap (float): Metres from bumper to bumper.
            time (float): Seconds until both touch at their present speeds.
        """
        closing = ego_speed - self.speed
        return self.gap < gap or (closing > 0 and self.gap / closing < time)


def _along(agent: Agent, way: np.ndarray) -> tuple[float, float, float]:
    """Return metres along a way and beside it, and its heading there."""
    distance = np.hypot(way[:, 0] - agent.x, way[:, 1] - agent.y)
    nearest = int(distance.argmin())
    return nearest * LANE_SPACING, float(distance[nearest]), way[nearest, 2]


def on_the_way(agent: Agent, way: np.ndarray, reach: float) -> bool:
    """Return whether a road user is on the lane ahead.

    Args:
        agent (Agent): The road user, in the ego frame.
        way (np.ndarray): (N, 3) the way ahead in the ego frame, 1 m apart.
        reach (float): Metres ahead that are looked at.
    """
    along, beside, _ = _along(agent, way)
    return agent.x > 0 and along <= reach and beside <= HALF_LANE


def is_beside(
    agent: Agent, way: np.ndarray, place: float, reach: float
) -> bool:
    """Return whether a road user is near a place on the way.

    Args:
        agent (Agent): The road user, in the ego frame.
        way (np.ndarray): (N, 3) the way ahead in the ego frame, 1 m apart.
        place (float): Metres along the way.
        reach (float): Metres along and across the way that count as near.
    """
    along, beside, _ = _along(agent, way)
    return abs(along - place) <= reach and beside <= reach


def find_lead(agents: Sequence[Agent], way: np.ndarray) -> Lead | None:
    """Find the next vehicle on the way.

    Args:
        agents (Sequence[Agent]): Road users in the ego frame.
        way (np.ndarray): (N, 3) the way ahead in the ego frame, 1 m apart.

    Returns:
        Lead or None: None where no vehicle is on the way.
    """
    leads = []
    for agent in agents:
        if agent.name not in _VEHICLES or agent.x <= 0:
            continue
        along, beside, yaw = _along(agent, way)
        last = (len(way) - 1) * LANE_SPACING
        if beside > HALF_LANE or along >= last:
            continue
        speed = agent.vx * np.cos(yaw) + agent.vy * np.sin(yaw)
        leads.append(
            Lead(
                agent=agent,
                gap=max(along - agent.length / 2 - FRONT_OVERHANG, 0.0),
                speed=0.0 if np.isnan(speed) else float(speed),
            )
        )
    return min(leads, key=lambda lead: lead.gap, default=None)
