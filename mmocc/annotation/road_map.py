"""The map for annotation: lanes, crosswalks and stop lines ahead."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.lane_graph import LANE_SPACING, LaneGraph
from mmocc.infos import MapTables
from mmocc.infos.planar import to_local

# Metres ahead that annotators get a description of the road for.
_REACH = 40.0


@dataclass(frozen=True)
class Surroundings:
    """The road around and ahead of a pose.

    Attributes:
        way (np.ndarray): (N, 3) x, y, yaw in the map frame, the way ahead
            along the car's lane, then straight on; 1 m apart.
        on_lane (bool): Whether the car is on a known lane.
        in_intersection (bool): Whether that lane is a connector.
        intersection (float): Metres to the next connector, inf if not ahead.
        crosswalk (float): Metres to the next crosswalk, inf if not ahead.
        stop_line (float): Metres to the next stop line, inf if not ahead.
        lane_left (bool): Whether a lane of the same direction is to the left.
        lane_right (bool): The same to the right.
    """

    way: np.ndarray
    on_lane: bool = False
    in_intersection: bool = False
    intersection: float = np.inf
    crosswalk: float = np.inf
    stop_line: float = np.inf
    lane_left: bool = False
    lane_right: bool = False


def straight_way(pose: np.ndarray, reach: float) -> np.ndarray:
    """Return poses (N, 3) straight ahead of a pose, 1 m apart, with it."""
    ahead = np.arange(0.0, reach + LANE_SPACING, LANE_SPACING)
    return np.stack(
        (
            pose[0] + ahead * np.cos(pose[2]),
            pose[1] + ahead * np.sin(pose[2]),
            np.full_like(ahead, pose[2]),
        ),
        axis=1,
    )


def inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Return which points (N, 2) lie inside a polygon (K, 2), (N,) bool."""
    x, y = points[:, None, 0], points[:, None, 1]
    start, end = polygon, np.roll(polygon, -1, axis=0)
    rising = (start[:, 1] > y) != (end[:, 1] > y)
    height = np.where(end[:, 1] == start[:, 1], 1.0, end[:, 1] - start[:, 1])
    cut = start[:, 0] + (y - start[:, 1]) * (end[:, 0] - start[:, 0]) / height
    return (rising & (x < cut)).sum(1) % 2 == 1


@dataclass(frozen=True)
class RoadMap:
    """The parts of a map that annotation reads.

    Args:
        lanes (LaneGraph): Lanes and connectors.
        crosswalks (tuple[np.ndarray]): Outlines (K, 2), metres, map frame.
        stop_lines (tuple[np.ndarray]): Outlines (K, 2) of the areas where a
            car has to stop.
    """

    lanes: LaneGraph
    crosswalks: tuple[np.ndarray, ...] = ()
    stop_lines: tuple[np.ndarray, ...] = ()

    @classmethod
    def from_json(cls, path: str | Path) -> 'RoadMap':
        """Read the map-expansion file ``maps/expansion/<location>.json``.

        Raises:
            MapError: The file cannot be read as such a map.
        """
        expansion = MapTables.read(path)
        with expansion.explained():
            lanes = LaneGraph.from_map(expansion.tables)
        return cls(
            lanes=lanes,
            crosswalks=tuple(expansion.outlines('ped_crossing')),
            stop_lines=tuple(expansion.outlines('stop_line')),
        )

    def survey(
        self, pose: np.ndarray, reach: float, rules: LabelRules
    ) -> Surroundings:
        """Describe the road around and ahead of a pose.

        Args:
            pose (np.ndarray): (3,) x, y, yaw in the map frame.
            reach (float): Metres ahead.
            rules (LabelRules): Distance and angle that a car may have to its
                lane.
        """
        lanes = self.lanes
        places = {
            lane: lanes.project(lane, pose)
            for lane in lanes.near(pose[0], pose[1], rules.match_radius)
        }
        fitting = {
            lane: place
            for lane, place in places.items()
            if place.distance <= rules.match_radius
            and abs(place.angle) <= rules.match_angle
        }
        if not fitting:
            way = straight_way(pose, reach)
            return Surroundings(
                way=way,
                crosswalk=_first_inside(way, self.crosswalks),
                stop_line=_first_inside(way, self.stop_lines),
            )
        lane = min(
            fitting,
            key=lambda k: (
                (fitting[k].distance / rules.match_sigma) ** 2
                + (fitting[k].angle / rules.match_sigma_angle) ** 2,
                k,
            ),
        )
        left = lanes.lengths[lane] - fitting[lane].along
        way = self._way_ahead(lane, pose, fitting[lane].along, reach)
        connector = bool(lanes.is_connector[lane])
        crossing = any(lanes.is_connector[k] for k in lanes.successors[lane])
        sides = [
            any(lanes.is_connector[k] == connector for k in side)
            for side in lanes.neighbours[lane]
        ]
        return Surroundings(
            way=way,
            on_lane=True,
            in_intersection=connector,
            intersection=(
                float(left)
                if crossing and not connector and left <= reach
                else np.inf
            ),
            crosswalk=_first_inside(way, self.crosswalks),
            stop_line=_first_inside(way, self.stop_lines),
            lane_left=sides[0],
            lane_right=sides[1],
        )

    def _way_ahead(
        self, lane: int, pose: np.ndarray, along: float, reach: float
    ) -> np.ndarray:
        """Return the lane ahead of a pose, then straight on, 1 m apart."""
        line = self.lanes.polylines[lane]
        marks = np.concatenate(
            ([0.0], np.hypot(*np.diff(line[:, :2], axis=0).T).cumsum())
        )
        stops = np.arange(along, min(marks[-1], along + reach), LANE_SPACING)
        yaws = np.unwrap(line[:, 2])
        way = np.stack(
            [
                np.interp(stops, marks, line[:, 0]),
                np.interp(stops, marks, line[:, 1]),
                np.interp(stops, marks, yaws),
            ],
            axis=1,
        )
        rest = along + reach - marks[-1]
        if rest > 0:
            way = np.concatenate((way, straight_way(line[-1], rest)))
        return way


def _first_inside(way: np.ndarray, polygons: Sequence[np.ndarray]) -> float:
    """Return metres along ``way`` to the first polygon, inf without one."""
    first = np.inf
    low, high = way[:, :2].min(0), way[:, :2].max(0)
    for polygon in polygons:
        if (polygon.max(0) < low).any() or (polygon.min(0) > high).any():
            continue
        hits = np.flatnonzero(inside(way[:, :2], polygon))
        if len(hits):
            first = min(first, hits[0] * LANE_SPACING)
    return float(first)


def local_surroundings(
    road_map: RoadMap | None, pose: np.ndarray, rules: LabelRules
) -> Surroundings:
    """Describe the road around a pose in its own frame.

    Args:
        road_map (RoadMap): The map; None gives a road that goes straight on.
        pose (np.ndarray): (3,) x, y, yaw in the map frame.
        rules (LabelRules): Distance and angle that a car may have to its
            lane.

    Returns:
        Surroundings: With ``way`` in the ego frame of the pose.
    """
    if road_map is None:
        return Surroundings(way=straight_way(np.zeros(3), _REACH))
    road = road_map.survey(pose, _REACH, rules)
    return replace(road, way=to_local(road.way, pose))
