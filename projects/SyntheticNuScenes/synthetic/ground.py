"""The painted ground: one raster of surface codes for each scene."""

import cv2
import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.roads import (
    CORNER_RADIUS,
    CROSSING_WIDTH,
    GUTTER,
    STOP_GAP,
    Road,
    RoadNet,
)
from mmocc.structures.occ3d import OCC3D_CLASSES

RESOLUTION = 0.1  # metres of a raster cell

(GRASS, ROAD, WALK, MEDIAN, WHITE, YELLOW, KERB, DIRT, LOT, PLAZA, BAY) = (
    range(11)
)
_LABEL_OF = {
    GRASS: 'terrain',
    ROAD: 'driveable_surface',
    WALK: 'sidewalk',
    MEDIAN: 'other_flat',
    WHITE: 'driveable_surface',
    YELLOW: 'driveable_surface',
    KERB: 'sidewalk',
    DIRT: 'terrain',
    LOT: 'other_flat',
    PLAZA: 'sidewalk',
    BAY: 'driveable_surface',
}
# Occ3D class of each surface code.
GROUND_LABEL = np.array(
    [OCC3D_CLASSES.index(_LABEL_OF[code]) for code in range(11)], np.uint8
)
SETBACK_CODE = {'terrain': GRASS, 'walk': PLAZA, 'flat': LOT, 'dirt': DIRT}

_SUBPIXEL = 4  # fractional bits of OpenCV's polygon corners
_LINE = 0.16
_DASH, _DASH_GAP = 3.0, 4.5


def strip(
    road: Road, start: float, stop: float, low: float, high: float
) -> np.ndarray:
    """Outline of a ribbon of a road, (N, 2) metres, counter-clockwise.

    Args:
        road (Road): The road.
        start, stop (float): Stations on the centre line.
        low, high (float): Signed distances left of the centre line.
    """
    count = max(int(np.ceil((stop - start) / 1.0)), 1) + 1
    poses = road.curve.poses(np.linspace(start, stop, count))
    normal = np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=1)
    right, left = (poses[:, :2] + normal * d for d in (low, high))
    return np.concatenate([right, left[::-1]])


class Ground:
    """Surface codes of a square region.

    Args:
        origin (tuple): South-west corner, global metres.
        extent (float): Edge length, metres.
    """

    def __init__(self, origin: tuple[float, float], extent: float) -> None:
        self.origin = np.asarray(origin, float)
        cells = round(extent / RESOLUTION)
        self.codes = np.zeros((cells, cells), np.uint8)

    def fill(self, outline: np.ndarray, code: int) -> None:
        """Paint a polygon (N, 2) given in global metres."""
        cv2.fillPoly(
            self.codes, [self._corners(outline)], code, shift=_SUBPIXEL
        )

    def _corners(self, outline: np.ndarray) -> np.ndarray:
        cells = (outline - self.origin) / RESOLUTION - 0.5
        return np.rint(cells * (1 << _SUBPIXEL)).astype(np.int32)

    def code_at(self, points: np.ndarray) -> np.ndarray:
        """Codes (N,) below points (N, 2); outside the region it is grass."""
        index = np.floor((points - self.origin) / RESOLUTION).astype(int)
        inside = ((index >= 0) & (index < len(self.codes))).all(-1)
        index = index.clip(0, len(self.codes) - 1)
        return np.where(inside, self.codes[index[:, 1], index[:, 0]], GRASS)

    def is_drivable(self) -> np.ndarray:
        """(rows, columns) bool."""
        return np.isin(self.codes, (ROAD, WHITE, YELLOW, BAY))

    def round_corners(self, centre: np.ndarray, reach: float) -> None:
        """Give the kerbs of a junction a radius."""
        low = ((centre - reach - self.origin) / RESOLUTION).astype(int)
        high = ((centre + reach - self.origin) / RESOLUTION).astype(int)
        low, high = low.clip(0), high.clip(0, len(self.codes))
        window = self.codes[low[1] : high[1], low[0] : high[0]]
        drivable = np.isin(window, (ROAD, BAY)).astype(np.uint8)
        size = 2 * int(CORNER_RADIUS / RESOLUTION) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        closed = cv2.morphologyEx(drivable, cv2.MORPH_CLOSE, disc)
        window[(closed > 0) & (drivable == 0)] = ROAD

    def draw_kerbs(self) -> None:
        """A light rim where side walk or median meets the road."""
        drivable = self.is_drivable().astype(np.uint8)
        near = cv2.dilate(drivable, np.ones((3, 3), np.uint8)) > 0
        self.codes[near & np.isin(self.codes, (WALK, PLAZA))] = KERB


def zebra_outline(road: Road, station: float) -> np.ndarray:
    """Outline of a pedestrian crossing, kerb to kerb."""
    half = CROSSING_WIDTH / 2
    return strip(
        road,
        station - half,
        station + half,
        -(road.edge(False) + GUTTER),
        road.edge(True) + GUTTER,
    )


def _surroundings(ground: Ground, road: Road, layer: str) -> None:
    length = road.curve.length
    start = road.gap[1] * 0.6 if road.gap and road.gap[0] <= 0 else 0.0
    for left, side in ((True, road.left), (False, road.right)):
        sign = 1 if left else -1
        lane_edge = road.edge(left) + GUTTER
        walk, end = road.walk_start(left), road.walk_end(left)
        if layer == 'setback':
            far = end + side.setback + 14.0
            bands = [(end, far, SETBACK_CODE[side.ground])]
        elif layer == 'walk':
            bands = [(lane_edge, end, WALK)]
        else:
            bands = [(road.kerb(left), walk, GRASS)] if side.verge else []
        for low, high, code in bands:
            outline = strip(
                road, start, length, *sorted((sign * low, sign * high))
            )
            ground.fill(outline, code)


def _pave_near_zebras(ground: Ground, road: Road) -> None:
    """Side walk instead of verge beside crossings and junctions."""
    spots = [(s - 3.0, s + 3.0) for s in road.zebras]
    if road.gap:
        spots.append((max(road.gap[0] - 5.0, 0.0), road.gap[1] + 5.0))
    for left in (True, False):
        sign = 1 if left else -1
        low, high = road.edge(left) + GUTTER, road.walk_end(left)
        for start, stop in spots:
            ground.fill(
                strip(road, start, stop, *sorted((sign * low, sign * high))),
                WALK,
            )


def _asphalt(ground: Ground, road: Road) -> None:
    ground.fill(
        strip(
            road,
            0.0,
            road.curve.length,
            -(road.edge(False) + GUTTER),
            road.edge(True) + GUTTER,
        ),
        ROAD,
    )
    for left, bays in ((True, road.bays[0]), (False, road.bays[1])):
        sign = 1 if left else -1
        low, high = road.edge(left) + GUTTER - 0.1, road.kerb(left)
        for start, stop in bays:
            ground.fill(
                strip(road, start, stop, *sorted((sign * low, sign * high))),
                BAY,
            )


def _line(
    ground: Ground,
    road: Road,
    span: tuple[float, float],
    offset: float,
    code: int,
    dashed: bool,
) -> None:
    start, stop = span
    if not dashed:
        outline = strip(
            road, start, stop, offset - _LINE / 2, offset + _LINE / 2
        )
        ground.fill(outline, code)
        return
    for s in np.arange(start, stop - _DASH, _DASH + _DASH_GAP):
        ground.fill(
            strip(road, s, s + _DASH, offset - _LINE / 2, offset + _LINE / 2),
            code,
        )


def _clear_spans(road: Road) -> list[tuple[float, float]]:
    """Sections without the mid-block crossings."""
    spans = []
    margin = CROSSING_WIDTH / 2 + STOP_GAP
    for start, stop in road.sections():
        for zebra in sorted(road.zebras):
            if start < zebra - margin and zebra + margin < stop:
                spans.append((start, zebra - margin))
                start = zebra + margin
        spans.append((start, stop))
    return spans


def _markings(ground: Ground, road: Road, edge_lines: bool) -> None:
    for span in _clear_spans(road):
        if road.median > 0:
            half = road.median / 2
            ground.fill(strip(road, *span, -half, half), MEDIAN)
        elif road.lanes[0] and road.lanes[1]:
            for offset in (-0.14, 0.14):
                _line(ground, road, span, offset, YELLOW, False)
        for along, sign in ((True, -1), (False, 1)):
            count = road.lanes[0 if along else 1]
            for index in range(1, count):
                offset = sign * (road.median / 2 + index * road.lane_width)
                _line(ground, road, span, offset, WHITE, True)
            if edge_lines and count:
                offset = sign * (road.edge(not along) + 0.1)
                _line(ground, road, span, offset, WHITE, False)


def _zebras(ground: Ground, road: Road, striped: bool) -> None:
    for station in road.zebras:
        low, high = -(road.edge(False) + GUTTER), road.edge(True) + GUTTER
        half = CROSSING_WIDTH / 2
        if striped:
            for offset in np.arange(low + 0.3, high - 0.5, 1.1):
                ground.fill(
                    strip(
                        road,
                        station - half,
                        station + half,
                        offset,
                        offset + 0.55,
                    ),
                    WHITE,
                )
        else:
            for s in (station - half, station + half - 0.25):
                ground.fill(strip(road, s, s + 0.25, low, high), WHITE)


def stop_lines(road: Road) -> list[tuple[float, bool, str]]:
    """Stop lines as (station, along, cause).

    The cause is ``TRAFFIC_LIGHT`` before a junction and ``PED_CROSSING``
    before a mid-block crossing.
    """
    lines = []
    if road.gap:
        if road.gap[0] > 1.0:
            lines.append((road.gap[0], True, 'TRAFFIC_LIGHT'))
        lines.append((road.gap[1], False, 'TRAFFIC_LIGHT'))
    margin = CROSSING_WIDTH / 2 + STOP_GAP
    for zebra in road.zebras:
        if road.gap and road.gap[0] - 1 < zebra < road.gap[1] + 1:
            continue
        lines.append((zebra - margin, True, 'PED_CROSSING'))
        lines.append((zebra + margin, False, 'PED_CROSSING'))
    return lines


def stop_line_outline(road: Road, station: float, along: bool) -> np.ndarray:
    """Outline of a stop line across the lanes that must stop."""
    inner = road.median / 2 + 0.2
    outer = road.edge(not along)
    low, high = (-outer, -inner) if along else (inner, outer)
    start = station - 0.4 if along else station
    return strip(road, start, start + 0.4, low, high)


def paint(ground: Ground, net: RoadNet, rng: np.random.Generator) -> None:
    """Paint all roads, outermost surfaces first."""
    roads = list(net.roads.values())
    for layer in ('setback', 'walk', 'verge'):
        for road in roads:
            _surroundings(ground, road, layer)
    for road in roads:
        _pave_near_zebras(ground, road)
    for road in roads:
        _asphalt(ground, road)
    for road in roads:
        if road.gap and road.gap[0] > 1.0:
            middle = sum(road.gap) / 2
            reach = (road.gap[1] - road.gap[0]) / 2 + 8.0
            centre = road.curve.poses([middle])[0, :2]
            ground.round_corners(centre, reach)
    striped = rng.random() < 0.6
    for road in roads:
        _markings(ground, road, rng.random() < 0.6)
        _zebras(ground, road, striped)
        for station, along, _ in stop_lines(road):
            if road.lanes[0 if along else 1]:
                ground.fill(stop_line_outline(road, station, along), WHITE)
    ground.draw_kerbs()
