"""Convert info files of other projects without nuScenes' tables.

Ego motion, labels and history are computed anew from the ego poses that the
files hold. The plans that they store are converted to the canonical frame and
compared with the poses, so that a wrong convention shows.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from dataset_converters.data_parts import MMDET3D, PROJECTS
from dataset_converters.ego_motion import measured_status, motion_fields
from dataset_converters.trajectory_conventions import (
    from_bev_planner,
    from_occworld,
    from_omnidrive,
    from_vad,
)
from mmocc.infos import (
    IGNORED_LABEL,
    InfoFileError,
    build_metainfo,
    load_info_file,
    load_plain_pickle,
    upgrade_infos,
    write_info_file,
)
from mmocc.infos.rigid import rigid_transform
from mmocc.infos.schema import MICROSECONDS
from mmocc.structures.occ3d import STEP_SECONDS

# Frames further apart than this, seconds, are no neighbours. Ours.
_MOST_STEP = 0.75
# Plans that differ from the poses by more than this, metres, get a warning.
_MOST_DIFFERENCE = 0.5
# Where BEVFormer's vector of 18 numbers and OmniDrive's of 13 hold
# acceleration, rotation rate and velocity; all zero without a CAN bus.
_CAN_PARTS = {18: 7, 13: 4}
_CAN_LENGTH = 18
_SCENE_KEYS = ('scene_token', 'scene_name', 'location', 'can_bus')


@dataclass(frozen=True)
class ForeignReport:
    """Counts of a converted file.

    Attributes:
        path (Path): The info file written.
        samples (int): Key frames.
        scenes (int): Scenes, or drives without a gap.
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

    def __str__(self) -> str:
        """Return a paragraph: the counts, and what to look at."""
        lines = [
            f'{self.path}: {self.samples} samples of {self.scenes} scenes'
        ]
        if self.without_labels:
            lines.append(
                f'  without Occ3D label: {self.without_labels} samples'
            )
        if self.compared:
            lines.append(
                f'  {self.compared} plans compared with the ego poses: '
                f'{self.largest_difference:.3f} m apart at most'
            )
        if self.largest_difference > _MOST_DIFFERENCE:
            lines.append(
                '  warning: the plans do not fit the poses; ours come from '
                'the poses. Is --source right?'
            )
        return '\n'.join(lines)


# Boxes: ``gt_boxes`` (N, 7), velocities (N, 2) and lidar2ego (4, 4) to boxes
# and velocities of mmdet3d, in the LiDAR frame.


def _same_boxes(
    boxes: np.ndarray, velocities: np.ndarray, lidar2ego: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return boxes, velocities


def _second_boxes(
    boxes: np.ndarray, velocities: np.ndarray, lidar2ego: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Convert from width, length, height and -yaw - pi/2 (SECOND's boxes)."""
    boxes = boxes.copy()
    boxes[:, 3:5] = boxes[:, [4, 3]]
    boxes[:, 6] = -boxes[:, 6] - np.pi / 2
    return boxes, velocities


def _ego_boxes(
    boxes: np.ndarray, velocities: np.ndarray, lidar2ego: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Convert from the ego frame to that of the LiDAR."""
    boxes = boxes.copy()
    turn, shift = lidar2ego[:3, :3], lidar2ego[:3, 3]
    boxes[:, :3] = (boxes[:, :3] - shift) @ turn
    boxes[:, 6] -= np.arctan2(turn[1, 0], turn[0, 0])
    return boxes, velocities @ turn[:2, :2]


@dataclass(frozen=True)
class _Project:
    """Conventions of a project's info files.

    Attributes:
        boxes (Callable): Converts its boxes, see above.
        plan (Callable): Converts its plans (``trajectory_conventions``), or
            None without plans.
        plan_key (str): Key of its plans.
        plan_frames (int): 1 where each frame holds a whole plan; 6 where a
            plan is the first step of this frame and of the five after it.
    """

    boxes: Callable[..., tuple[np.ndarray, np.ndarray]]
    plan: Callable[..., np.ndarray] | None = None
    plan_key: str = 'gt_ego_fut_trajs'
    plan_frames: int = 1


_CONVENTIONS = {
    MMDET3D: _Project(_same_boxes),
    'vad': _Project(_second_boxes, from_vad),
    'occworld': _Project(_second_boxes, from_occworld, plan_frames=6),
    'bev-planner': _Project(_second_boxes, from_bev_planner),
    'omnidrive': _Project(_ego_boxes, from_omnidrive, 'gt_planning'),
}


def convert_foreign(
    path: Path, source: str, out: Path, root: Path | None = None
) -> ForeignReport:
    """Convert an info file of another project.

    Args:
        path (Path): ``infos`` as a list, or by scene name as OccWorld's; of
            mmdet3d also ``data_list`` (1.1), which gets our keys.
        source (str): One of ``PROJECTS``.
        out (Path): Info file to write.
        root (Path, optional): Data root of Occ3D's labels. Defaults to None:
            no labels.

    Raises:
        InfoFileError: The file cannot be read, holds foreign objects or
            lacks a key of that schema.
    """
    project = _CONVENTIONS[source]
    content = load_plain_pickle(path)
    try:
        if source == MMDET3D and 'data_list' in content:
            infos = load_info_file(path)
            entries = [_entry_of(info) for info in infos['data_list']]
        else:
            infos, entries = None, _read_entries(content, path)
            for entry in entries:
                _normalise(entry, project)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InfoFileError(
            f'{path} has a frame that {source} does not write ({error!r}); '
            f'is it a file of {source}? Choose --source out of '
            f'{", ".join(PROJECTS)}'
        ) from error
    if infos is None:
        infos = upgrade_infos(dict(infos=entries), str(path))
    infos = _python_types(infos)
    categories = infos['metainfo'].get('categories', {})
    infos['metainfo'] = build_metainfo(
        infos['metainfo'].get('version', ''),
        {name for name, k in categories.items() if k == IGNORED_LABEL},
    )
    labels = _labels_by_token(root)
    drives = list(_drives(entries))
    differences: list[float] = []
    data_list: list[dict] = []
    for name, members in drives:
        frames = [(entries[k], infos['data_list'][k]) for k in members]
        differences += _add_motion(frames, project)
        _add_scene(frames, name, labels)
        data_list += [info for _, info in frames]
    for index, info in enumerate(data_list):
        info['sample_idx'] = index
    infos['data_list'] = data_list
    write_info_file(infos, out)
    return ForeignReport(
        path=Path(out),
        samples=len(entries),
        scenes=len(drives),
        without_labels=sum(not info['occ_path'] for info in data_list),
        compared=len(differences),
        largest_difference=max(differences, default=0.0),
    )


def _entry_of(info: dict) -> dict:
    """Return the keys of an old schema that are read here, of mmdet3d 1.1."""
    lidar = info['lidar_points']
    return {
        **{key: info[key] for key in _SCENE_KEYS if key in info},
        'token': info['token'],
        'timestamp': round(info['timestamp'] * MICROSECONDS),
        'lidar_path': lidar['lidar_path'],
        'ego2global': np.asarray(info['ego2global'], dtype=float),
        'lidar2ego': np.asarray(lidar['lidar2ego'], dtype=float),
    }


def _python_types(value: object) -> object:
    """Copy a tree with NumPy's scalars and tuples as Python's and lists."""
    if isinstance(value, dict):
        return {key: _python_types(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_python_types(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value


def _read_entries(content: dict, path: Path) -> list[dict]:
    """Return copies of all frames; OccWorld's get the name of their scene."""
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


def _normalise(entry: dict, project: _Project) -> None:
    """Add transforms to a frame and convert its boxes to mmdet3d's."""
    for name in ('lidar2ego', 'ego2global'):
        entry[name] = rigid_transform(
            entry[f'{name}_rotation'], entry[f'{name}_translation']
        )
    if len(entry.get('gt_names', ())):
        entry['gt_boxes'], entry['gt_velocity'] = project.boxes(
            np.asarray(entry['gt_boxes'], dtype=float)[:, :7],
            np.asarray(entry['gt_velocity'], dtype=float)[:, :2],
            entry['lidar2ego'],
        )


def _labels_by_token(root: Path | None) -> dict[str, Path]:
    """Find Occ3D's labels, relative to the root, by sample token."""
    if root is None:
        return {}
    return {
        path.parent.name: path.relative_to(root)
        for path in sorted((root / 'gts').glob('*/*/labels.npz'))
    }


def _log(entry: dict) -> str:
    """Return the name of the recording, with which file names begin."""
    return Path(entry['lidar_path']).name.split('__')[0]


def _drives(entries: list[dict]) -> Iterator[tuple[str, list[int]]]:
    """Yield name and frames of each scene, in time order.

    A file without names of scenes is cut where the recording changes or
    where frames are missing.
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
    """Return the seconds between two frames."""
    return (after['timestamp'] - before['timestamp']) / MICROSECONDS


def _drive_name(entry: dict) -> str:
    return entry.get('scene_name') or f'{_log(entry)}@{entry["timestamp"]}'


def _add_motion(
    frames: list[tuple[dict, dict]], project: _Project
) -> list[float]:
    """Add motion to the infos of a scene, run by run without a gap.

    Args:
        frames (list[tuple[dict, dict]]): Entry of the file and info of each.
        project (_Project): Conventions of the file.

    Returns:
        list[float]: Distances of the stored plans to the poses, metres.
    """
    runs = [(0, frames[:1])]
    for before, after in pairwise(frames):
        gap = _gap(before[0], after[0])
        start, run = runs[-1]
        if gap > _MOST_STEP:
            # The index keeps time, so that no neighbour is mistaken.
            start += len(run) - 1 + max(round(gap / STEP_SECONDS), 1)
            runs.append((start, [after]))
        else:
            run.append(after)
    differences = []
    for start, run in runs:
        differences += _add_motion_of_run(run, start, project)
    return differences


def _add_motion_of_run(
    run: list[tuple[dict, dict]], start: int, project: _Project
) -> list[float]:
    entries = [entry for entry, _ in run]
    motion = motion_fields(
        np.stack([entry['ego2global'] for entry in entries]),
        np.array([entry['timestamp'] for entry in entries]) / MICROSECONDS,
    )
    differences = []
    for k, (entry, info) in enumerate(run):
        info.update(
            **motion[k],
            frame_idx=start + k,
            prev=entries[k - 1]['token'] if k else '',
            next=entries[k + 1]['token'] if k + 1 < len(run) else '',
        )
        _add_can_bus(entry, info)
        ego = info['ego']
        if ego['fut_mask'].all():
            yaws = ego['fut_poses'][:, 2]
            plan = _stored_plan(entries[k:], yaws, project)
            if plan is not None:
                gaps = np.linalg.norm((plan - ego['fut_poses'])[:, :2], axis=1)
                differences.append(float(gaps.max()))
    return differences


def _stored_plan(
    entries: list[dict], yaws: np.ndarray, project: _Project
) -> np.ndarray | None:
    """Return the canonical plan (6, 3) that the file holds, or None.

    Args:
        entries (list[dict]): This frame and those after it.
        yaws (np.ndarray): (6,) headings.
        project (_Project): Conventions of the file.
    """
    stored = [e.get(project.plan_key) for e in entries[: project.plan_frames]]
    if project.plan is None or any(plan is None for plan in stored):
        return None
    plan = stored[0]
    if project.plan_frames > 1:
        plan = np.stack([offsets[0] for offsets in stored])
    return project.plan(plan, yaws, entries[0]['lidar2ego'])


def _add_scene(
    frames: list[tuple[dict, dict]], name: str, labels: dict[str, Path]
) -> None:
    """Add scene, location and label to the infos of a scene."""
    token = frames[0][0].get('scene_token') or name
    for entry, info in frames:
        label = labels.get(entry['token'])
        info.update(
            scene_token=token,
            scene_name=name,
            location=entry.get('map_location') or entry.get('location', ''),
            occ_path=label.as_posix() if label else '',
            qa=[],
            cot='',
        )


def _add_can_bus(entry: dict, info: dict) -> None:
    """Take the status from the file's CAN bus numbers, if it has any."""
    vector = np.asarray(entry.get('can_bus', ()), dtype=float)
    first = _CAN_PARTS.get(len(vector))
    if first is None or not vector[first : first + 9].any():
        return
    measured = vector[first : first + 9]
    info['ego']['status'].update(measured_status(*measured.reshape(3, 3)))
    here = _CAN_PARTS[_CAN_LENGTH]
    info['can_bus'][here : here + 9] = measured
