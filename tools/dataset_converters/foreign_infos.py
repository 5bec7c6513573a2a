"""Info files of other projects, turned into ours without nuScenes' tables.

Ego motion, labels and history are computed anew from the ego poses that the
files hold. The plans that they store are brought to the canonical frame and
compared with it: conventions are checked, not believed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from dataset_converters.mmdet3d_fields import IGNORED_LABEL, info_metainfo
from dataset_converters.nuscenes_tables import MICROSECONDS
from dataset_converters.scene_motion import motion_fields
from dataset_converters.trajectory_conventions import (
    from_bev_planner,
    from_occworld,
    from_omnidrive,
    from_vad,
)
from mmocc.annotation import LabelRules
from mmocc.infos import (
    InfoFileError,
    load_info_file,
    load_plain_pickle,
    upgrade_infos,
    write_info_file,
)
from mmocc.infos.rigid import rigid_transform
from mmocc.structures.occ3d import NUM_FUTURE, STEP_SECONDS

# Frames further apart than this, seconds, are no neighbours. Ours.
_MOST_STEP = 0.75
# Where BEVFormer's vector of 18 numbers and OmniDrive's of 13 hold
# acceleration, rotation rate and velocity; all zero without a CAN bus.
_CAN_PARTS = {18: 7, 13: 4}
_CAN_LENGTH = 18
_MMDET3D = 'mmdet3d'
_SCENE_KEYS = ('scene_token', 'scene_name', 'location', 'can_bus')


@dataclass(frozen=True)
class _Source:
    """How a project writes its info files.

    Attributes:
        boxes (Callable): Its ``gt_boxes`` (N, 7+) and velocities (N, 2) to
            mmdet3d's in the LiDAR frame; also takes lidar2ego (4, 4).
        plan (Callable): Entries of this frame and those behind it, yaws
            (6,) and lidar2ego to a canonical plan, or None.
    """

    boxes: Callable[[np.ndarray, np.ndarray, np.ndarray], tuple]
    plan: Callable[[list[dict], np.ndarray, np.ndarray], np.ndarray | None]


@dataclass(frozen=True)
class ForeignReport:
    """What became of a file.

    Attributes:
        path (Path): The info file written.
        samples, scenes (int): Its key frames, and drives without a gap.
        without_labels (int): Samples without an Occ3D label.
        compared (int): Plans compared with the poses.
        largest_difference (float): Metres between those; 0 without any.
    """

    path: Path
    samples: int
    scenes: int
    without_labels: int
    compared: int
    largest_difference: float


def _same_boxes(
    boxes: np.ndarray, velocities: np.ndarray, lidar2ego: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return boxes, velocities


def _second_boxes(
    boxes: np.ndarray, velocities: np.ndarray, lidar2ego: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """From width, length, height and -yaw - pi/2 (SECOND's boxes)."""
    boxes = boxes.copy()
    boxes[:, 3:5] = boxes[:, [4, 3]]
    boxes[:, 6] = -boxes[:, 6] - np.pi / 2
    return boxes, velocities


def _ego_boxes(
    boxes: np.ndarray, velocities: np.ndarray, lidar2ego: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """From the ego frame to that of the LiDAR."""
    boxes = boxes.copy()
    turn, shift = lidar2ego[:3, :3], lidar2ego[:3, 3]
    boxes[:, :3] = (boxes[:, :3] - shift) @ turn
    boxes[:, 6] -= np.arctan2(turn[1, 0], turn[0, 0])
    return boxes, velocities @ turn[:2, :2]


def _no_plan(
    entries: list[dict], yaws: np.ndarray, lidar2ego: np.ndarray
) -> None:
    return None


def _vad_plan(
    entries: list[dict], yaws: np.ndarray, lidar2ego: np.ndarray
) -> np.ndarray | None:
    offsets = entries[0].get('gt_ego_fut_trajs')
    return None if offsets is None else from_vad(offsets, yaws, lidar2ego)


def _bev_planner_plan(
    entries: list[dict], yaws: np.ndarray, lidar2ego: np.ndarray
) -> np.ndarray | None:
    offsets = entries[0].get('gt_ego_fut_trajs')
    if offsets is None:
        return None
    return from_bev_planner(offsets, yaws, lidar2ego)


def _occworld_plan(
    entries: list[dict], yaws: np.ndarray, lidar2ego: np.ndarray
) -> np.ndarray | None:
    steps = [e.get('gt_ego_fut_trajs') for e in entries[:NUM_FUTURE]]
    if any(step is None for step in steps):
        return None
    return from_occworld(np.stack([s[0] for s in steps]), yaws, lidar2ego)


def _omnidrive_plan(
    entries: list[dict], yaws: np.ndarray, lidar2ego: np.ndarray
) -> np.ndarray | None:
    plan = entries[0].get('gt_planning')
    return None if plan is None else from_omnidrive(plan)


SOURCES = {
    _MMDET3D: _Source(_same_boxes, _no_plan),
    'vad': _Source(_second_boxes, _vad_plan),
    'occworld': _Source(_second_boxes, _occworld_plan),
    'bev-planner': _Source(_second_boxes, _bev_planner_plan),
    'omnidrive': _Source(_ego_boxes, _omnidrive_plan),
}


def convert_foreign(
    path: Path, source: str, out: Path, root: Path | None = None
) -> ForeignReport:
    """Convert an info file of another project.

    Args:
        path (Path): ``infos`` as a list, or by scene name as OccWorld's; of
            mmdet3d also ``data_list`` (1.1), which gets our keys.
        source (str): A key of ``SOURCES``.
        out (Path): The info file to write.
        root (Path): Data root, to find Occ3D's labels; None finds none.

    Raises:
        InfoFileError: The file cannot be read, holds foreign objects or
            lacks a key of that schema.
    """
    kind = SOURCES[source]
    content = load_plain_pickle(path)
    try:
        if source == _MMDET3D and 'data_list' in content:
            infos = load_info_file(path)
            entries = [_entry_of(info) for info in infos['data_list']]
        else:
            infos, entries = None, _entries(content, path)
            for entry in entries:
                _normalise(entry, kind)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InfoFileError(
            f'{path} has a frame that {source} does not write ({error!r}); '
            f'is it a file of {source}? Choose --source out of '
            f'{", ".join(SOURCES)}'
        ) from error
    if infos is None:
        infos = upgrade_infos(dict(infos=entries), str(path))
    infos = _python_types(infos)
    infos['metainfo'] = _metainfo(infos['metainfo'])
    labels = _labels_by_token(root)
    drives = list(_drives(entries))
    differences: list[float] = []
    for name, members in drives:
        _add_drive(
            [(entries[k], infos['data_list'][k]) for k in members],
            name,
            labels,
            kind,
            differences,
        )
    infos['data_list'] = [
        infos['data_list'][k] for _, members in drives for k in members
    ]
    for index, info in enumerate(infos['data_list']):
        info['sample_idx'] = index
    write_info_file(infos, out)
    return ForeignReport(
        path=Path(out),
        samples=len(entries),
        scenes=len(drives),
        without_labels=sum(not i['occ_path'] for i in infos['data_list']),
        compared=len(differences),
        largest_difference=max(differences, default=0.0),
    )


def _entry_of(info: dict) -> dict:
    """What the functions here read, of a frame of mmdet3d 1.1."""
    return {
        **{key: info[key] for key in _SCENE_KEYS if key in info},
        'token': info['token'],
        'timestamp': round(info['timestamp'] * MICROSECONDS),
        'lidar_path': info['lidar_points']['lidar_path'],
        'ego2global': np.asarray(info['ego2global'], dtype=float),
        'lidar2ego': np.asarray(
            info['lidar_points']['lidar2ego'], dtype=float
        ),
    }


def _python_types(value: object) -> object:
    """A copy with NumPy's scalars and tuples as Python's types and lists."""
    if isinstance(value, dict):
        return {key: _python_types(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_python_types(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _metainfo(found: dict) -> dict:
    """The ``metainfo`` of a converted file; classes of mmdet3d's order."""
    categories = found.get('categories', {})
    ignored = {n for n, k in categories.items() if k == IGNORED_LABEL}
    return info_metainfo(found.get('version', ''), ignored)


def _entries(content: dict, path: Path) -> list[dict]:
    """Frames in a list; OccWorld's get the name of their scene."""
    infos = content.get('infos')
    if isinstance(infos, Mapping):
        infos = [
            {**entry, 'scene_name': name}
            for name, frames in infos.items()
            for entry in frames
        ]
    if not isinstance(infos, list) or not infos:
        raise InfoFileError(
            f'{path} has the keys {sorted(map(str, content))}, expected '
            '`infos` with frames, as mmdet3d before 1.1 and its forks write '
            'them; a file with `data_list` is of --source mmdet3d'
        )
    return [dict(entry) for entry in infos]


def _normalise(entry: dict, kind: _Source) -> None:
    """Bring the boxes of a frame to mmdet3d's convention, in place."""
    entry['lidar2ego'] = rigid_transform(
        entry['lidar2ego_rotation'], entry['lidar2ego_translation']
    )
    entry['ego2global'] = rigid_transform(
        entry['ego2global_rotation'], entry['ego2global_translation']
    )
    if len(entry.get('gt_names', ())):
        boxes = np.asarray(entry['gt_boxes'], dtype=float)[:, :7]
        entry['gt_boxes'], entry['gt_velocity'] = kind.boxes(
            boxes,
            np.asarray(entry['gt_velocity'], dtype=float)[:, :2],
            entry['lidar2ego'],
        )


def _labels_by_token(root: Path | None) -> dict[str, Path]:
    """Occ3D's labels, relative to the root, by sample token."""
    if root is None:
        return {}
    return {
        path.parent.name: path.relative_to(root)
        for path in sorted((root / 'gts').glob('*/*/labels.npz'))
    }


def _log(entry: dict) -> str:
    """The recording that a frame's file name begins with."""
    return Path(entry['lidar_path']).name.split('__')[0]


def _drives(entries: list[dict]) -> Iterator[tuple[str, list[int]]]:
    """Name and frames of each scene, in time order.

    A file without names of scenes is cut where the recording changes or
    time leaps.
    """
    order = sorted(
        range(len(entries)),
        key=lambda k: (
            _given_scene(entries[k]),
            _log(entries[k]),
            entries[k]['timestamp'],
        ),
    )
    members: list[int] = []
    for k in order:
        if members and _is_other_drive(entries[members[-1]], entries[k]):
            yield _drive_name(entries[members[0]]), members
            members = []
        members.append(k)
    if members:
        yield _drive_name(entries[members[0]]), members


def _given_scene(entry: dict) -> str:
    return entry.get('scene_token') or entry.get('scene_name') or ''


def _is_other_drive(before: dict, after: dict) -> bool:
    if _given_scene(before) or _given_scene(after):
        return _given_scene(before) != _given_scene(after)
    return _log(before) != _log(after) or _gap(before, after) > _MOST_STEP


def _gap(before: dict, after: dict) -> float:
    return (after['timestamp'] - before['timestamp']) / MICROSECONDS


def _drive_name(entry: dict) -> str:
    return entry.get('scene_name') or f'{_log(entry)}@{entry["timestamp"]}'


def _add_drive(
    frames: list[tuple[dict, dict]],
    name: str,
    labels: dict[str, Path],
    kind: _Source,
    differences: list[float],
) -> None:
    """Add our keys to the infos of a scene, run by run without a gap."""
    index, run = 0, frames[:1]
    runs = []
    for before, after in pairwise(frames):
        if _gap(before[0], after[0]) > _MOST_STEP:
            runs.append((index, run))
            index += len(run) - 1
            # The index keeps time, so that no neighbour is mistaken.
            index += max(round(_gap(before[0], after[0]) / STEP_SECONDS), 1)
            run = []
        run.append(after)
    runs.append((index, run))
    for start, run in runs:
        _add_run(run, start, differences, kind)
    first = frames[0][0]
    for entry, info in frames:
        token = entry['token']
        label = labels.get(token)
        info.update(
            scene_token=first.get('scene_token') or name,
            scene_name=name,
            location=entry.get('map_location') or entry.get('location', ''),
            occ_path=label.as_posix() if label else '',
            qa=[],
            cot='',
        )


def _add_run(
    run: list[tuple[dict, dict]],
    start: int,
    differences: list[float],
    kind: _Source,
) -> None:
    entries = [entry for entry, _ in run]
    motion = motion_fields(
        np.stack([entry['ego2global'] for entry in entries]),
        np.array([entry['timestamp'] for entry in entries]) / MICROSECONDS,
        None,
        None,
        LabelRules(),
    )
    for k, (entry, info) in enumerate(run):
        info.update(motion[k])
        info.update(
            frame_idx=start + k,
            prev=entries[k - 1]['token'] if k else '',
            next=entries[k + 1]['token'] if k + 1 < len(run) else '',
        )
        _add_can_bus(entry, info)
        ego = info['ego']
        if ego['fut_mask'].all():
            plan = kind.plan(
                entries[k:], ego['fut_poses'][:, 2], entry['lidar2ego']
            )
            if plan is not None:
                gaps = np.linalg.norm((plan - ego['fut_poses'])[:, :2], axis=1)
                differences.append(float(gaps.max()))


def _add_can_bus(entry: dict, info: dict) -> None:
    """Take the status from the file's CAN bus numbers, if it has any."""
    vector = np.asarray(entry.get('can_bus', ()), dtype=float)
    first = _CAN_PARTS.get(len(vector))
    if first is None or not vector[first : first + 9].any():
        return
    accel, rate, velocity = vector[first : first + 9].reshape(3, 3)
    info['ego']['status'].update(
        speed=float(np.hypot(*velocity[:2])),
        vx=float(velocity[0]),
        vy=float(velocity[1]),
        ax=float(accel[0]),
        ay=float(accel[1]),
        yaw_rate=float(rate[2]),
    )
    here = _CAN_PARTS[_CAN_LENGTH]
    info['can_bus'][here : here + 9] = vector[first : first + 9]
