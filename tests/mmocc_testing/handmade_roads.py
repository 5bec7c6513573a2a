"""A small road network and drives on it, laid out by hand.

Two eastbound lanes, 3.5 m apart, end at x = 60 in an intersection. From the
left lane a connector turns left (radius 12 m) into a northbound lane; both
lanes have a connector straight on into further lanes. A separate plain lane
bends to the left by 60 degrees (radius 40 m).

    north
      |
    __|______   left lane (y = 3.5)  -> turn -> straight
    _________   right lane (y = 0)   -> straight
"""

import numpy as np

RADIUS = 12.0
BEND_RADIUS = 40.0
BEND_ANGLE = np.deg2rad(60.0)
LANE_WIDTH = 3.5
STEP = 0.5


def line(x: float, y: float, yaw: float, length: float) -> list[dict]:
    """A straight arcline."""
    end = [x + length * np.cos(yaw), y + length * np.sin(yaw), yaw]
    return [
        dict(
            start_pose=[x, y, yaw],
            end_pose=end,
            shape='LSR',
            radius=999.0,
            segment_length=[0.0, length, 0.0],
        )
    ]


def left_arc(x: float, y: float, yaw: float, r: float, angle: float):
    """An arcline that turns left."""
    end = [
        x + r * (np.sin(yaw + angle) - np.sin(yaw)),
        y - r * (np.cos(yaw + angle) - np.cos(yaw)),
        yaw + angle,
    ]
    return [
        dict(
            start_pose=[x, y, yaw],
            end_pose=end,
            shape='LSR',
            radius=r,
            segment_length=[r * angle, 0.0, 0.0],
        )
    ]


def rectangle(token: str, x0: float, y0: float, x1: float, y1: float):
    """Nodes and polygon of an upright rectangle."""
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    nodes = [
        dict(token=f'{token}{k}', x=x, y=y) for k, (x, y) in enumerate(corners)
    ]
    polygon = dict(
        token=token,
        exterior_node_tokens=[node['token'] for node in nodes],
        holes=[],
    )
    return nodes, polygon


def map_tables(x: float = 0.0, y: float = 0.0) -> dict:
    """The tables of a map-expansion file, shifted by (x, y)."""
    east = 0.0
    north = np.pi / 2
    arclines = {
        'right': line(x, y, east, 60),
        'left': line(x, y + LANE_WIDTH, east, 60),
        'right_on': line(x + 60, y, east, 20),
        'left_on': line(x + 60, y + LANE_WIDTH, east, 20),
        'turn': left_arc(x + 60, y + LANE_WIDTH, east, RADIUS, np.pi / 2),
        'right_far': line(x + 80, y, east, 60),
        'left_far': line(x + 80, y + LANE_WIDTH, east, 60),
        'north': line(x + 60 + RADIUS, y + LANE_WIDTH + RADIUS, north, 60),
        'bend': left_arc(x, y + 200, east, BEND_RADIUS, BEND_ANGLE),
    }
    links = {
        'right': ['right_on'],
        'left': ['left_on', 'turn'],
        'right_on': ['right_far'],
        'left_on': ['left_far'],
        'turn': ['north'],
    }
    connectors = ('right_on', 'left_on', 'turn')
    nodes, polygons = [], []
    for token, box in (
        ('crosswalk', (x + 56, y - 4, x + 59, y + 8)),
        ('stop', (x + 54, y - 2, x + 55, y + 5)),
    ):
        corners, polygon = rectangle(token, *box)
        nodes += corners
        polygons.append(polygon)
    return dict(
        version='1.3',
        canvas_edge=[1000.0, 1000.0],
        node=nodes,
        polygon=polygons,
        lane=[dict(token=t) for t in arclines if t not in connectors],
        lane_connector=[dict(token=t) for t in connectors],
        ped_crossing=[dict(token='c', polygon_token='crosswalk')],
        stop_line=[dict(token='s', polygon_token='stop')],
        arcline_path_3=arclines,
        connectivity={
            token: dict(
                incoming=[k for k, v in links.items() if token in v],
                outgoing=links.get(token, []),
            )
            for token in arclines
        },
    )


def left_turn(distance: np.ndarray) -> np.ndarray:
    """Poses (N, 3) on the left lane, the turn and the lane to the north."""
    arc = RADIUS * np.pi / 2
    angle = np.clip((distance - 60) / RADIUS, 0, np.pi / 2)
    before = np.minimum(distance, 60)
    after = np.maximum(distance - 60 - arc, 0)
    x = before + RADIUS * np.sin(angle)
    y = LANE_WIDTH + RADIUS * (1 - np.cos(angle)) + after
    return np.stack((x, y, angle), axis=1)


def lane_change(
    distance: np.ndarray, start: float, length: float
) -> np.ndarray:
    """Poses (N, 3) from the right to the left lane, a smooth S."""
    share = np.clip((distance - start) / length, 0, 1)
    y = LANE_WIDTH * share**3 * (10 - 15 * share + 6 * share**2)
    slope = 30 * share**2 * (1 - share) ** 2 * LANE_WIDTH / length
    return np.stack((distance, y, np.arctan(slope)), axis=1)


def bend(distance: np.ndarray) -> np.ndarray:
    """Poses (N, 3) on the lane that bends to the left."""
    angle = distance / BEND_RADIUS
    return np.stack(
        (
            BEND_RADIUS * np.sin(angle),
            200 + BEND_RADIUS * (1 - np.cos(angle)),
            angle,
        ),
        axis=1,
    )


def cruise(count: int, speed: float) -> tuple[np.ndarray, np.ndarray]:
    """Distances (N,) and times (N,) of key frames at constant speed."""
    times = STEP * np.arange(count)
    return speed * times, times
