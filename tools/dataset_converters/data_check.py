"""Check a data root: tables, files, geometry, labels and text."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nuscenes.utils import splits as nuscenes_splits

from dataset_converters.can_bus import can_bus_files, load_can_bus
from dataset_converters.file_checks import (
    MISSING,
    check_image,
    check_label,
    check_points,
)
from dataset_converters.findings import ERROR, NOTE, WARNING, Findings
from dataset_converters.geometry_checks import (
    BOXES,
    BOXES_IN_VIEW,
    POINTS,
    POINTS_IN_BOXES,
    check_geometry,
    count_points_in_boxes,
)
from dataset_converters.in_order import in_order
from dataset_converters.nuscenes_converter import (
    MAX_SWEEPS,
    SPLITS,
    TEST,
    text_splits,
)
from dataset_converters.nuscenes_qa import load_questions, question_file
from dataset_converters.nuscenes_tables import (
    Frame,
    NuScenesTables,
    SceneRecord,
    TableError,
)
from dataset_converters.omnidrive_text import (
    KINDS,
    omnidrive_files,
    read_pairs,
)
from mmocc.annotation import RoadMap
from mmocc.infos import MapError, map_path

# Key frames of the official tables (nuScenes; Occ3D-nuScenes has the same).
OFFICIAL_COUNTS = {
    'v1.0-mini': {'train': 323, 'val': 81},
    'v1.0-trainval': {'train': 28130, 'val': 6019},
    'v1.0-test': {'test': 6008},
}
# What a root may do without.
OPTIONAL_PARTS = ('map', 'can-bus', 'occ3d', 'qa', 'omnidrive')
PARTS = ('samples', 'sweeps', *OPTIONAL_PARTS)
# Scenes that nuScenes itself has no CAN bus of (nuscenes-devkit).
NO_CAN_BUS = frozenset(
    f'scene-{number:04d}'
    for number in (*range(161, 169), *range(170, 177), *range(309, 315))
)
# Shares that spot checks must reach. Ours.
_LEAST_IN_VIEW = 0.9
_MOST_POINTS_OFF = 0.1


@dataclass(frozen=True)
class CheckOptions:
    """What to check.

    Attributes:
        root (Path): The data root.
        version (str): Folder of the tables.
        omnidrive (Path): Folder of OmniDrive's text, or None.
        required (Sequence[str]): Optional parts whose absence is an error.
        spots (int): Frames of a scene whose files are read in full.
        deep (bool): Read every file in full.
        workers (int): Processes.
    """

    root: Path
    version: str
    omnidrive: Path | None = None
    required: Sequence[str] = ()
    spots: int = 1
    deep: bool = False
    workers: int = 1


@dataclass
class CheckReport:
    """The outcome.

    Attributes:
        findings (Findings): All that was found.
        scenes, samples (dict[str, int]): By split.
    """

    findings: Findings = field(default_factory=Findings)
    scenes: dict[str, int] = field(default_factory=dict)
    samples: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Task:
    record: SceneRecord
    split: str
    options: CheckOptions
    parts: frozenset[str]


ProgressBar = Callable[[Iterable, int], Iterable]


def _no_bar(items: Iterable, total: int) -> Iterable:
    return items


def check_data(
    options: CheckOptions, progress: ProgressBar = _no_bar
) -> CheckReport:
    """Check a data root.

    Args:
        options (CheckOptions): What to check.
        progress (Callable): Wraps the scenes: (results, number) to results.
    """
    report = CheckReport()
    findings = report.findings
    try:
        tables = NuScenesTables(options.root, options.version, MAX_SWEEPS)
    except TableError as error:
        findings.add(ERROR, 'tables', options.root, str(error))
        return report
    parts = _parts_there(options, findings)
    scenes = _scenes_by_split(tables, options.version, findings)
    tasks = _tasks(tables, scenes, options, parts, findings)
    results = in_order(_check_scene, tasks, options.workers)
    tokens: dict[str, set[str]] = {split: set() for split in scenes}
    report.scenes = {split: len(rows) for split, rows in scenes.items()}
    total = sum(report.scenes.values())
    for split, seen, found in progress(results, total):
        tokens[split] |= seen
        findings.merge(found)
    report.samples = {split: len(seen) for split, seen in tokens.items()}
    _check_counts(report.samples, options.version, findings)
    _check_measured(findings)
    if 'map' in parts:
        _check_maps(tables, options.root, findings)
    if 'qa' in parts:
        _check_questions(tokens, options.root, findings)
    return report


def _parts_there(options: CheckOptions, findings: Findings) -> frozenset[str]:
    """The optional parts that a root has; a note for each that it lacks."""
    root = options.root
    folders = {
        'sweeps': root / 'sweeps',
        'map': root / 'maps' / 'expansion',
        'can-bus': root / 'can_bus',
        'occ3d': root / 'gts',
        'qa': question_file(root, 'train').parent,
        'omnidrive': options.omnidrive,
    }
    if TEST in SPLITS[options.version]:
        for part in ('occ3d', 'qa', 'omnidrive'):
            del folders[part]
    there = set()
    for part, folder in folders.items():
        level = ERROR if part in options.required else NOTE
        if folder is None:
            if level == ERROR:
                findings.add(level, part, root, 'no folder given')
        elif folder.is_dir():
            there.add(part)
        elif part == 'omnidrive':
            findings.add(ERROR, part, folder, 'there is no such folder')
        else:
            findings.add(level, part, folder, 'there is no such folder')
    return frozenset(there)


def _scenes_by_split(
    tables: NuScenesTables, version: str, findings: Findings
) -> dict[str, list[dict]]:
    split_of = {
        name: split
        for split, official in SPLITS[version].items()
        for name in getattr(nuscenes_splits, official)
    }
    scenes: dict[str, list[dict]] = {split: [] for split in SPLITS[version]}
    for scene in tables.scenes:
        if scene['name'] in split_of:
            scenes[split_of[scene['name']]].append(scene)
        else:
            findings.add(
                ERROR,
                'tables',
                tables.folder / 'scene.json',
                f'{scene["name"]} is in no split of {version}; scenes must '
                'have the names of the split lists of nuscenes-devkit',
            )
    return scenes


def _tasks(
    tables: NuScenesTables,
    scenes: dict[str, list[dict]],
    options: CheckOptions,
    parts: frozenset[str],
    findings: Findings,
) -> Iterable[_Task]:
    for split, rows in scenes.items():
        for scene in rows:
            try:
                record = tables.scene_record(scene)
            except (TableError, ValueError, TypeError) as error:
                findings.add(ERROR, 'tables', scene['name'], str(error))
                continue
            yield _Task(record, split, options, parts)


def _check_scene(task: _Task) -> tuple[str, set[str], Findings]:
    """Split, sample tokens and findings of one scene."""
    findings = Findings()
    record, root = task.record, task.options.root
    tokens = {frame.token for frame in record.frames}
    check_geometry(record, findings)
    images = [
        root / camera.filename
        for frame in record.frames
        for camera in frame.cameras.values()
    ]
    if not any(path.is_file() for path in images):
        findings.expected['samples'] += len(images) + len(record.frames)
        findings.add(
            ERROR,
            'samples',
            record.name,
            f'none of its {len(images)} key images is there, such as '
            f'{images[0]}',
        )
    else:
        spots = _spots(len(record.frames), task.options)
        for k, frame in enumerate(record.frames):
            _check_sensors(frame, root, k in spots, findings)
    if 'sweeps' in task.parts:
        _check_sweeps(record, root, findings)
    if 'can-bus' in task.parts:
        _check_can_bus(record.name, root, findings)
    if 'occ3d' in task.parts:
        _check_labels(record, task.options, findings)
    if 'omnidrive' in task.parts:
        _check_text(task, findings)
    return task.split, tokens, findings


def _spots(frames: int, options: CheckOptions) -> set[int]:
    """Frames to read in full, evenly spread."""
    if options.deep:
        return set(range(frames))
    count = options.spots
    return {(2 * k + 1) * frames // (2 * count) for k in range(count)}


def _check_sensors(
    frame: Frame, root: Path, read: bool, findings: Findings
) -> None:
    for camera in frame.cameras.values():
        path = root / camera.filename
        problem = check_image(path, (camera.width, camera.height), read)
        findings.count_file('samples', problem)
        if problem:
            findings.add(ERROR, 'samples', path, problem)
    path = root / frame.lidar.filename
    problem = check_points(path, read)
    findings.count_file('samples', problem)
    if problem:
        # The models read cameras alone.
        findings.add(WARNING, 'samples', path, problem)
    elif read:
        count_points_in_boxes(frame, root, findings)


def _check_sweeps(record: SceneRecord, root: Path, findings: Findings) -> None:
    """Check the LiDAR files between key frames; the models do without."""
    names = {
        sweep.filename: None
        for frame in record.frames
        for sweep in frame.sweeps
        if sweep.filename.startswith('sweeps/')
    }
    for name in names:
        problem = check_points(root / name, read=False)
        findings.count_file('sweeps', problem)
        if problem:
            findings.add(NOTE, 'sweeps', root / name, problem)


def _check_can_bus(name: str, root: Path, findings: Findings) -> None:
    path, _ = can_bus_files(root, name)
    problem = None if path.is_file() else MISSING
    if problem is None:
        try:
            load_can_bus(root, name)
        except TableError as error:
            problem = str(error)
    elif name in NO_CAN_BUS:
        findings.add(NOTE, 'can-bus', path, 'nuScenes has none of this scene')
        return
    findings.count_file('can-bus', problem)
    if problem:
        findings.add(ERROR, 'can-bus', path, problem)


def _check_labels(
    record: SceneRecord, options: CheckOptions, findings: Findings
) -> None:
    spots = _spots(len(record.frames), options)
    for k, frame in enumerate(record.frames):
        path = options.root / 'gts' / record.name / frame.token / 'labels.npz'
        problem = check_label(path, k in spots)
        findings.count_file('occ3d', problem)
        if problem:
            findings.add(ERROR, 'occ3d', path, problem)


def _check_text(task: _Task, findings: Findings) -> None:
    """Any file of OmniDrive may be missing; none may be broken."""
    splits = text_splits(task.options.version, task.split)
    for frame in task.record.frames:
        there = [
            (kind, path)
            for split in splits
            for kind, path in omnidrive_files(
                task.options.omnidrive, split, frame.token
            ).items()
            if path.is_file()
        ]
        problem = None if there else f'has none of {", ".join(KINDS)}'
        if problem:
            findings.add(NOTE, 'omnidrive', f'sample {frame.token}', problem)
        for kind, path in there:
            try:
                read_pairs(kind, path)
            except TableError as error:
                problem = str(error)
                findings.add(ERROR, 'omnidrive', path, problem)
        findings.count_file('omnidrive', problem)


def _check_counts(
    samples: dict[str, int], version: str, findings: Findings
) -> None:
    for split, official in OFFICIAL_COUNTS[version].items():
        if samples[split] != official:
            findings.add(
                WARNING,
                'counts',
                f'{version} {split}',
                f'{samples[split]} samples, the official tables have '
                f'{official}: a subset or other data, whose scores cannot be '
                'compared with the papers',
            )


def _check_measured(findings: Findings) -> None:
    measured = findings.measured
    if measured[BOXES_IN_VIEW] < _LEAST_IN_VIEW * measured[BOXES]:
        findings.add(
            ERROR,
            'geometry',
            'projection',
            f'{measured[BOXES_IN_VIEW]} of {measured[BOXES]} visible boxes '
            f'are in an image, expected {_LEAST_IN_VIEW:.0%}: poses or '
            'calibration are wrong',
        )
    off = abs(measured[POINTS_IN_BOXES] - measured[POINTS])
    if off > _MOST_POINTS_OFF * measured[POINTS]:
        findings.add(
            ERROR,
            'geometry',
            'points in boxes',
            f'{measured[POINTS_IN_BOXES]}, the tables count '
            f'{measured[POINTS]}: LiDAR files, poses or calibration are '
            'wrong',
        )


def _check_maps(
    tables: NuScenesTables, root: Path, findings: Findings
) -> None:
    for location in sorted({tables.location(s) for s in tables.scenes}):
        path = map_path(root, location)
        problem = None
        try:
            if path.is_file():
                RoadMap.from_json(path)
            else:
                problem = MISSING
        except MapError as error:
            problem = str(error)
        findings.count_file('map', problem)
        if problem:
            findings.add(ERROR, 'map', path, problem)


def _check_questions(
    tokens: dict[str, set[str]], root: Path, findings: Findings
) -> None:
    asked: set[str] = set()
    for split in tokens:
        path = question_file(root, split)
        problem = None
        try:
            asked |= load_questions(root, split).keys()
        except TableError as error:
            problem = str(error)
        findings.count_file('qa', problem)
        if problem:
            findings.add(ERROR, 'qa', path, problem)
    every = set().union(*tokens.values())
    if asked and not asked & every:
        findings.add(
            ERROR,
            'qa',
            question_file(root, 'train').parent,
            'no question is about a sample of these tables',
        )
    elif asked and every - asked:
        findings.add(
            NOTE,
            'qa',
            question_file(root, 'train').parent,
            f'{len(every - asked)} samples have no question, such as '
            f'{min(every - asked)}',
        )
