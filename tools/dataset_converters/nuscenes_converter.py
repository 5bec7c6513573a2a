"""Convert nuScenes tables to info files: mmdet3d 1.1 plus our own keys.

Tables are read once and cut into scenes; scenes are converted in parallel and
kept one by one, so that a killed run goes on where it was; each file is
written whole or not at all. Equal input gives equal bytes, whatever the
number of workers or of interruptions.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from nuscenes.utils import splits as nuscenes_splits

from dataset_converters.can_bus import can_bus_files, load_can_bus
from dataset_converters.in_order import in_order
from dataset_converters.mmdet3d_fields import IGNORED_LABEL, info_metainfo
from dataset_converters.nuscenes_qa import load_questions
from dataset_converters.nuscenes_scene import SceneInputs, convert_scene
from dataset_converters.nuscenes_tables import (
    NuScenesTables,
    SceneRecord,
    TableError,
)
from dataset_converters.omnidrive_text import (
    check_folder,
    load_captions,
    omnidrive_files,
)
from dataset_converters.scene_store import SceneStore, digest, stamp
from dataset_converters.sources import SOURCES
from mmocc.annotation import LabelRules, RoadMap, RuleAnnotator
from mmocc.infos import map_path, write_info_file

INFO_NAME = 'nuscenes_infos_occ_{split}.pkl'
TEST = 'test'
# The devkit's name of each split of each version.
SPLITS = {
    'v1.0-mini': {'train': 'mini_train', 'val': 'mini_val'},
    'v1.0-trainval': {'train': 'train', 'val': 'val'},
    'v1.0-test': {TEST: 'test'},
}
# nuScenes put scenes of its validation split into the training part of mini,
# and NuScenes-QA and OmniDrive go by the splits of nuScenes.
_MIXED_VERSION = 'v1.0-mini'
MAX_SWEEPS = 10
# Scenes of a run that is not finished, beside the info files.
_STORE = '.{version}_scenes.unfinished'


@dataclass(frozen=True)
class ConvertOptions:
    """What to convert and what to join.

    Attributes:
        root (Path): The data root.
        version (str): ``v1.0-mini``, ``v1.0-trainval`` or ``v1.0-test``.
        out (Path): Folder of the info files.
        occ3d (bool): Check each Occ3D label and list only those that exist.
        qa (bool): Join NuScenes-QA.
        can_bus (bool): Take the ego status from the CAN bus.
        omnidrive (Path): Folder of OmniDrive's text to join, or None.
        workers (int): Processes.
    """

    root: Path
    version: str
    out: Path
    occ3d: bool = False
    qa: bool = False
    can_bus: bool = False
    omnidrive: Path | None = None
    workers: int = 1


@dataclass
class SplitReport:
    """What became of a split.

    Attributes:
        path (Path): The info file.
        scenes (int): Scenes converted.
        samples (int): Key frames written.
        absent_scenes (list[str]): Scenes whose images are not on disk.
        missing_labels (int): Samples without an Occ3D label.
        scenes_without_can_bus (list[str]): Where the status comes from poses.
        scenes_without_map (list[str]): Where directions come from the path.
        samples_without_questions (int): Samples that NuScenes-QA leaves out.
        samples_without_captions (int): Samples that OmniDrive leaves out.
        resumed_scenes (int): Scenes that an earlier, killed run had finished.
    """

    path: Path
    scenes: int
    samples: int = 0
    absent_scenes: list[str] = field(default_factory=list)
    missing_labels: int = 0
    scenes_without_can_bus: list[str] = field(default_factory=list)
    scenes_without_map: list[str] = field(default_factory=list)
    samples_without_questions: int = 0
    samples_without_captions: int = 0
    resumed_scenes: int = 0


ProgressBar = Callable[[Iterable, int, str], Iterable]


def _no_bar(items: Iterable, total: int, name: str) -> Iterable:
    return items


def text_splits(version: str, split: str) -> tuple[str, ...]:
    """The splits of NuScenes-QA and OmniDrive that frames are told of in.

    Args:
        version (str): Such as ``v1.0-mini``.
        split (str): Of that version.
    """
    if version == _MIXED_VERSION:
        return tuple(SPLITS[version])
    return (split,)


@lru_cache(maxsize=4)
def _road_map(path: Path) -> RoadMap | None:
    """The map of a location, built once per process."""
    return RoadMap.from_json(path) if path.is_file() else None


@dataclass(frozen=True)
class _Task:
    """A scene to convert, with the questions of its frames alone."""

    record: SceneRecord
    split: str
    options: ConvertOptions
    questions: dict[str, list[dict]]
    tables: str

    @property
    def label_paths(self) -> dict[str, Path]:
        """Occ3D's file of each frame that this run looks for."""
        folder = self.options.root / 'gts' / self.record.name
        frames = self.record.frames if self.options.occ3d else ()
        return {f.token: folder / f.token / 'labels.npz' for f in frames}

    @property
    def missing_labels(self) -> frozenset[str]:
        """Samples whose Occ3D file is not there."""
        return frozenset(
            token
            for token, path in self.label_paths.items()
            if not path.is_file()
        )

    @property
    def key(self) -> str:
        """Digest of all that the scene's infos depend on."""
        options, name = self.options, self.record.name
        files = [map_path(options.root, self.record.location)]
        if options.can_bus:
            files += can_bus_files(options.root, name)
        if options.omnidrive is not None:
            for frame in self.record.frames:
                for split in text_splits(options.version, self.split):
                    files += omnidrive_files(
                        options.omnidrive, split, frame.token
                    ).values()
        return digest(
            (
                self.tables,
                options.version,
                self.split,
                (options.occ3d, options.qa, options.can_bus),
                sorted(self.questions.items()),
                sorted(self.missing_labels),
                *map(stamp, files),
            )
        )


def _store(options: ConvertOptions) -> SceneStore:
    return SceneStore(options.out / _STORE.format(version=options.version))


def _convert(task: _Task) -> tuple[Path, bool]:
    """Convert one scene, or find it; its file, and whether it was found."""
    options, record = task.options, task.record
    store, key = _store(options), task.key
    found = store.find(record.name, key)
    if found:
        return found, True
    can_bus = (
        load_can_bus(options.root, record.name) if options.can_bus else None
    )
    road_map = _road_map(map_path(options.root, record.location))
    infos = convert_scene(
        SceneInputs(
            record=record,
            annotated=TEST not in SPLITS[options.version],
            can_bus=can_bus,
            road_map=road_map,
            questions=task.questions,
            captions=_captions(task),
            missing_labels=task.missing_labels,
        ),
        RuleAnnotator(),
        LabelRules(),
    )
    facts = dict(
        name=record.name,
        can_bus=can_bus is not None,
        map=road_map is not None,
    )
    return store.keep(record.name, key, facts, infos), False


def _captions(task: _Task) -> dict[str, list[dict]] | None:
    options = task.options
    if options.omnidrive is None:
        return None
    return {
        frame.token: [
            caption
            for split in text_splits(options.version, task.split)
            for caption in load_captions(options.omnidrive, split, frame.token)
        ]
        for frame in task.record.frames
    }


def _questions(options: ConvertOptions, split: str) -> dict[str, list[dict]]:
    """Questions by sample token; none unless they are asked for."""
    if not options.qa or split == TEST:
        return {}
    questions = {}
    for source in text_splits(options.version, split):
        questions |= load_questions(options.root, source)
    return questions


def _split_scenes(
    tables: NuScenesTables, options: ConvertOptions
) -> dict[str, tuple[list[dict], list[str]]]:
    """Scenes of each split that are on disk, and names of those that aren't.

    Raises:
        TableError: No scene of the tables belongs to a split, or none is on
            disk.
    """
    chosen = {}
    known = set()
    for split, name in SPLITS[options.version].items():
        names = set(getattr(nuscenes_splits, name))
        known |= names
        there, absent = [], []
        for scene in tables.scenes:
            if scene['name'] not in names:
                continue
            images = tables.first_images(scene)
            if all((options.root / image).is_file() for image in images):
                there.append(scene)
            else:
                absent.append(scene['name'])
        chosen[split] = (there, absent)
    strangers = sorted(
        scene['name'] for scene in tables.scenes if scene['name'] not in known
    )
    if strangers:
        raise TableError(
            f'{len(strangers)} scenes of {tables.folder} are in no split of '
            f'{options.version}, such as {strangers[0]}; scenes must have the '
            'names of the split lists of nuscenes-devkit'
        )
    if not any(there for there, _ in chosen.values()):
        raise TableError(
            f'no scene of {tables.folder} has its images in {options.root}; '
            'unpack the sensor files (samples/) there'
        )
    return chosen


def _check_folders(options: ConvertOptions) -> None:
    """Fail early where a part that was asked for is not there at all."""
    wanted = (
        (options.occ3d, 'gts', 'occ3d'),
        (options.can_bus, 'can_bus', 'can-bus'),
    )
    for asked, folder, part in wanted:
        if asked and not (options.root / folder).is_dir():
            raise TableError(
                f'the folder {options.root / folder} does not exist; '
                f'{SOURCES[part]}, or leave out --{part}'
            )
    if options.omnidrive is not None:
        for split in SPLITS[options.version]:
            if split != TEST:
                check_folder(options.omnidrive, split)


def convert_nuscenes(
    options: ConvertOptions, progress: ProgressBar = _no_bar
) -> list[SplitReport]:
    """Write the info files of a version.

    Args:
        options (ConvertOptions): What to convert.
        progress (Callable): Wraps the scenes of a split: (results, number of
            scenes, name of the split) to results.

    Returns:
        list[SplitReport]: One for each split of the version.

    Raises:
        TableError: Something that is needed is missing or broken.
    """
    if options.version not in SPLITS:
        raise TableError(
            f'unknown version {options.version!r}; choose one of '
            f'{", ".join(SPLITS)}'
        )
    _check_folders(options)
    tables = NuScenesTables(options.root, options.version, MAX_SWEEPS)
    tables_stamp = digest(map(stamp, tables.files))
    reports = []
    for split, (scenes, absent) in _split_scenes(tables, options).items():
        questions = _questions(options, split)
        tasks = (
            _task(
                tables.scene_record(scene),
                split,
                options,
                questions,
                tables_stamp,
            )
            for scene in scenes
        )
        results = in_order(_convert, tasks, options.workers)
        report, infos = _collect(
            progress(results, len(scenes), split),
            SplitReport(
                path=options.out / INFO_NAME.format(split=split),
                scenes=len(scenes),
                absent_scenes=absent,
            ),
            options,
        )
        ignored = {
            instance['category_name']
            for info in infos
            for instance in info['instances']
            if instance['bbox_label'] == IGNORED_LABEL
        }
        write_info_file(
            dict(
                metainfo=info_metainfo(options.version, ignored),
                data_list=infos,
            ),
            report.path,
        )
        reports.append(report)
    _store(options).clear()
    return reports


def _collect(
    results: Iterable[tuple[Path, bool]],
    report: SplitReport,
    options: ConvertOptions,
) -> tuple[SplitReport, list[dict]]:
    """Put the scenes of a split together, and count what they lack."""
    data_list: list[dict] = []
    for path, resumed in results:
        facts, infos = SceneStore.read(path)
        data_list.extend(infos)
        report.resumed_scenes += resumed
        if options.can_bus and not facts['can_bus']:
            report.scenes_without_can_bus.append(facts['name'])
        if not facts['map']:
            report.scenes_without_map.append(facts['name'])
    for index, info in enumerate(data_list):
        info['sample_idx'] = index
    report.samples = len(data_list)
    report.missing_labels = sum(not info['occ_path'] for info in data_list)
    if options.qa and TEST not in SPLITS[options.version]:
        report.samples_without_questions = sum(
            not info['qa'] for info in data_list
        )
    if options.omnidrive is not None:
        report.samples_without_captions = sum(
            not info['captions'] for info in data_list
        )
    return report, data_list


def _task(
    record: SceneRecord,
    split: str,
    options: ConvertOptions,
    questions: dict[str, list[dict]],
    tables: str,
) -> _Task:
    """A task holds only the questions of its scene."""
    chosen = {
        frame.token: questions[frame.token]
        for frame in record.frames
        if frame.token in questions
    }
    return _Task(record, split, options, chosen, tables)
