"""Entries of an info file of one scene, laid out by hand."""

import numpy as np

STEPS = 6
SCENE = 'scene-<b>&"1"</b>'


def ego2global(x: float, y: float, yaw: float) -> list:
    """(4, 4) as an info file holds it."""
    pose = np.eye(4)
    pose[:2, :2] = [
        [np.cos(yaw), -np.sin(yaw)],
        [np.sin(yaw), np.cos(yaw)],
    ]
    pose[:2, 3] = x, y
    return pose.tolist()


def left_turn(step: float = 2.0, angle: float = np.pi / 12) -> np.ndarray:
    """Poses (6, 3) in the ego frame, turning left by ``angle`` a step."""
    yaw = angle * np.arange(1, STEPS + 1)
    return np.stack(
        (np.cumsum(step * np.cos(yaw)), np.cumsum(step * np.sin(yaw)), yaw),
        axis=1,
    )


def make_info(token, index, pair, future=None, confidence=0.5, yaw=0.0):
    """One entry; ``pair`` None is a frame without a label."""
    future = np.zeros((STEPS, 3)) if future is None else future
    label = None
    if pair is not None:
        label = {
            'speed': pair[0],
            'direction': pair[1],
            'source': 'map',
            'confidence': confidence,
        }
    return {
        'token': token,
        'scene_token': SCENE,
        'scene_name': SCENE,
        'frame_idx': index,
        'location': 'boston-seaport',
        'ego2global': ego2global(100.0 + 3.0 * index, 200.0, yaw),
        'ego': {
            'fut_poses': future,
            'fut_mask': np.full(STEPS, pair is not None),
        },
        'images': {},
        'meta_action': label,
        'his_meta_actions': [
            {'speed': 'Accelerate', 'direction': 'Go Straight'}
        ],
        'cot': (
            ''
            if pair is None
            else 'Scene: x. History: y. Reasoning: the route turns left. '
            f'Action: {pair[0]}; {pair[1]}.'
        ),
    }


def make_infos() -> list[dict]:
    """Three labelled frames and one where the recording has ended."""
    return [
        make_info('a0', 0, ('Maintain speed', 'Turn Left'), left_turn()),
        make_info('a1', 1, ('Accelerate', 'Go Straight'), left_turn(2, 0)),
        make_info('a2', 2, ('Decelerate', 'Go Straight'), left_turn(1, 0)),
        make_info('a3', 3, None),
    ]


def edit_line(token='a0', index=0, after=None, before=None, **changes) -> dict:
    """A line as the page exports it; by default an edit of frame 0."""
    before = before or ('Maintain speed', 'Turn Left')
    after = after or ('Maintain speed', 'Go Straight')
    return {
        'token': token,
        'scene_name': SCENE,
        'frame_idx': index,
        'speed': after[0],
        'direction': after[1],
        'status': 'accepted' if after == before else 'edited',
        'before': {'speed': before[0], 'direction': before[1]},
        'reviewer': 'Ada',
    } | changes
