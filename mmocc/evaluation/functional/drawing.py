"""Draw lines and filled polygons into small pictures, as OpenCV does.

The published planning evaluators draw boxes and maps with ``cv2.fillPoly`` and
``cv2.polylines`` on integer cells, and a cell more or less is a collision more
or less. The two functions here give the same cells (the tests compare them)
without OpenCV: Bresenham lines, and for the inside of a polygon its crossings
of each row in 16-bit fixed-point numbers. What sticks out of the picture is
clipped first, which bends the lines a little, as it does there.
"""

import numba
import numpy as np

_BITS = 16
_ONE = 1 << _BITS


@numba.njit(cache=True)
def _outside(position: int, size: int) -> int:
    """-1 before the first cell, 1 behind the last one, else 0."""
    return -1 if position < 0 else int(position >= size)


@numba.njit(cache=True)
def _clip(
    start: tuple, end: tuple, width: int, height: int
) -> tuple[bool, tuple, tuple]:
    """Cut a line to the picture: whether any of it is inside, and its ends.

    Rows are cut before columns, the start before the end, and each cut is
    rounded toward zero.
    """
    (x0, y0), (x1, y1) = start, end
    left, right = _outside(x0, width), _outside(x1, width)
    above, below = _outside(y0, height), _outside(y1, height)
    if left * right > 0 or above * below > 0:
        return False, start, end
    if above:
        row = 0 if above < 0 else height - 1
        x0 += int(float(row - y0) * (x1 - x0) / (y1 - y0))
        y0, left = row, _outside(x0, width)
    if below:
        row = 0 if below < 0 else height - 1
        x1 += int(float(row - y1) * (x1 - x0) / (y1 - y0))
        y1, right = row, _outside(x1, width)
    if left * right > 0:
        return False, (x0, y0), (x1, y1)
    if left:
        column = 0 if left < 0 else width - 1
        y0 += int(float(column - x0) * (y1 - y0) / (x1 - x0))
        x0 = column
    if right:
        column = 0 if right < 0 else width - 1
        y1 += int(float(column - x1) * (y1 - y0) / (x1 - x0))
        x1 = column
    return True, (x0, y0), (x1, y1)


@numba.njit(cache=True)
def _draw_line(
    picture: np.ndarray, start: tuple, end: tuple, value: int
) -> None:
    """Draw a Bresenham line from left to right; ends are inside."""
    if end[0] < start[0]:
        start, end = end, start
    (x, y), (x1, y1) = start, end
    across, along = x1 - x, abs(y1 - y)
    down = 1 if y1 >= y else -1
    steep = along > across
    most, least = max(across, along), min(across, along)
    error = most - 2 * least
    for _ in range(most + 1):
        picture[y, x] = value
        if steep:
            y += down
        else:
            x += 1
        if error < 0:
            if steep:
                x += 1
            else:
                y += down
            error += 2 * most
        error -= 2 * least


@numba.njit(cache=True)
def draw_polyline(picture: np.ndarray, points: np.ndarray, value: int) -> None:
    """Draw an open line, one cell wide, into a picture.

    Args:
        picture (np.ndarray): (rows, columns) uint8, changed in place.
        points (np.ndarray): (N, 2) int32 (column, row), inside or outside.
        value (int): What the cells of the line get.
    """
    height, width = picture.shape
    for place in range(1, len(points)):
        seen, start, end = _clip(
            (np.int64(points[place - 1, 0]), np.int64(points[place - 1, 1])),
            (np.int64(points[place, 0]), np.int64(points[place, 1])),
            width,
            height,
        )
        if seen:
            _draw_line(picture, start, end, value)


@numba.njit(cache=True)
def fill_polygon(picture: np.ndarray, points: np.ndarray, value: int) -> None:
    """Fill a polygon with its outline into a picture, by the even-odd rule.

    Args:
        picture (np.ndarray): (rows, columns) uint8, changed in place.
        points (np.ndarray): (N, 2) int32 (column, row), inside or outside.
        value (int): What the covered cells get.
    """
    height, width = picture.shape
    edges = np.empty((len(points), 4), dtype=np.int64)  # top, bottom, x, slope
    count = 0
    for place in range(len(points)):
        start = np.int64(points[place - 1, 0]), np.int64(points[place - 1, 1])
        end = np.int64(points[place, 0]), np.int64(points[place, 1])
        seen, cut_start, cut_end = _clip(start, end, width, height)
        if seen:
            _draw_line(picture, cut_start, cut_end, value)
        if start[1] == end[1]:
            continue
        # An edge that was cut crosses rows on its cut course; one that was
        # cut to a single row keeps its rows.
        if cut_start[1] == cut_end[1]:
            cut_start = cut_start[0], start[1]
            cut_end = cut_end[0], end[1]
        rise = cut_end[1] - cut_start[1]
        slope = int((cut_end[0] - cut_start[0]) * _ONE / rise)
        top, cut_top, bottom = start, cut_start, end
        if start[1] > end[1]:
            top, cut_top, bottom = end, cut_end, start
        x = cut_top[0] * _ONE + (top[1] - cut_top[1]) * slope
        edges[count] = top[1], bottom[1], x, slope
        count += 1
    if count < 2:
        return
    edges = edges[:count]
    first, last = max(edges[:, 0].min(), 0), min(edges[:, 1].max(), height)
    for row in range(first, last):
        crossed = (edges[:, 0] <= row) & (edges[:, 1] > row)
        found = edges[crossed]
        crossings = np.sort(found[:, 2] + (row - found[:, 0]) * found[:, 3])
        for place in range(0, len(crossings) - 1, 2):
            low = max((crossings[place] + _ONE - 1) >> _BITS, 0)
            high = min(crossings[place + 1] >> _BITS, width - 1)
            picture[row, low : max(low, high + 1)] = value
