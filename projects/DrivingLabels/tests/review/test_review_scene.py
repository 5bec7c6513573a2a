"""Frames of a scene, and the queue that marks them."""

import json

import numpy as np
import pytest
from handmade_scene import left_turn, make_info, make_infos

from mmocc.infos import InfoFileError
from mmocc.projects.DrivingLabels.driving_labels.review import (
    ReviewError,
    read_queue,
    review_scenes,
)


def queue_line(token='a1', **changes):
    return {
        'token': token,
        'scene_name': 's',
        'frame_idx': 1,
        'map': {
            'speed': 'Accelerate',
            'direction': 'Go Straight',
            'confidence': 0.1,
        },
        'annotator': {
            'speed': 'Accelerate',
            'direction': 'Turn Left',
            'name': 'stub',
        },
        'reason': 'they disagree',
    } | changes


@pytest.fixture
def write(tmp_path):
    def write(*lines):
        path = tmp_path / 'review_queue.jsonl'
        path.write_text('\n'.join(map(json.dumps, lines)))
        return path

    return write


def test_queue_marks_frames(write):
    queue = read_queue(write(queue_line(), queue_line('other')))
    assert queue['a1'].annotator_action.direction == 'Turn Left'
    assert queue['a1'].annotator == 'stub'
    scene = review_scenes(make_infos(), queue)[0]
    assert [frame.queue is not None for frame in scene.frames] == [
        False,
        True,
        False,
        False,
    ]
    assert scene.queued == 1


def test_annotator_may_have_said_nothing(write):
    silent = {'speed': None, 'direction': None, 'name': 'stub'}
    queue = read_queue(write(queue_line(annotator=silent)))
    assert queue['a1'].annotator_action is None
    assert queue['a1'].map_action.direction == 'Go Straight'


@pytest.mark.parametrize(
    'lines',
    [
        (queue_line(), queue_line()),
        (queue_line('x'), queue_line(map={'speed': 'Fly'})),
        (queue_line('x'), queue_line(reason=None)),
    ],
)
def test_broken_queue_is_named(write, lines):
    with pytest.raises(ReviewError, match=r"queue.jsonl, line 2, token 'a1'"):
        read_queue(write(*lines))


def test_speeds_and_acceleration_by_hand():
    # Steps of 1, 1.5, 2, ... m in 0.5 s: 2, 3, 4, ... m/s, so 2 m/s^2.
    future = np.zeros((6, 3))
    future[:, 0] = np.cumsum(1 + 0.5 * np.arange(6))
    info = make_info('a', 0, ('Accelerate', 'Go Straight'), future, yaw=1.0)
    frame = review_scenes([info], {})[0].frames[0]
    np.testing.assert_allclose(frame.speeds, [2, 3, 4, 5, 6, 7])
    assert frame.acceleration == pytest.approx(2.0)


def test_path_ends_where_the_recording_does():
    info = make_info('a', 0, ('Maintain speed', 'Turn Left'), left_turn())
    info['ego']['fut_mask'][4:] = False
    frame = review_scenes([info], {})[0].frames[0]
    assert frame.path.shape == (5, 3)
    unlabelled = review_scenes([make_info('a', 0, None)], {})[0].frames[0]
    assert unlabelled.path.shape == (1, 3)
    assert unlabelled.acceleration is None


def test_scenes_are_grouped_and_in_time_order():
    infos = make_infos()[::-1]
    other = make_info('b', 0, None) | dict.fromkeys(
        ('scene_token', 'scene_name'), 'scene-2'
    )
    scenes = review_scenes([infos[0], other, *infos[1:]], {})
    assert [scene.name for scene in scenes] == [
        infos[0]['scene_name'],
        'scene-2',
    ]
    assert [f.frame_idx for f in scenes[0].frames] == [0, 1, 2, 3]


def test_missing_key_is_named():
    info = make_infos()[0]
    del info['meta_action']
    with pytest.raises(InfoFileError, match=r'a0.*meta_action'):
        review_scenes([info], {})
