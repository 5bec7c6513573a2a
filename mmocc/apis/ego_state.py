"""Convert a user's ego state and past actions to keys of the info file."""

from collections.abc import Mapping, Sequence

import numpy as np

from mmocc.datasets.sample_error import SampleError, sample_error
from mmocc.structures import (
    DIRECTIONS,
    EGO_STATUS,
    SPEEDS,
    MetaAction,
    parse_meta_action,
)
from mmocc.structures.occ3d import NUM_HISTORY, STEP_SECONDS

VELOCITY = 'velocity'
HISTORY = ('his_poses', 'his_mask')
EGO_KEYS = (VELOCITY, *EGO_STATUS, *HISTORY)


def parse_ego_state(token: str, state: Mapping) -> dict:
    """Convert an ego state to ``info['ego']`` without its future keys.

    All values are in the ego frame at the time of the images (x forward,
    y left, metres, seconds, radians).

    Args:
        token (str): Name of the frame, for errors.
        state (Mapping): ``velocity``, a forward speed or (vx, vy) in m/s, is
            required unless ``vx`` is given. The other names of
            ``EGO_STATUS`` are optional. ``his_poses`` (4, 3) holds x, y, yaw
            at -2.0, -1.5, -1.0 and -0.5 s; ``his_mask`` (4,) bool, True
            where a pose exists, defaults to True for all.

    Returns:
        dict: ``status``, NaN where unknown, ``his_poses`` and ``his_mask``.

    Raises:
        SampleError: If a key is unknown, or a value is missing, misshapen or
            not finite.
    """
    unknown = sorted(set(state) - set(EGO_KEYS))
    if unknown:
        raise _error(token, f'the keys {unknown}', f'keys out of {EGO_KEYS}')
    status = dict.fromkeys(EGO_STATUS, np.nan)
    if VELOCITY in state:
        velocity = _read_finite(token, state, VELOCITY, [(), (1,), (2,)])
        vx, vy = np.append(velocity, 0.0)[:2]
        status.update(vx=float(vx), vy=float(vy))
    elif 'vx' not in state:
        raise _error(
            token,
            f'no {VELOCITY!r} among {sorted(state)}',
            "'velocity', a forward speed or (vx, vy) in m/s",
        )
    for name in EGO_STATUS:
        if name in state:
            status[name] = float(_read_finite(token, state, name, [()]))
    if np.isnan(status['vy']):
        status['vy'] = 0.0
    if np.isnan(status['speed']):
        status['speed'] = float(np.hypot(status['vx'], status['vy']))
    poses = np.zeros((NUM_HISTORY, 3))
    mask = np.zeros(NUM_HISTORY, dtype=bool)
    if 'his_poses' in state:
        mask = np.asarray(state.get('his_mask', ~mask), dtype=bool)
        if mask.shape != (NUM_HISTORY,):
            raise _error(
                token,
                f'his_mask of shape {mask.shape}',
                f'{NUM_HISTORY} truth values',
            )
        poses = _to_array(token, state, 'his_poses')
        if (
            poses.shape != (NUM_HISTORY, 3)
            or not np.isfinite(poses[mask]).all()
        ):
            raise _error(
                token,
                f'his_poses of shape {poses.shape}'
                + _not_finite(poses, 'his_mask does not say so'),
                f'{NUM_HISTORY} x 3 finite numbers, x, y (m) and yaw (rad) '
                f'every {STEP_SECONDS} s, oldest first; his_mask False for '
                'poses that do not exist',
            )
    return {'status': status, 'his_poses': poses, 'his_mask': mask}


def parse_past_actions(
    token: str, actions: Sequence[MetaAction | Sequence[str] | str]
) -> list[dict[str, str]]:
    """Convert past meta-actions to ``info['his_meta_actions']``.

    Args:
        token (str): Name of the frame, for errors.
        actions (Sequence): The known actions of the seconds [-3, -2],
            [-2, -1] and [-1, 0], oldest first: ``MetaAction``, a pair of
            words, or text such as ``'Accelerate; Turn Left'``.

    Raises:
        SampleError: If one is no legal meta-action.
    """
    parsed = []
    for action in actions:
        pair = (
            parse_meta_action(action)
            if isinstance(action, str)
            else tuple(action)
        )
        legal = pair is not None and len(pair) == 2
        if not legal or pair[0] not in SPEEDS or pair[1] not in DIRECTIONS:
            raise sample_error(
                token,
                'past actions',
                repr(action),
                f"'SPEED; DIRECTION' with a speed out of {SPEEDS} and a "
                f'direction out of {DIRECTIONS}',
                'correct the words, or leave past actions out',
            )
        parsed.append({'speed': pair[0], 'direction': pair[1]})
    return parsed


def _to_array(token: str, state: Mapping, key: str) -> np.ndarray:
    """Convert a value of the state to float64."""
    try:
        return np.asarray(state[key], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise _error(
            token, f'{key} = {state[key]!r}', f'numbers for {key}'
        ) from error


def _read_finite(
    token: str, state: Mapping, key: str, shapes: list[tuple]
) -> np.ndarray:
    """Read a value of the state that must be finite and of a shape."""
    value = _to_array(token, state, key)
    if value.shape not in shapes or not np.isfinite(value).all():
        raise _error(
            token,
            f'{key} = {state[key]!r}',
            f'finite numbers of shape {" or ".join(map(str, shapes))}',
        )
    return value


def _not_finite(values: np.ndarray, why: str) -> str:
    bad = int((~np.isfinite(values)).sum())
    return f' with {bad} values that are not finite, and {why}' if bad else ''


def _error(token: str, got: str, expected: str) -> SampleError:
    return sample_error(
        token,
        'the ego state',
        got,
        expected,
        'correct the ego state, or leave it out (the planner then takes the '
        'car to stand still)',
    )
