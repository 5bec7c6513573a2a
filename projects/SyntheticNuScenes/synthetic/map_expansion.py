"""The map of all scenes in the nuScenes map expansion format (v1.3)."""

import hashlib
from collections.abc import Callable

import cv2
import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.curves import Curve
from mmocc.projects.SyntheticNuScenes.synthetic.ground import (
    BAY,
    KERB,
    PLAZA,
    RESOLUTION,
    WALK,
    stop_line_outline,
    stop_lines,
    strip,
    zebra_outline,
)
from mmocc.projects.SyntheticNuScenes.synthetic.roads import Lane, Road
from mmocc.projects.SyntheticNuScenes.synthetic.world import World

_MIN_AREA = 4.0  # square metres of a polygon worth writing
_TOLERANCE = 0.15  # metres that a surface's outline may lose
_LANE_TOLERANCE = 0.03  # metres that a lane's border may lose
_EDGE = 1.0  # metres between points of a lane's border

_LISTS = (
    'polygon',
    'line',
    'node',
    'drivable_area',
    'road_segment',
    'road_block',
    'lane',
    'ped_crossing',
    'walkway',
    'stop_line',
    'carpark_area',
    'road_divider',
    'lane_divider',
    'traffic_light',
    'lane_connector',
)


def arcline_path(curve: Curve) -> list[dict]:
    """A curve as ``arcline_path_3`` entries, one for each arc.

    A straight piece uses the middle segment, a bend the first one.
    """
    path = []
    for arc in curve.arcs:
        ends = arc.poses(np.array([0.0, arc.length]))
        bent = abs(arc.curvature) > 1e-9
        shape = 'RSR' if arc.curvature < 0 else 'LSL'
        path.append(
            {
                'start_pose': [float(v) for v in ends[0]],
                'end_pose': [float(v) for v in ends[1]],
                'shape': shape,
                'radius': 1.0 / abs(arc.curvature) if bent else 999.999,
                'segment_length': [float(arc.length), 0.0, 0.0]
                if bent
                else [0.0, float(arc.length), 0.0],
            }
        )
    return path


def simplify(
    line: np.ndarray, tolerance: float = _LANE_TOLERANCE
) -> np.ndarray:
    """Drop points (N, 2) that lie on the line of their neighbours.

    Ends stay; Ramer-Douglas-Peucker.
    """
    if len(line) < 3:
        return line
    chord = line[-1] - line[0]
    gap = line - line[0]
    across = gap[:, 0] * chord[1] - gap[:, 1] * chord[0]
    away = np.abs(across) / max(np.hypot(*chord), 1e-9)
    worst = int(away.argmax())
    if away[worst] <= tolerance:
        return line[[0, -1]]
    head = simplify(line[: worst + 1], tolerance)
    return np.concatenate([head[:-1], simplify(line[worst:], tolerance)])


class MapExpansion:
    """Collects the layers of all scenes.

    Args:
        prefix (str): Makes tokens unique to a data set.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.layers: dict[str, list[dict]] = {name: [] for name in _LISTS}
        self.arclines: dict[str, list[dict]] = {}
        self.connectivity: dict[str, dict] = {}
        self._scene = ''

    def _token(self, *parts: object) -> str:
        text = '/'.join(map(str, (self.prefix, self._scene, *parts)))
        return hashlib.md5(text.encode()).hexdigest()

    def _add(self, layer: str, **fields: object) -> str:
        token = self._token(layer, len(self.layers[layer]))
        self.layers[layer].append({'token': token, **fields})
        return token

    def _ribbon(self, outline: np.ndarray) -> str:
        """Polygon of a strip: its two borders are simplified."""
        half = len(outline) // 2
        borders = simplify(outline[:half]), simplify(outline[half:])
        return self._polygon(np.concatenate(borders))

    def _nodes(self, points: np.ndarray) -> list[str]:
        return [
            self._add('node', x=round(float(x), 3), y=round(float(y), 3))
            for x, y in points[:, :2]
        ]

    def _line(self, points: np.ndarray) -> str:
        return self._add('line', node_tokens=self._nodes(points))

    def _polygon(
        self, outline: np.ndarray, holes: list[np.ndarray] | None = None
    ) -> str:
        return self._add(
            'polygon',
            exterior_node_tokens=self._nodes(outline),
            holes=[{'node_tokens': self._nodes(hole)} for hole in holes or []],
        )

    def add(self, scene: str, world: World) -> None:
        """Add the map of one scene."""
        self._scene = scene
        codes = world.ground.codes
        drivable = self._regions(world, world.ground.is_drivable())
        polygons = [self._polygon(*region) for region in drivable]
        area = self._add('drivable_area', polygon_tokens=polygons)
        for outline, holes in self._regions(
            world, np.isin(codes, (WALK, PLAZA, KERB))
        ):
            self._add('walkway', polygon_token=self._polygon(outline, holes))
        for outline, holes in self._regions(world, codes == BAY):
            self._add(
                'carpark_area',
                polygon_token=self._polygon(outline, holes),
                orientation=0.0,
                road_block_token='',
            )
        segments = self._segments(world, area)
        self._lanes(world)
        for road in world.net.roads.values():
            self._crossings(road, segments[road.name])
            self._dividers(road)
        self._lights(world)

    def _regions(
        self, world: World, mask: np.ndarray
    ) -> list[tuple[np.ndarray, list[np.ndarray]]]:
        contours, tree = cv2.findContours(
            mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE
        )
        shapes: dict[int, tuple] = {}
        for number, contour in enumerate(contours):
            parent = int(tree[0][number][3])
            if cv2.contourArea(contour) * RESOLUTION**2 < _MIN_AREA:
                continue
            short = cv2.approxPolyDP(contour, _TOLERANCE / RESOLUTION, True)
            if len(short) < 3:
                continue
            points = (short[:, 0] + 0.5) * RESOLUTION + world.origin
            if parent < 0:
                shapes[number] = (points, [])
            elif parent in shapes:
                shapes[parent][1].append(points)
        return list(shapes.values())

    def _segments(self, world: World, area: str) -> dict[str, str]:
        """Road segments; returns the first one of each road."""
        first = {}
        for road in world.net.roads.values():
            spans = [(span, False) for span in road.sections()]
            if road.gap and road.name == 'main':
                spans.append((road.gap, True))
            for span, junction in spans:
                outline = strip(
                    road, *span, -road.kerb(False), road.kerb(True)
                )
                token = self._add(
                    'road_segment',
                    polygon_token=self._ribbon(outline),
                    is_intersection=junction,
                    drivable_area_token=area,
                )
                first.setdefault(road.name, token)
                if not junction:
                    self._blocks(road, span, token)
        return first

    def _blocks(
        self, road: Road, span: tuple[float, float], segment: str
    ) -> None:
        for along, (low, high) in (
            (True, (-road.edge(False), -road.median / 2)),
            (False, (road.median / 2, road.edge(True))),
        ):
            outline = strip(road, *span, low, high)
            half = len(outline) // 2
            start = np.stack([outline[0], outline[-1]])
            end = np.stack([outline[half - 1], outline[half]])
            edges = (start, end) if along else (end, start)
            self._add(
                'road_block',
                polygon_token=self._ribbon(outline),
                from_edge_line_token=self._line(edges[0]),
                to_edge_line_token=self._line(edges[1]),
                road_segment_token=segment,
            )

    def _lane_token(self, lane: Lane) -> str:
        return self._token('lane', lane.key)

    def _lanes(self, world: World) -> None:
        for lane in world.net.lanes.values():
            token = self._lane_token(lane)
            poses = lane.curve.sample(_EDGE)
            normal = np.stack(
                [-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=1
            )
            half = lane.width / 2
            left = poses[:, :2] + half * normal
            right = poses[:, :2] - half * normal
            outline = np.concatenate([simplify(right), simplify(left)[::-1]])
            polygon = self._polygon(outline)
            self.arclines[token] = arcline_path(lane.curve)
            self.connectivity[token] = {
                'incoming': self._tokens(world, lane.incoming),
                'outgoing': self._tokens(world, lane.outgoing),
            }
            if lane.turn:
                self.layers['lane_connector'].append(
                    {'token': token, 'polygon_token': polygon}
                )
                continue
            self.layers['lane'].append(
                {
                    'token': token,
                    'polygon_token': polygon,
                    'lane_type': 'CAR',
                    'from_edge_line_token': self._line(
                        np.stack([right[0], left[0]])
                    ),
                    'to_edge_line_token': self._line(
                        np.stack([right[-1], left[-1]])
                    ),
                    'left_lane_divider_segments': self._segments_of(
                        left, lane.index == 0
                    ),
                    'right_lane_divider_segments': self._segments_of(
                        right, False
                    ),
                }
            )

    def _tokens(self, world: World, keys: list[str]) -> list[str]:
        return [self._lane_token(world.net.lanes[key]) for key in keys]

    def _segments_of(self, border: np.ndarray, inner: bool) -> list[dict]:
        kind = 'DOUBLE_SOLID_YELLOW' if inner else 'DOUBLE_DASHED_WHITE'
        ends = border[[0, -1]]
        return [
            {'node_token': token, 'segment_type': kind}
            for token in self._nodes(ends)
        ]

    def _crossings(self, road: Road, segment: str) -> None:
        crossings = []
        for station in road.zebras:
            token = self._add(
                'ped_crossing',
                polygon_token=self._polygon(zebra_outline(road, station)),
                road_segment_token=segment,
            )
            crossings.append((station, token))
        for station, along, cause in stop_lines(road):
            near = [
                token
                for zebra, token in crossings
                if cause == 'PED_CROSSING' and abs(zebra - station) < 5.0
            ]
            self._add(
                'stop_line',
                polygon_token=self._polygon(
                    stop_line_outline(road, station, along)
                ),
                stop_line_type=cause,
                ped_crossing_tokens=near,
                traffic_light_tokens=[],
                road_block_token='',
            )

    def _dividers(self, road: Road) -> None:
        for span in road.sections():
            stations = np.linspace(*span, max(int(span[1] - span[0]) // 5, 2))
            place = self._offset_line(road, stations)
            self._add(
                'road_divider',
                line_token=self._line(place(0.0)),
                road_segment_token='',
            )
            for along in (True, False):
                count = road.lanes[0 if along else 1]
                for index in range(1, count):
                    middle = road.lane_offset(along, index)
                    inward = (1 if along else -1) * road.lane_width / 2
                    self._add(
                        'lane_divider',
                        line_token=self._line(place(middle + inward)),
                        lane_divider_segments=[],
                    )

    @staticmethod
    def _offset_line(
        road: Road, stations: np.ndarray
    ) -> Callable[[float], np.ndarray]:
        poses = road.curve.poses(stations)
        normal = np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=1)
        return lambda offset: simplify(poses[:, :2] + offset * normal)

    def _lights(self, world: World) -> None:
        for signal in world.signals:
            across = np.array([-np.sin(signal.yaw), np.cos(signal.yaw)])
            place = np.array([signal.x, signal.y])
            ends = np.stack([place, place + max(signal.reach, 0.5) * across])
            self._add(
                'traffic_light',
                line_token=self._line(ends),
                traffic_light_type='VERTICAL',
                from_road_block_token='',
                items=[],
                pose={
                    'tx': float(signal.x),
                    'ty': float(signal.y),
                    'tz': 2.9,
                    'rx': 0.0,
                    'ry': 0.0,
                    'rz': float(signal.yaw),
                },
            )

    def as_dict(self, canvas: tuple[float, float]) -> dict:
        """The content of ``maps/expansion/<location>.json``."""
        return {
            'version': '1.3',
            'canvas_edge': [float(edge) for edge in canvas],
            **self.layers,
            'arcline_path_3': self.arclines,
            'connectivity': self.connectivity,
        }
