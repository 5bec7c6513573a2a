"""Lines of a hand-made map, and their place in the picture from above."""

import json

import numpy as np
import pytest

from mmocc.visualization import plan_bev
from mmocc.visualization.bev_axes import plan_axes
from mmocc.visualization.drawing import TRUTH
from mmocc.visualization.road_lines import (
    CROSSING,
    DIVIDER,
    EDGE,
    ROAD_COLOURS,
    RoadLine,
    road_lines,
)


def write_map(path):
    places = {'a': (0, 0), 'b': (10, 0), 'c': (10, 6), 'd': (900, 900)}
    ring = ['a', 'b', 'c']
    tables = {
        'node': [
            {'token': token, 'x': x, 'y': y}
            for token, (x, y) in places.items()
        ],
        'polygon': [
            {'token': 'p', 'exterior_node_tokens': ring, 'holes': []},
            {
                'token': 'q',
                'exterior_node_tokens': ['d', 'd', 'd'],
                'holes': [{'node_tokens': ring}],
            },
        ],
        'line': [{'token': 'l', 'node_tokens': ['a', 'b']}],
        'drivable_area': [{'polygon_tokens': ['q']}],
        'ped_crossing': [{'polygon_token': 'p'}],
        'lane_divider': [{'line_token': 'l'}],
        'road_divider': [],
    }
    path.write_text(json.dumps(tables))
    return path


def test_lines_come_in_the_ego_frame(tmp_path):
    # At (10, 0), heading along +y: the map's +x is to the right.
    pose = [[0, -1, 0, 10], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    lines = road_lines(write_map(tmp_path / 'map.json'), pose)
    # The outline of q is far away; its hole is near.
    assert [line.kind for line in lines] == [EDGE, CROSSING, DIVIDER]
    assert lines[1].points == pytest.approx(
        np.array([[0, 10], [0, 0], [6, 0], [0, 10]])
    )
    assert lines[2].points == pytest.approx(np.array([[0, 10], [0, 0]]))


def test_broken_map_and_pose_are_named(tmp_path):
    path = tmp_path / 'map.json'
    path.write_text('{"node": []}')
    with pytest.raises(ValueError, match=r'map\.json .*map expansion v1\.3'):
        road_lines(path, np.eye(4))
    with pytest.raises(ValueError, match='finite numbers'):
        road_lines(write_map(tmp_path / 'b.json'), np.full((4, 4), np.nan))


def test_line_is_drawn_at_its_metres():
    line = RoadLine(DIVIDER, np.array([[5.0, -8], [5.0, 8]]))
    picture = plan_bev(None, None, None, width=400, road=[line])
    axes = plan_axes([np.zeros((0, 2))], 400)
    column, row = axes.to_pixels(np.array([5.0, 4.3]))
    near = picture[round(row) - 1 : round(row) + 2, round(column)].astype(int)
    # Lines are smooth: half of the colour at least.
    away = np.abs(near - ROAD_COLOURS[DIVIDER]).max(axis=1)
    assert away.min() < 128
    assert (picture[round(row) - 4, round(column)] == 255).all()


def test_lines_far_off_the_picture_do_not_wrap_into_it():
    line = RoadLine(EDGE, np.array([[4000.0, 9000], [4000.0, -9000]]))
    with_line = plan_bev(None, np.ones((2, 2)), None, width=400, road=[line])
    without = plan_bev(None, np.ones((2, 2)), None, width=400)
    assert (with_line[:300] == without[:300]).all()
    assert (with_line[:300] == TRUTH).all(axis=2).any()
