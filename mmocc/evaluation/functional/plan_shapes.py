"""Find overlaps of the ego vehicle with boxes, by cells and by polygons.

The published evaluators answer on grids of their own, and the grids matter:
cells of 0.5 m, cut toward zero, make a mirrored world score differently. So
each grid is rebuilt with its orientation, its rounding and its footprint
(evaluation papers and code of UniAD, ST-P3, VAD, BEV-Planner, OmniDrive;
SparseDrive intersects polygons). Positions are x forward, y left, in metres.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mmocc.evaluation.functional.drawing import (
    draw_polyline,
    fill_polygon,
)

# Renault Zoe, as all of these evaluators have it, metres.
EGO_LENGTH, EGO_WIDTH = 4.084, 1.85
# The footprint's centre is ahead of the LiDAR, in turn ahead of the ego
# origin by what BEV-Planner and OmniDrive take for that distance.
CENTRE_AHEAD = 0.5
BEV_PLANNER_LIDAR_AHEAD = 0.985793
HALF_EXTENT = 50.0
# Headings are not trusted below these distances: over one step (BEV-Planner,
# OmniDrive), from first to last (SparseDrive).
MIN_STEP = 1.0
MIN_PATH = 0.5

# Directions in which columns and rows of a grid may count: the axis of
# (ahead, left), and the sign.
_DIRECTIONS = {
    'forward': (0, 1),
    'backward': (0, -1),
    'left': (1, 1),
    'right': (1, -1),
}


def box_corners(poses: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Compute the corners of boxes.

    Args:
        poses (np.ndarray): (..., 3) x, y, yaw.
        size (np.ndarray): (..., 2) length along the heading, width.

    Returns:
        np.ndarray: (..., 4, 2) counter-clockwise.
    """
    signs = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    local = signs * (size[..., None, :] / 2)
    cos, sin = np.cos(poses[..., 2, None]), np.sin(poses[..., 2, None])
    x, y = local[..., 0], local[..., 1]
    return np.stack(
        (
            poses[..., 0, None] + cos * x - sin * y,
            poses[..., 1, None] + sin * x + cos * y,
        ),
        axis=-1,
    )


@dataclass(frozen=True)
class Grid:
    """The raster of one published evaluator.

    Attributes:
        cells (int): Along each side; the side is 100 m.
        columns (str): Where columns count to: ``forward``, ``left`` or
            ``right``.
        rows (str): Where rows count to: ``forward``, ``backward`` or
            ``left``.
        truncate (bool): Corners of boxes are cut, not rounded, to cells
            (BEV-Planner).
    """

    cells: int
    columns: str
    rows: str
    truncate: bool = False

    @property
    def edge(self) -> float:
        """Metres; the evaluators hold it in single precision."""
        return float(np.float32(2 * HALF_EXTENT / self.cells))

    @property
    def first(self) -> float:
        """Metres from the first cell's centre to the origin, likewise."""
        return float(np.float32(HALF_EXTENT - HALF_EXTENT / self.cells))

    def to_cells(self, points: np.ndarray) -> np.ndarray:
        """Convert points (..., 2) in metres to integer (column, row)."""
        metres = np.empty(points.shape)
        for place, direction in enumerate((self.columns, self.rows)):
            axis, sign = _DIRECTIONS[direction]
            metres[..., place] = sign * points[..., axis]
        if self.truncate:
            return ((metres + self.first) / self.edge).astype(np.int32)
        return np.round((metres + HALF_EXTENT) / self.edge).astype(np.int32)

    def any_occupied(
        self, polygons: np.ndarray, columns: np.ndarray, rows: np.ndarray
    ) -> bool:
        """Return whether a filled polygon covers one of the cells.

        Only what lies around the polygons is drawn; drawing on integers does
        not depend on where a picture begins.

        Args:
            polygons (np.ndarray): (P, 4, 2) integer (column, row).
            columns (np.ndarray): (K,) inside the grid.
            rows (np.ndarray): (K,) inside the grid.
        """
        low, high = polygons.min(axis=1), polygons.max(axis=1)
        near = (
            (low[:, 0] <= columns.max())
            & (high[:, 0] >= columns.min())
            & (low[:, 1] <= rows.max())
            & (high[:, 1] >= rows.min())
        )
        if not near.any():
            return False
        start = np.maximum(low[near].min(axis=0), 0)
        end = np.minimum(high[near].max(axis=0) + 1, self.cells)
        picture = np.zeros(tuple((end - start)[::-1]), dtype=np.uint8)
        for polygon in polygons[near] - start:
            fill_polygon(picture, polygon, 1)
        inside = (
            (columns >= start[0])
            & (columns < end[0])
            & (rows >= start[1])
            & (rows < end[1])
        )
        return bool(
            picture[rows[inside] - start[1], columns[inside] - start[0]].any()
        )

    @lru_cache  # noqa: B019  (there are five grids, and they live on)
    def footprint(self, ahead: float) -> np.ndarray:
        """Return the cells (K, 2) of the ego vehicle at the origin.

        Args:
            ahead (float): Distance of the vehicle's centre ahead, metres.

        Returns:
            np.ndarray: Cells ahead and to the left, in steps of one cell from
            the grid's low corner. A cell counts if its centre is covered.
        """

        def covered(low: float, high: float) -> np.ndarray:
            first, last = (
                (edge + self.first) / self.edge for edge in (low, high)
            )
            return np.arange(np.ceil(first), np.floor(last) + 1)

        along = covered(ahead - EGO_LENGTH / 2, ahead + EGO_LENGTH / 2)
        across = covered(-EGO_WIDTH / 2, EGO_WIDTH / 2)
        cells = np.stack(np.meshgrid(along, across, indexing='ij'), -1)
        cells = cells.reshape(-1, 2)
        cells.flags.writeable = False  # every caller gets the same array
        return cells

    def clipped(self, cells: np.ndarray) -> np.ndarray:
        """Move cells outside the grid to its edge; none is dropped."""
        return np.clip(cells.astype(np.int32), 0, self.cells - 1)


UNIAD_GRID = Grid(200, 'right', 'forward')
STP3_GRID = Grid(200, 'left', 'forward')
VAD_GRID = Grid(200, 'right', 'backward')
OMNIDRIVE_GRID = Grid(1000, 'forward', 'left')
BEV_PLANNER_GRID = Grid(1000, 'forward', 'left', truncate=True)


def upright_cells(path: np.ndarray, grid: Grid) -> np.ndarray:
    """Return cells of a vehicle that never turns, truncated (UniAD, VAD).

    Args:
        path (np.ndarray): (T, 2) metres ahead and left of the LiDAR.
        grid (Grid): One of the coarse ones.

    Returns:
        np.ndarray: (T, K, 2) integer (column, row).
    """
    ahead, across = np.moveaxis(grid.footprint(CENTRE_AHEAD), -1, 0)
    forward, left = path[:, 0, None] / grid.edge, path[:, 1, None] / grid.edge
    column = _DIRECTIONS[grid.columns][1] * left + across
    row = forward + ahead
    if grid.rows == 'backward':
        row = grid.cells - row
    return grid.clipped(np.stack((column, row), axis=-1))


def turned_cells(path: np.ndarray, grid: Grid) -> np.ndarray:
    """Return cells of a vehicle that heads along its last step.

    BEV-Planner and OmniDrive: turned about the ego origin, rounded, moved,
    cut; a step under 1 m does not turn it.

    Args:
        path (np.ndarray): (T, 2) metres ahead and left of the ego origin.
        grid (Grid): The fine one.

    Returns:
        np.ndarray: (T, K, 2) integer (column, row).
    """
    steps = np.diff(path, axis=0, prepend=np.zeros((1, 2)))
    heading = np.arctan2(steps[:, 1], steps[:, 0])
    heading[np.linalg.norm(steps, axis=1) < MIN_STEP] = 0
    middle = (grid.cells - 1) / 2
    local = grid.footprint(CENTRE_AHEAD + BEV_PLANNER_LIDAR_AHEAD) - middle
    cos, sin = np.cos(heading), np.sin(heading)
    # Of row vectors, (T, 2, 2).
    turn = np.stack((np.stack((cos, sin), -1), np.stack((-sin, cos), -1)), 1)
    turned = np.round(local @ turn + middle)
    return grid.clipped(turned + path[:, None] / grid.edge)


def hits_by_cells(
    cells: np.ndarray,
    corners: np.ndarray,
    counted: np.ndarray,
    grid: Grid,
) -> np.ndarray:
    """Find the steps at which the ego's cells meet a drawn box.

    Args:
        cells (np.ndarray): (T, K, 2) integer (column, row).
        corners (np.ndarray): (M, T, 4, 2) metres, of M boxes.
        counted (np.ndarray): (M, T) bool, the boxes that count.
        grid (Grid): Where both are drawn.

    Returns:
        np.ndarray: (T,) bool.
    """
    hits = np.zeros(len(cells), dtype=bool)
    for step, chosen in enumerate(counted.T):
        if chosen.any():
            hits[step] = grid.any_occupied(
                grid.to_cells(corners[chosen, step]), *cells[step].T
            )
    return hits


def hits_by_warped_cells(
    cells: np.ndarray,
    agents: np.ndarray,
    size: np.ndarray,
    counted: np.ndarray,
    ego: np.ndarray,
    grid: Grid,
) -> np.ndarray:
    """Find hits with boxes drawn around the future ego, warped (ST-P3).

    The warp looks each cell up at the nearest cell of the future's grid.

    Args:
        cells (np.ndarray): (T, K, 2) integer (column, row), at present.
        agents (np.ndarray): (M, T, 3) x, y, yaw in the present ego frame.
        size (np.ndarray): (M, 2).
        counted (np.ndarray): (M, T) bool.
        ego (np.ndarray): (T, 3) x, y, yaw of the true future ego poses.
        grid (Grid): ST-P3's.

    Returns:
        np.ndarray: (T,) bool.
    """
    cos, sin = np.cos(ego[:, 2]), np.sin(ego[:, 2])
    # To the axes of the future ego, as (T, 2, 2).
    turn = np.stack((np.stack((cos, sin), -1), np.stack((-sin, cos), -1)), 1)
    local = np.einsum('tij,mtj->mti', turn, agents[..., :2] - ego[:, :2])
    yaw = agents[..., 2] - ego[:, 2]
    poses = np.concatenate((local, yaw[..., None]), axis=-1)
    corners = box_corners(poses, size[:, None])
    # Centres of the cells, ahead and left.
    centres = (cells[..., ::-1] + 0.5) * grid.edge - HALF_EXTENT
    moved = np.einsum('tij,tkj->tki', turn, centres - ego[:, None, :2])
    place = np.floor((moved + HALF_EXTENT) / grid.edge).astype(np.int32)
    hits = np.zeros(len(cells), dtype=bool)
    for step, chosen in enumerate(counted.T):
        row, column = place[step].T
        inside = (
            (row >= 0)
            & (row < grid.cells)
            & (column >= 0)
            & (column < grid.cells)
        )
        if chosen.any() and inside.any():
            hits[step] = grid.any_occupied(
                grid.to_cells(corners[chosen, step]),
                column[inside],
                row[inside],
            )
    return hits


def path_headings(path: np.ndarray) -> np.ndarray:
    """Return SparseDrive's headings (T,): central differences, else 0."""
    if np.linalg.norm(path[-1] - path[0]) < MIN_PATH:
        return np.zeros(len(path))
    known = np.concatenate((np.zeros((1, 2)), path))
    steps = np.concatenate((known[2:] - known[:-2], known[-1:] - known[-2:-1]))
    return np.arctan2(steps[:, 1], steps[:, 0])


def hits_by_polygons(
    path: np.ndarray, corners: np.ndarray, counted: np.ndarray
) -> np.ndarray:
    """Find the steps at which the ego's rectangle meets a box (SparseDrive).

    Touching counts. Two convex shapes are apart if and only if an edge of one
    of them separates them.

    Args:
        path (np.ndarray): (T, 2) metres ahead and left of the LiDAR.
        corners (np.ndarray): (M, T, 4, 2) metres.
        counted (np.ndarray): (M, T) bool.

    Returns:
        np.ndarray: (T,) bool.
    """
    heading = path_headings(path)
    ahead = np.stack((np.cos(heading), np.sin(heading)), axis=-1)
    centre = path + CENTRE_AHEAD * ahead
    ego = box_corners(
        np.concatenate((centre, heading[:, None]), axis=-1),
        np.array([EGO_LENGTH, EGO_WIDTH]),
    )  # (T, 4, 2)
    ego = np.broadcast_to(ego, corners.shape)
    apart = np.zeros(counted.shape, dtype=bool)
    for shape in (ego, corners):
        for edge in (0, 1):
            axis = shape[..., edge + 1, :] - shape[..., edge, :]
            one = np.einsum('mtki,mti->mtk', ego, axis)
            other = np.einsum('mtki,mti->mtk', corners, axis)
            apart |= one.max(-1) < other.min(-1)
            apart |= other.max(-1) < one.min(-1)
    return (counted & ~apart).any(axis=0)


@dataclass(frozen=True)
class MapLines:
    """Lines of a map around one frame, metres ahead and left.

    Attributes:
        lines (Sequence[np.ndarray]): (K_i, 2) each; closed where they bound
            an area.
        holes (Sequence[bool]): True where a line bounds a hole in an area.
    """

    lines: Sequence[np.ndarray]
    holes: Sequence[bool]


# OmniDrive's box for the drivable area differs from its collision box.
BOUNDARY_LENGTH = 4.08


def draw_area(area: MapLines, grid: Grid) -> np.ndarray:
    """Draw outlines filled, then cut their holes: (cells, cells) bool."""
    picture = np.zeros((grid.cells, grid.cells), dtype=np.uint8)
    order = np.argsort(np.asarray(area.holes, dtype=bool), kind='stable')
    outlines = _in_cells(area.lines, grid)
    for place in order:
        fill_polygon(picture, outlines[place], int(not area.holes[place]))
    return picture.view(bool)


def draw_lines(lines: MapLines, grid: Grid) -> np.ndarray:
    """Draw lines one cell wide, (cells, cells) bool; clipped to the edge."""
    picture = np.zeros((grid.cells, grid.cells), dtype=np.uint8)
    for line in _in_cells(lines.lines, grid, clip=True):
        draw_polyline(picture, line, 1)
    return picture.view(bool)


def _in_cells(
    lines: Sequence[np.ndarray], grid: Grid, clip: bool = False
) -> list[np.ndarray]:
    """Convert lines to integer (column, row), all at once."""
    if not lines:
        return []
    cells = grid.to_cells(np.concatenate(lines))
    if clip:
        cells = grid.clipped(cells)
    return np.split(cells, np.cumsum([len(line) for line in lines])[:-1])


def leaves_area(
    path: np.ndarray, area: np.ndarray, grid: Grid
) -> tuple[bool, np.ndarray]:
    """Find steps whose box covers a non-drivable cell (OmniDrive).

    The box is turned along each step but moved ahead without turning, and
    what sticks out of the grid is not looked at.

    Args:
        path (np.ndarray): (T, 2) metres ahead and left of the ego origin.
        area (np.ndarray): The drivable area; see :func:`draw_area`.
        grid (Grid): The fine one.

    Returns:
        tuple: Whether the present box does, and (T,) bool of the steps.
    """
    steps = np.diff(path, axis=0, prepend=np.zeros((1, 2)))
    poses = np.zeros((len(path) + 1, 3))
    poses[:, 0] = CENTRE_AHEAD + BEV_PLANNER_LIDAR_AHEAD
    poses[1:, :2] += path
    poses[1:, 2] = np.arctan2(steps[:, 1], steps[:, 0])
    boxes = grid.to_cells(
        box_corners(poses, np.array([BOUNDARY_LENGTH, EGO_WIDTH]))
    )
    out = np.zeros(len(boxes), dtype=bool)
    for step, box in enumerate(boxes):
        start = np.maximum(box.min(axis=0), 0)
        end = np.minimum(box.max(axis=0) + 1, grid.cells)
        if (end <= start).any():
            continue
        ego = np.zeros(tuple((end - start)[::-1]), dtype=np.uint8)
        fill_polygon(ego, box - start, 1)
        ground = area[start[1] : end[1], start[0] : end[0]]
        out[step] = (ego.astype(bool) & ~ground).any()
    return bool(out[0]), out[1:]


def crosses_lines(cells: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Find the steps at which the ego's cells meet a line (BEV-Planner).

    Args:
        cells (np.ndarray): (T, K, 2) integer (column, row); see
            :func:`turned_cells`.
        lines (np.ndarray): Road boundaries; see :func:`draw_lines`.

    Returns:
        np.ndarray: (T,) bool.
    """
    return lines[cells[..., 1], cells[..., 0]].any(axis=1)
