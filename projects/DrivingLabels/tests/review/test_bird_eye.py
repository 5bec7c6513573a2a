"""What is drawn, read back from the SVG."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from handmade_scene import left_turn, make_info

from mmocc.projects.DrivingLabels.driving_labels.review import (
    Roads,
    Window,
    draw_world,
    review_scenes,
)


def draw(infos, roads=None):
    scene = review_scenes(infos, {})[0]
    window = Window.around(scene)
    world = draw_world(scene, roads or Roads(), window)
    return ElementTree.fromstring(f'<svg>{world}</svg>'), window


def points(element) -> np.ndarray:
    pairs = element.get('points').split()
    return np.array([[float(v) for v in pair.split(',')] for pair in pairs])


def path_of(tree, index) -> np.ndarray:
    return points(tree.find(f"g[@data-frame='{index}']/polyline"))


@pytest.mark.parametrize('yaw', [0.0, 0.5 * np.pi, 2.5, -2.0])
def test_left_turn_goes_to_the_left_on_the_screen(yaw):
    pair = ('Maintain speed', 'Turn Left')
    info = make_info('a', 0, pair, left_turn(), yaw=yaw)
    tree, _ = draw([info])
    path = path_of(tree, 0)
    ahead, end = path[1] - path[0], path[-1] - path[0]
    # y points down: left of (x, y) is (y, -x).
    left = np.array([ahead[1], -ahead[0]])
    assert end @ left / np.linalg.norm(left) > 4.0


def test_heading_north_is_up_and_left_is_smaller_x():
    info = make_info(
        'a', 0, ('Maintain speed', 'Turn Left'), left_turn(), yaw=np.pi / 2
    )
    tree, _ = draw([info])
    path = path_of(tree, 0)
    assert (np.diff(path[:4, 1]) < 0).all()
    assert (np.diff(path[:, 0]) < 0).all()


def test_path_keeps_its_metres():
    future = left_turn(step=3.0)
    info = make_info('a', 0, ('Accelerate', 'Turn Left'), future, yaw=1.0)
    tree, window = draw([info])
    lengths = np.hypot(*np.diff(path_of(tree, 0), axis=0).T)
    np.testing.assert_allclose(lengths, 3.0, atol=0.02)
    # Frame 0 is at (100, 200) of the map.
    start = path_of(tree, 0)[0] + [window.low[0], -window.high[1]]
    np.testing.assert_allclose(start, [100.0, -200.0], atol=0.01)


def test_frames_have_the_class_of_their_direction():
    infos = [
        make_info('a', 0, ('Maintain speed', 'Change Lane Right')),
        make_info('b', 1, None),
    ]
    tree, _ = draw(infos)
    marker = tree.find("g[@data-frame='0']/path/..")
    assert marker.get('class') == 'key-frame d4'
    marker = tree.find("g[@data-frame='1']/path/..")
    assert marker.get('class') == 'key-frame unlabelled'


def test_earlier_futures_lie_on_top():
    pair = ('Maintain speed', 'Go Straight')
    infos = [make_info(str(k), k, pair, left_turn(2, 0)) for k in range(3)]
    tree, _ = draw(infos)
    order = [g.get('data-frame') for g in tree.findall('g')]
    assert order == ['2', '1', '0', '0', '1', '2']


def test_roads_are_cut_to_the_window():
    straight = np.stack((np.arange(-200.0, 400.0), np.full(600, 200.0)), 1)
    far = straight + np.array([0.0, 500.0])
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    square = square + np.array([110.0, 199.0])
    roads = Roads(
        lanes=(straight, far),
        connectors=(straight + np.array([0.0, 4.0]),),
        crosswalks=(square, square + 500),
        stop_lines=(square + 2,),
    )
    info = make_info('a', 0, ('Maintain speed', 'Turn Left'), left_turn())
    tree, window = draw([info], roads)
    assert [
        len(tree.findall(f"polyline[@class='{name}']"))
        for name in ('road', 'lane', 'connector')
    ] == [2, 1, 1]
    assert len(tree.findall("polygon[@class='crosswalk']")) == 1
    assert len(tree.findall("polygon[@class='stop-line']")) == 1
    lane = points(tree.find("polyline[@class='lane']"))
    assert lane.min() >= 0 and lane[:, 0].max() <= window.size[0]


def test_line_that_leaves_and_returns_is_two_lines():
    line = np.array([[0, 0], [1, 0], [1, 9], [2, 0], [3, 0]], dtype=float)
    cut = Roads(lanes=(line,)).within(np.zeros(2), np.full(2, 5.0))
    assert [part.tolist() for part in cut.lanes] == [
        [[0, 0], [1, 0]],
        [[2, 0], [3, 0]],
    ]
