"""Check a data root: tables, files, geometry, labels and texts."""

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tqdm import tqdm

from dataset_converters.can_bus import can_bus_files, load_can_bus
from dataset_converters.data_parts import (
    OFFICIAL_COUNTS,
    OPTIONAL_PARTS,
    SPLITS,
    TEST,
)
from dataset_converters.file_checks import (
    MISSING,
    check_image,
    check_label,
    check_points,
)
from dataset_converters.findings import ERROR, NOTE, WARNING, DataFindings
from dataset_converters.geometry_checks import (
    BOXES,
    BOXES_IN_VIEW,
    POINTS,
    POINTS_IN_BOXES,
    check_geometry,
    count_points_in_boxes,
)
from dataset_converters.in_order import in_order
from dataset_converters.nuscenes_converter import MAX_SWEEPS, split_by_scene
from dataset_converters.nuscenes_tables import (
    NuScenesFrame,
    NuScenesScene,
    NuScenesTables,
    TableError,
    check_times,
)
from dataset_converters.nuscenes_text import (
    KINDS,
    load_questions,
    omnidrive_files,
    question_file,
    read_pairs,
    text_splits,
)
from dataset_converters.occ_labels import label_elsewhere
from mmocc.annotation import RoadMap
from mmocc.infos import MapError, map_path
from mmocc.version import __version__

PARTS = ('samples', 'sweeps', *OPTIONAL_PARTS)
# Scenes without CAN bus in nuScenes itself (nuscenes-devkit).
NO_CAN_BUS = frozenset(
    f'scene-{number:04d}'
    for number in (*range(161, 169), *range(170, 177), *range(309, 315))
)
# Shares that spot checks must reach. Ours.
_LEAST_IN_VIEW = 0.9
_MOST_POINTS_OFF = 0.1


@dataclass(frozen=True)
class CheckOptions:
    """Options of a check.

    Attributes:
        root (Path): Data root.
        version (str): Folder of the tables.
        omnidrive (Path): Folder of OmniDrive's text, or None.
        required (Sequence[str]): Optional parts whose absence is an error.
        spots (int): Frames of a scene whose files are read in full.
        deep (bool): Whether to read every file in full.
        workers (int): Processes.
        progress (bool): Whether to show a progress bar.
    """

    root: Path
    version: str
    omnidrive: Path | None = None
    required: Sequence[str] = ()
    spots: int = 1
    deep: bool = False
    workers: int = 1
    progress: bool = False


@dataclass
class CheckReport:
    """Findings and counts of a data root.

    Attributes:
        options (CheckOptions): What was checked.
        findings (DataFindings): Problems, and counts of files.
        scenes, samples (dict[str, int]): Numbers by split.
    """

    options: CheckOptions
    findings: DataFindings = field(default_factory=DataFindings)
    scenes: dict[str, int] = field(default_factory=dict)
    samples: dict[str, int] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """Markdown to paste into an issue: no path of this machine."""
        options, findings = self.options, self.findings
        official = OFFICIAL_COUNTS[options.version]
        read = (
            'all files' if options.deep else f'{options.spots} frames a scene'
        )
        measured = findings.measured
        return '\n'.join(
            [
                f'### mmocc {__version__} data check: {options.version}',
                f'{platform.system()}, Python {platform.python_version()}, '
                f'{read} read in full',
                '',
                '| split | scenes | samples | official samples |',
                '| --- | --- | --- | --- |',
                *(
                    f'| {split} | {self.scenes[split]} | {count} | '
                    f'{official[split]} |'
                    for split, count in self.samples.items()
                ),
                '',
                *findings.table(PARTS),
                '',
                f'- visible boxes in an image: {measured[BOXES_IN_VIEW]} of '
                f'{measured[BOXES]}',
                f'- LiDAR points in boxes: {measured[POINTS_IN_BOXES]}, the '
                f'tables count {measured[POINTS]}',
                f'- {findings.number(ERROR)} errors, '
                f'{findings.number(WARNING)} warnings, '
                f'{findings.number(NOTE)} notes',
            ]
        )


def check_data(options: CheckOptions) -> CheckReport:
    """Check the tables, files, geometry, labels and texts of a data root."""
    report = CheckReport(options)
    findings = report.findings
    try:
        tables = NuScenesTables(options.root, options.version, MAX_SWEEPS)
    except TableError as error:
        findings.add(ERROR, 'tables', options.root, str(error))
        return report
    parts = _find_parts(options, findings)
    scenes = _scenes_by_split(tables, options.version, findings)
    tokens: dict[str, set[str]] = {split: set() for split in scenes}
    report.scenes = {split: len(rows) for split, rows in scenes.items()}
    for split, seen, found in tqdm(
        in_order(
            partial(_check_scene, options=options, parts=parts),
            _read_scenes(tables, scenes, findings),
            options.workers,
        ),
        total=sum(report.scenes.values()),
        desc='checking',
        unit='scene',
        disable=not options.progress,
    ):
        tokens[split] |= seen
        findings.merge(found)
    report.samples = {split: len(seen) for split, seen in tokens.items()}
    _check_counts(report.samples, options.version, findings)
    _check_measured(findings)
    if findings.expected['occ3d'] and not findings.present['occ3d']:
        place = options.root / 'gts'
        findings.add(ERROR, 'occ3d', place, label_elsewhere(options.root))
    if 'map' in parts:
        _check_maps(tables, options.root, findings)
    if 'qa' in parts:
        _check_questions(tokens, options.root, findings)
    return report


def _find_parts(
    options: CheckOptions, findings: DataFindings
) -> frozenset[str]:
    """Return the optional parts of a root; add a note for each other one."""
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
        else:
            # A folder that was given must exist.
            level = ERROR if part == 'omnidrive' else level
            findings.add(level, part, folder, 'there is no such folder')
    return frozenset(there)


def _scenes_by_split(
    tables: NuScenesTables, version: str, findings: DataFindings
) -> dict[str, list[dict]]:
    split_of = split_by_scene(version)
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


def _read_scenes(
    tables: NuScenesTables,
    scenes: dict[str, list[dict]],
    findings: DataFindings,
) -> Iterator[tuple[str, NuScenesScene]]:
    """Yield split and scene; a scene that cannot be read is a finding."""
    for split, rows in scenes.items():
        for row in rows:
            try:
                yield split, tables.read_scene(row)
            except (TableError, ValueError, TypeError) as error:
                findings.add(ERROR, 'tables', row['name'], str(error))


def _check_scene(
    task: tuple[str, NuScenesScene],
    options: CheckOptions,
    parts: frozenset[str],
) -> tuple[str, set[str], DataFindings]:
    """Return split, sample tokens and findings of one scene."""
    findings = DataFindings()
    (split, scene), root = task, options.root
    tokens = {frame.token for frame in scene.frames}
    check_geometry(scene, findings)
    problem = _problem_of(check_times, scene)
    if problem:
        findings.add(ERROR, 'tables', scene.name, problem)
    images = [
        root / camera.filename
        for frame in scene.frames
        for camera in frame.cameras.values()
    ]
    if not any(path.is_file() for path in images):
        findings.expected['samples'] += len(images) + len(scene.frames)
        findings.add(
            ERROR,
            'samples',
            scene.name,
            f'none of its {len(images)} key images is there, such as '
            f'{images[0]}',
        )
    else:
        spots = _spots(len(scene.frames), options)
        for k, frame in enumerate(scene.frames):
            _check_sensors(frame, root, k in spots, findings)
    if 'sweeps' in parts:
        _check_sweeps(scene, root, findings)
    if 'can-bus' in parts:
        _check_can_bus(scene.name, root, findings)
    if 'occ3d' in parts:
        _check_labels(scene, options, findings)
    if 'omnidrive' in parts:
        _check_text(scene, split, options, findings)
    return split, tokens, findings


def _spots(frames: int, options: CheckOptions) -> set[int]:
    """Choose frames to read in full, evenly spread."""
    if options.deep:
        return set(range(frames))
    count = options.spots
    return {(2 * k + 1) * frames // (2 * count) for k in range(count)}


def _check_sensors(
    frame: NuScenesFrame, root: Path, read: bool, findings: DataFindings
) -> None:
    for camera in frame.cameras.values():
        path = root / camera.filename
        problem = check_image(path, (camera.width, camera.height), read)
        findings.add_file('samples', path, problem)
    path = root / frame.lidar.filename
    problem = check_points(path, read)
    # Not an error: the models read cameras alone.
    findings.add_file('samples', path, problem, WARNING)
    if read and not problem:
        count_points_in_boxes(frame, root, findings)


def _check_sweeps(
    scene: NuScenesScene, root: Path, findings: DataFindings
) -> None:
    """Check LiDAR files between key frames, which the models do not need."""
    names = {
        sweep.filename: None
        for frame in scene.frames
        for sweep in frame.sweeps
        if sweep.filename.startswith('sweeps/')
    }
    for name in names:
        problem = check_points(root / name, read=False)
        findings.add_file('sweeps', root / name, problem, NOTE)


def _problem_of(read: Callable, *args: object) -> str | None:
    """Return the message of the error of a reader, None without one."""
    try:
        read(*args)
    except (TableError, MapError) as error:
        return str(error)
    return None


def _check_can_bus(name: str, root: Path, findings: DataFindings) -> None:
    path, _ = can_bus_files(root, name)
    if path.is_file():
        problem = _problem_of(load_can_bus, root, name)
        findings.add_file('can-bus', path, problem)
    elif name in NO_CAN_BUS:
        findings.add(NOTE, 'can-bus', path, 'nuScenes has none of this scene')
    else:
        findings.add_file('can-bus', path, MISSING)


def _check_labels(
    scene: NuScenesScene, options: CheckOptions, findings: DataFindings
) -> None:
    spots = _spots(len(scene.frames), options)
    for k, frame in enumerate(scene.frames):
        path = options.root / 'gts' / scene.name / frame.token / 'labels.npz'
        problem = check_label(path, k in spots)
        findings.add_file('occ3d', path, problem)


def _check_text(
    scene: NuScenesScene,
    split: str,
    options: CheckOptions,
    findings: DataFindings,
) -> None:
    """Check OmniDrive's files: any may be missing, none may be damaged."""
    splits = text_splits(options.version, split)
    for frame in scene.frames:
        there = [
            (kind, path)
            for name in splits
            for kind, path in omnidrive_files(
                options.omnidrive, name, frame.token
            ).items()
            if path.is_file()
        ]
        problems = [
            (path, _problem_of(read_pairs, kind, path)) for kind, path in there
        ]
        damaged = [(path, problem) for path, problem in problems if problem]
        for path, problem in damaged:
            findings.add(ERROR, 'omnidrive', path, problem)
        if not there:
            place = f'sample {frame.token}'
            problem = f'has none of {", ".join(KINDS)}'
            findings.add(NOTE, 'omnidrive', place, problem)
        findings.expected['omnidrive'] += 1
        findings.present['omnidrive'] += bool(there) and not damaged


def _check_counts(
    samples: dict[str, int], version: str, findings: DataFindings
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


def _check_measured(findings: DataFindings) -> None:
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
    tables: NuScenesTables, root: Path, findings: DataFindings
) -> None:
    for location in sorted({tables.location(s) for s in tables.scenes}):
        path = map_path(root, location)
        problem = MISSING
        if path.is_file():
            problem = _problem_of(RoadMap.from_json, path)
        findings.add_file('map', path, problem)


def _check_questions(
    tokens: dict[str, set[str]], root: Path, findings: DataFindings
) -> None:
    asked: set[str] = set()
    for split in tokens:
        path = question_file(root, split)
        try:
            asked |= load_questions(root, split).keys()
        except TableError as error:
            findings.add_file('qa', path, str(error))
        else:
            findings.add_file('qa', path, None)
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
