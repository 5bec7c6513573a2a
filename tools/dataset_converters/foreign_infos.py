"""Convert info files of other projects without nuScenes' tables.

Ego motion, labels and history are computed anew from the ego poses that the
files hold. The plans that they store are converted to the canonical frame and
compared with the poses, so that a wrong convention shows. Order, neighbours
and unit of time are mended; what cannot be a file of the source is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from dataset_converters.data_parts import MMDET3D, OLD_MMDET3D, PROJECTS
from dataset_converters.ego_motion import measured_status, motion_fields
from dataset_converters.occ_labels import find_labels
from dataset_converters.trajectory_conventions import (
    from_bev_planner,
    from_occworld,
    from_omnidrive,
    from_vad,
)
from mmocc.infos import (
    IGNORED_LABEL,
    InfoFileError,
    InfoScene,
    build_metainfo,
    group_scenes,
    load_info_file,
    load_plain_pickle,
    upgrade_infos,
    write_info_file,
)
from mmocc.infos.box_convention import (
    check_box_convention,
    has_wide_boxes,
)
from mmocc.infos.rigid import rigid_transform
from mmocc.infos.scenes import STEP_TOLERANCE, TIME_UNITS, time_unit
from mmocc.infos.schema import check_details, check_frame
from mmocc.structures.occ3d import STEP_SECONDS

# Frames further apart than this, seconds, are no neighbours.
_MOST_STEP = STEP_SECONDS + STEP_TOLERANCE
# Plans that differ from the poses by more than this, metres, get a warning.
_MOST_DIFFERENCE = 0.5
# Where BEVFormer's vector of 18 numbers and OmniDrive's of 13 hold
# acceleration, rotation rate and velocity; all zero without a CAN bus.
_CAN_PARTS = {18: 7, 13: 4}
_CAN_LENGTH = 18
# Keys of scenes and CAN bus that are taken from files of mmdet3d 1.1.
_SCENE_KEYS = ('scene_token', 'scene_name', 'location', 'can_bus')
# Keys that are computed anew, so that the file's own do not matter.
_ORDER_KEYS = ('frame_idx', 'prev', 'next')


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
        repeated (int): Frames that came again and were left out.
        mended_unit (str): Unit of time that was converted; '' if none was.
        old_boxes (bool): Whether boxes of mmdet3d before 1.0 were converted.
    """

    path: Path
    samples: int
    scenes: int
    without_labels: int
    compared: int
    largest_difference: float
    repeated: int = 0
    mended_unit: str = ''
    old_boxes: bool = False

    def __str__(self) -> str:
        """Return a paragraph: the counts, and what to look at."""
        lines = [
            f'{self.path}: {self.samples} samples of {self.scenes} scenes'
        ]
        if self.repeated:
            lines.append(f'  left out: {self.repeated} frames that came twice')
        if self.mended_unit:
            lines.append(
                f'  time stamps were in {self.mended_unit}, now in seconds'
            )
        if self.old_boxes:
            lines.append(
                '  boxes were wider than long, as mmdet3d before 1.0 wrote '
                'them: width, length and yaw were converted'
            )
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
    OLD_MMDET3D: _Project(_second_boxes),
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
        InfoFileError: The file cannot be read, holds foreign objects, lacks
            a key of that schema, or has boxes or plans of another project.
    """
    project = _CONVENTIONS[source]
    content = load_plain_pickle(path)
    try:
        if source == MMDET3D and 'data_list' in content:
            infos = load_info_file(path, check=False)
            entries = [_entry_of(info) for info in infos['data_list']]
            usual = 'seconds'
        else:
            infos, entries = None, _read_entries(content, path)
            for entry in entries:
                _normalise(entry, project)
            usual = 'microseconds'
        unit = time_unit([entry['timestamp'] for entry in entries], usual)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InfoFileError(
            f'{path} has a frame that {source} does not write ({error!r}); '
            f'is it a file of {source}? Choose --source out of '
            f'{", ".join(PROJECTS)}'
        ) from error
    if infos is None:
        _check_plans(entries, source, path)
        infos = upgrade_infos(dict(infos=entries), str(path))
    elif unit != usual:
        _divide_times(infos['data_list'], TIME_UNITS[unit])
    infos = _python_types(infos)
    for index, info in enumerate(infos['data_list']):
        check_frame(info, f'frame {index} of {path}')
        check_details(info, f'frame {index} of {path}')
    # Some files of mmdet3d 1.1 hold boxes as before 1.0.
    old_boxes = 'data_list' in content and has_wide_boxes(infos)
    if old_boxes:
        _turn_boxes(infos['data_list'])
    categories = infos['metainfo'].get('categories', {})
    try:
        check_box_convention(infos, str(path))
    except InfoFileError as error:
        raise InfoFileError(f'{error}; got --source {source}') from error
    infos['metainfo'] = build_metainfo(
        infos['metainfo'].get('version', ''),
        {name for name, k in categories.items() if k == IGNORED_LABEL},
    )
    frames = _frames_once(entries, infos['data_list'], path)
    labels = find_labels(root, set(frames)) if root is not None else {}
    scenes = group_scenes([info for _, info in frames.values()], str(path))
    differences: list[float] = []
    for scene in scenes:
        members = [frames[info['token']] for info in scene.infos]
        differences += _add_motion(members, project)
        _add_scene(members, scene, labels)
    data_list = [info for scene in scenes for info in scene.infos]
    for index, info in enumerate(data_list):
        info['sample_idx'] = index
    infos['data_list'] = data_list
    write_info_file(infos, out)
    return ForeignReport(
        path=Path(out),
        samples=len(data_list),
        scenes=len(scenes),
        without_labels=sum(not info['occ_path'] for info in data_list),
        compared=len(differences),
        largest_difference=max(differences, default=0.0),
        repeated=len(entries) - len(data_list),
        mended_unit='' if unit == usual else unit,
        old_boxes=old_boxes,
    )


def _check_plans(entries: list[dict], source: str, path: Path) -> None:
    """Refuse a file that has not the plans of its source."""
    key = _CONVENTIONS[source].plan_key
    if _CONVENTIONS[source].plan and not any(key in e for e in entries):
        raise InfoFileError(
            f'no frame of {path} has {key}, which {source} writes; plain '
            f'files of mmdet3d are of --source {MMDET3D}, or of '
            f'{OLD_MMDET3D} where boxes are wider than long'
        )
    absolute = _CONVENTIONS['omnidrive'].plan_key
    if key != absolute and any(absolute in entry for entry in entries):
        raise InfoFileError(
            f'{path} has {absolute}, which omnidrive writes, whose boxes are '
            f'in the ego frame; got --source {source}, expected omnidrive'
        )


def _turn_boxes(data_list: list[dict]) -> None:
    """Convert boxes of mmdet3d before 1.0 in files of 1.1."""
    for info in data_list:
        for instance in info['instances']:
            box = np.array([instance['bbox_3d']], dtype=float)
            (turned,), _ = _second_boxes(box, np.zeros((1, 2)), np.eye(4))
            instance['bbox_3d'] = turned.tolist()


def _divide_times(data_list: list[dict], unit: float) -> None:
    """Convert the time stamps of frames, images and sweeps to seconds."""
    for info in data_list:
        views = (*info['images'].values(), *info.get('lidar_sweeps', ()))
        for entry in (info, *views):
            if 'timestamp' in entry:
                entry['timestamp'] = entry['timestamp'] / unit


def _frames_once(
    entries: list[dict], infos: list[dict], path: Path
) -> dict[str, tuple[dict, dict]]:
    """Return entry and info of each frame by its token.

    Raises:
        InfoFileError: Two frames share a token, but no time or pose.
    """
    frames: dict[str, tuple[dict, dict]] = {}
    for entry, info in zip(entries, infos, strict=True):
        for key in _ORDER_KEYS:
            info.pop(key, None)
        first, _ = frames.setdefault(entry['token'], (entry, info))
        if first['timestamp'] != entry['timestamp'] or not np.array_equal(
            first['ego2global'], entry['ego2global']
        ):
            raise InfoFileError(
                f'{path} holds sample {entry["token"]} twice, at the times '
                f'{first["timestamp"]} and {entry["timestamp"]} or with two '
                'poses; expected one frame of a token: leave one out'
            )
    return frames


def _entry_of(info: dict) -> dict:
    """Return the keys of an old schema that are read here, of mmdet3d 1.1."""
    lidar = info['lidar_points']
    return {
        **{key: info[key] for key in _SCENE_KEYS if key in info},
        'token': info['token'],
        'timestamp': info['timestamp'],
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
        gap = after[1]['timestamp'] - before[1]['timestamp']
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
        np.array([info['timestamp'] for _, info in run]),
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
    frames: list[tuple[dict, dict]],
    scene: InfoScene,
    labels: dict[str, Path],
) -> None:
    """Add scene, location and label to the infos of a scene."""
    scene_name = scene.name
    for entry, info in frames:
        label = labels.get(entry['token'])
        info.update(
            scene_token=scene.token,
            scene_name=scene_name,
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
