"""Read the CAN bus messages of a scene and find the latest one."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataset_converters.nuscenes_tables import TableError, read_download
from mmocc.infos.schema import MICROSECONDS

# Older messages, seconds, are not used. Ours: poses come at 50 Hz and
# steering angles at 100 Hz.
MAX_AGE = 0.2


@dataclass(frozen=True)
class CanBus:
    """CAN bus messages of a scene in time order.

    Attributes:
        pose_times (np.ndarray): (P,) seconds.
        accel (np.ndarray): (P, 3) m/s^2, ego frame, with gravity in z.
        rotation_rate (np.ndarray): (P, 3) rad/s, ego frame.
        velocity (np.ndarray): (P, 3) m/s, ego frame.
        steer_times (np.ndarray): (S,) seconds.
        steer (np.ndarray): (S,) steering wheel angle, rad, + to the left.
    """

    pose_times: np.ndarray
    accel: np.ndarray
    rotation_rate: np.ndarray
    velocity: np.ndarray
    steer_times: np.ndarray
    steer: np.ndarray


def can_bus_files(root: Path, scene_name: str) -> tuple[Path, Path]:
    """Return the paths of a scene's poses and steering angles."""
    folder = Path(root) / 'can_bus'
    return (
        folder / f'{scene_name}_pose.json',
        folder / f'{scene_name}_steeranglefeedback.json',
    )


def load_can_bus(root: Path, scene_name: str) -> CanBus | None:
    """Read ``can_bus/<scene>_{pose,steeranglefeedback}.json``.

    Returns:
        CanBus or None: None where the scene has no pose messages, as a few
        scenes of nuScenes.

    Raises:
        TableError: A file exists but cannot be read.
    """
    pose_file, steer_file = can_bus_files(root, scene_name)
    poses = _messages(pose_file)
    if not poses:
        return None
    steers = _messages(steer_file)
    try:
        poses = sorted(poses, key=lambda message: message['utime'])
        steers = sorted(steers, key=lambda message: message['utime'])
        return CanBus(
            pose_times=np.array([m['utime'] for m in poses]) / MICROSECONDS,
            accel=np.array([m['accel'] for m in poses], dtype=float),
            rotation_rate=np.array(
                [m['rotation_rate'] for m in poses], dtype=float
            ),
            velocity=np.array([m['vel'] for m in poses], dtype=float),
            steer_times=np.array([m['utime'] for m in steers]) / MICROSECONDS,
            steer=np.array([m['value'] for m in steers], dtype=float),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TableError(
            f'a message of {pose_file} or {steer_file} lacks a field or has a '
            f'wrong value ({error!r}); unpack the CAN bus expansion again'
        ) from error


def _messages(path: Path) -> list[dict]:
    if not path.is_file():
        return []
    way_out = 'unpack the CAN bus expansion again'
    return read_download(path, 'the CAN bus messages', list, way_out)


def latest(times: np.ndarray, moment: float) -> int | None:
    """Return the index of the last message at or before a moment, or None.

    None also where that message is older than ``MAX_AGE``.

    Args:
        times (np.ndarray): (N,) rising times of messages, seconds.
        moment (float): Seconds.
    """
    index = int(np.searchsorted(times, moment, side='right')) - 1
    if index < 0 or moment - times[index] > MAX_AGE:
        return None
    return index
