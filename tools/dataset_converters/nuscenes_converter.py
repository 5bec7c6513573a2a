"""Convert nuScenes tables to info files: mmdet3d 1.1 plus our own keys.

Tables are read once and cut into scenes; scenes are converted in parallel and
kept one by one, so that a killed run goes on where it was; each file is
written whole or not at all. Equal input gives equal bytes, whatever the
number of workers or of interruptions.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from nuscenes.utils import splits as nuscenes_splits
from tqdm import tqdm

from dataset_converters.can_bus import can_bus_files, load_can_bus
from dataset_converters.data_parts import DOWNLOADS, SPLITS, TEST
from dataset_converters.in_order import in_order
from dataset_converters.nuscenes_scene import SceneInputs, convert_scene
from dataset_converters.nuscenes_tables import (
    NuScenesScene,
    NuScenesTables,
    TableError,
    check_times,
)
from dataset_converters.nuscenes_text import (
    check_omnidrive_folder,
    load_captions,
    load_questions,
    omnidrive_files,
    text_splits,
)
from dataset_converters.occ_labels import label_elsewhere, scene_labels
from dataset_converters.scene_store import SceneStore, digest, stamp
from mmocc.annotation import RoadMap
from mmocc.infos import (
    IGNORED_LABEL,
    build_metainfo,
    map_path,
    write_info_file,
)

INFO_NAME = 'nuscenes_infos_occ_{split}.pkl'
MAX_SWEEPS = 10
# Scenes of a run that is not finished, beside the info files.
_STORE = '.{version}_scenes.unfinished'


@dataclass(frozen=True)
class ConvertOptions:
    """Options of a conversion.

    Attributes:
        root (Path): Data root.
        version (str): ``v1.0-mini``, ``v1.0-trainval`` or ``v1.0-test``.
        out (Path): Folder of the info files.
        occ3d (bool): Whether to check each Occ3D label and to list only
            those that exist.
        qa (bool): Whether to join NuScenes-QA.
        can_bus (bool): Whether to take the ego status from the CAN bus.
        omnidrive (Path): Folder of OmniDrive's text to join, or None.
        workers (int): Processes.
        progress (bool): Whether to show progress bars.
    """

    root: Path
    version: str
    out: Path
    occ3d: bool = False
    qa: bool = False
    can_bus: bool = False
    omnidrive: Path | None = None
    workers: int = 1
    progress: bool = False


@dataclass
class SplitReport:
    """Counts of a converted split.

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

    def __str__(self) -> str:
        """Return a paragraph: the counts, and a line for each gap."""
        lines = [
            f'{self.path}: {self.samples} samples of {self.scenes} scenes'
        ]
        for gap, scenes in (
            ('skipped, images not on disk', self.absent_scenes),
            (
                'without CAN bus, ego status from poses',
                self.scenes_without_can_bus,
            ),
            (
                'without map (maps/expansion), directions from the path alone',
                self.scenes_without_map,
            ),
        ):
            if scenes:
                lines.append(
                    f'  {gap}: {len(scenes)} scenes, such as {scenes[0]}'
                )
        for gap, samples in (
            ('Occ3D label', self.missing_labels),
            ('questions', self.samples_without_questions),
            ('text of OmniDrive', self.samples_without_captions),
        ):
            if samples:
                lines.append(f'  without {gap}: {samples} samples')
        if self.resumed_scenes:
            lines.append(
                f'  {self.resumed_scenes} scenes were finished by a run before'
            )
        return '\n'.join(lines)


def convert_nuscenes(options: ConvertOptions) -> list[SplitReport]:
    """Write the info files of a version of nuScenes.

    Returns:
        list[SplitReport]: One for each split of the version.

    Raises:
        TableError: Something that is needed is missing or damaged.
    """
    if options.version not in SPLITS:
        raise TableError(
            f'unknown version {options.version!r}; choose one of '
            f'{", ".join(SPLITS)}'
        )
    _check_folders(options)
    tables = NuScenesTables(options.root, options.version, MAX_SWEEPS)
    tables_digest = digest(map(stamp, tables.files))
    reports = []
    splits = _split_scenes(tables, options)
    if options.occ3d:
        _check_labels(options.root, splits)
    for split, (scenes, absent) in splits.items():
        questions = _questions(options, split)
        tasks = (
            _SceneTask(
                scene=scene,
                split=split,
                options=options,
                # Of this scene alone: tasks are sent to other processes.
                questions={
                    frame.token: questions[frame.token]
                    for frame in scene.frames
                    if frame.token in questions
                },
                tables=tables_digest,
            )
            for scene in map(tables.read_scene, scenes)
        )
        results = tqdm(
            in_order(_convert, tasks, options.workers),
            total=len(scenes),
            desc=split,
            unit='scene',
            disable=not options.progress,
        )
        report = SplitReport(
            path=options.out / INFO_NAME.format(split=split),
            scenes=len(scenes),
            absent_scenes=absent,
        )
        infos = _collect(results, report, options)
        ignored = {
            instance['category_name']
            for info in infos
            for instance in info['instances']
            if instance['bbox_label'] == IGNORED_LABEL
        }
        metainfo = build_metainfo(options.version, ignored)
        write_info_file(dict(metainfo=metainfo, data_list=infos), report.path)
        reports.append(report)
    _store(options).clear()
    return reports


def split_by_scene(version: str) -> dict[str, str]:
    """Return the split of each scene name of a version of nuScenes."""
    return {
        name: split
        for split, official in SPLITS[version].items()
        for name in getattr(nuscenes_splits, official)
    }


@lru_cache(maxsize=4)
def _road_map(path: Path) -> RoadMap | None:
    """Build the map of a location once per process."""
    return RoadMap.from_json(path) if path.is_file() else None


@dataclass(frozen=True)
class _SceneTask:
    """A scene to convert.

    Attributes:
        scene (NuScenesScene): Rows of the tables.
        split (str): Split of the version.
        options (ConvertOptions): What to convert.
        questions (dict): NuScenes-QA questions of its frames alone.
        tables (str): Digest of the tables.
    """

    scene: NuScenesScene
    split: str
    options: ConvertOptions
    questions: dict[str, list[dict]]
    tables: str

    @property
    def missing_labels(self) -> frozenset[str]:
        """Samples whose Occ3D label is looked for and does not exist."""
        if not self.options.occ3d:
            return frozenset()
        there = scene_labels(self.options.root, self.scene.name)
        return frozenset(
            frame.token
            for frame in self.scene.frames
            if frame.token not in there
        )

    @property
    def key(self) -> str:
        """Digest of everything that the scene's infos depend on."""
        options = self.options
        files = [map_path(options.root, self.scene.location)]
        if options.can_bus:
            files += can_bus_files(options.root, self.scene.name)
        if options.omnidrive is not None:
            for frame in self.scene.frames:
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

    @property
    def captions(self) -> dict[str, list[dict]] | None:
        """Texts of OmniDrive by sample token, None unless asked for."""
        options = self.options
        if options.omnidrive is None:
            return None
        return {
            frame.token: [
                caption
                for split in text_splits(options.version, self.split)
                for caption in load_captions(
                    options.omnidrive, split, frame.token
                )
            ]
            for frame in self.scene.frames
        }


def _store(options: ConvertOptions) -> SceneStore:
    return SceneStore(options.out / _STORE.format(version=options.version))


def _convert(task: _SceneTask) -> tuple[Path, bool]:
    """Convert one scene, or find it.

    Returns:
        tuple: Its file, and whether an earlier run had written it.
    """
    options, scene = task.options, task.scene
    check_times(scene)
    store, key = _store(options), task.key
    found = store.find(scene.name, key)
    if found:
        return found, True
    can_bus = (
        load_can_bus(options.root, scene.name) if options.can_bus else None
    )
    road_map = _road_map(map_path(options.root, scene.location))
    infos = convert_scene(
        SceneInputs(
            scene=scene,
            annotated=TEST not in SPLITS[options.version],
            can_bus=can_bus,
            road_map=road_map,
            questions=task.questions,
            captions=task.captions,
            missing_labels=task.missing_labels,
        )
    )
    facts = dict(
        name=scene.name,
        can_bus=can_bus is not None,
        map=road_map is not None,
    )
    return store.keep(scene.name, key, facts, infos), False


def _questions(options: ConvertOptions, split: str) -> dict[str, list[dict]]:
    """Read the questions of a split; none unless they are asked for."""
    questions = {}
    if options.qa and split != TEST:
        for source in text_splits(options.version, split):
            questions |= load_questions(options.root, source)
    return questions


def _split_scenes(
    tables: NuScenesTables, options: ConvertOptions
) -> dict[str, tuple[list[dict], list[str]]]:
    """Return for each split its scenes on disk and the names of the others.

    Raises:
        TableError: A scene is in no split, or none is on disk.
    """
    split_of = split_by_scene(options.version)
    strangers = sorted(
        {scene['name'] for scene in tables.scenes} - split_of.keys()
    )
    if strangers:
        raise TableError(
            f'{len(strangers)} scenes of {tables.folder} are in no split of '
            f'{options.version}, such as {strangers[0]}; scenes must have the '
            'names of the split lists of nuscenes-devkit'
        )
    chosen = {split: ([], []) for split in SPLITS[options.version]}
    for scene in tables.scenes:
        there, absent = chosen[split_of[scene['name']]]
        images = tables.first_images(scene)
        if all((options.root / image).is_file() for image in images):
            there.append(scene)
        else:
            absent.append(scene['name'])
    if not any(there for there, _ in chosen.values()):
        raise TableError(
            f'no scene of {tables.folder} has its images in {options.root}; '
            'unpack the sensor files (samples/) there'
        )
    return chosen


def _check_folders(options: ConvertOptions) -> None:
    """Fail early where a part that was asked for does not exist at all."""
    for asked, folder, part in (
        (options.occ3d, 'gts', 'occ3d'),
        (options.can_bus, 'can_bus', 'can-bus'),
    ):
        if asked and not (options.root / folder).is_dir():
            raise TableError(
                f'the folder {options.root / folder} does not exist; '
                f'{DOWNLOADS[part]}, or leave out --{part}'
            )
    if options.omnidrive is not None:
        for split in SPLITS[options.version]:
            if split != TEST:
                check_omnidrive_folder(options.omnidrive, split)


def _check_labels(
    root: Path, splits: dict[str, tuple[list[dict], list[str]]]
) -> None:
    """Fail early where no scene on disk has any Occ3D label."""
    names = [row['name'] for scenes, _ in splits.values() for row in scenes]
    if not any(scene_labels(root, name) for name in names):
        raise TableError(
            f'{label_elsewhere(root)}; {DOWNLOADS["occ3d"]}, or leave out '
            '--occ3d'
        )


def _collect(
    results: Iterable[tuple[Path, bool]],
    report: SplitReport,
    options: ConvertOptions,
) -> list[dict]:
    """Join the scenes of a split, and count in the report what they lack."""
    infos: list[dict] = []
    for path, resumed in results:
        facts, scene_infos = SceneStore.read(path)
        infos.extend(scene_infos)
        report.resumed_scenes += resumed
        if options.can_bus and not facts['can_bus']:
            report.scenes_without_can_bus.append(facts['name'])
        if not facts['map']:
            report.scenes_without_map.append(facts['name'])
    for index, info in enumerate(infos):
        info['sample_idx'] = index
    report.samples = len(infos)
    report.missing_labels = sum(not info['occ_path'] for info in infos)
    if options.qa and TEST not in SPLITS[options.version]:
        report.samples_without_questions = sum(not i['qa'] for i in infos)
    if options.omnidrive is not None:
        report.samples_without_captions = sum(not i['captions'] for i in infos)
    return infos
