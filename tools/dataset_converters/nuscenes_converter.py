"""Convert nuScenes tables to info files: mmdet3d 1.1 plus our own keys.

Tables are read once and cut into scenes; scenes are converted in parallel;
each file is written whole or not at all. Equal input gives equal bytes,
whatever the number of workers.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from nuscenes.utils import splits as nuscenes_splits

from dataset_converters.can_bus import load_can_bus
from dataset_converters.mmdet3d_fields import IGNORED_LABEL, info_metainfo
from dataset_converters.nuscenes_qa import load_questions
from dataset_converters.nuscenes_scene import SceneInputs, convert_scene
from dataset_converters.nuscenes_tables import (
    NuScenesTables,
    SceneRecord,
    TableError,
)
from dataset_converters.plain_pickle import write_info_file
from mmocc.annotation import LabelRules, RoadMap, RuleAnnotator

INFO_NAME = 'nuscenes_infos_occ_{split}.pkl'
_TEST = 'test'
# The devkit's name of each split of each version.
SPLITS = {
    'v1.0-mini': {'train': 'mini_train', 'val': 'mini_val'},
    'v1.0-trainval': {'train': 'train', 'val': 'val'},
    'v1.0-test': {_TEST: 'test'},
}
MAX_SWEEPS = 10
# Scenes that wait for each worker; bounds the memory of the queue.
_QUEUED = 2
_OCC3D_SOURCE = (
    'get gts.tar.gz of Occ3D-nuScenes from '
    'https://tsinghua-mars-lab.github.io/Occ3D/ and unpack it in the data '
    'root, or leave out --occ3d'
)
_CAN_SOURCE = (
    'get the CAN bus expansion from https://www.nuscenes.org/nuscenes and '
    'unpack it in the data root, or leave out --can-bus'
)


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
        workers (int): Processes.
    """

    root: Path
    version: str
    out: Path
    occ3d: bool = False
    qa: bool = False
    can_bus: bool = False
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
    """

    path: Path
    scenes: int
    samples: int
    absent_scenes: list[str]
    missing_labels: int
    scenes_without_can_bus: list[str]
    scenes_without_map: list[str]
    samples_without_questions: int


ProgressBar = Callable[[Iterable, int, str], Iterable]


def _no_bar(items: Iterable, total: int, name: str) -> Iterable:
    return items


@lru_cache(maxsize=4)
def _road_map(path: Path) -> RoadMap | None:
    """The map of a location, built once per process."""
    return RoadMap.from_json(path) if path.is_file() else None


def _map_path(root: Path, location: str) -> Path:
    return Path(root) / 'maps' / 'expansion' / f'{location}.json'


@dataclass(frozen=True)
class _Task:
    record: SceneRecord
    options: ConvertOptions
    questions: dict[str, list[dict]]


def _convert(task: _Task) -> tuple[list[dict], bool, bool]:
    """Convert one scene; also: has a CAN bus, has a map."""
    options, record = task.options, task.record
    can_bus = (
        load_can_bus(options.root, record.name) if options.can_bus else None
    )
    road_map = _road_map(_map_path(options.root, record.location))
    labels = options.root / 'gts' / record.name
    missing = {
        frame.token
        for frame in record.frames
        if options.occ3d
        and not (labels / frame.token / 'labels.npz').is_file()
    }
    infos = convert_scene(
        SceneInputs(
            record=record,
            annotated=_TEST not in SPLITS[options.version],
            can_bus=can_bus,
            road_map=road_map,
            questions=task.questions,
            missing_labels=frozenset(missing),
        ),
        RuleAnnotator(),
        LabelRules(),
    )
    return infos, can_bus is not None, road_map is not None


def _in_order(
    tasks: Iterator[_Task], workers: int
) -> Iterator[tuple[list[dict], bool, bool]]:
    """Run tasks on several processes, few at a time, results in order."""
    if workers <= 1:
        yield from map(_convert, tasks)
        return
    with ProcessPoolExecutor(workers) as pool:
        running = [
            pool.submit(_convert, task)
            for task in islice(tasks, workers * _QUEUED)
        ]
        while running:
            yield running.pop(0).result()
            running.extend(
                pool.submit(_convert, task) for task in islice(tasks, 1)
            )


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
        (options.occ3d, 'gts', _OCC3D_SOURCE),
        (options.can_bus, 'can_bus', _CAN_SOURCE),
    )
    for asked, folder, source in wanted:
        if asked and not (options.root / folder).is_dir():
            raise TableError(
                f'the folder {options.root / folder} does not exist; {source}'
            )


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
    reports = []
    for split, (scenes, absent) in _split_scenes(tables, options).items():
        questions = (
            load_questions(options.root, split)
            if options.qa and split != _TEST
            else {}
        )
        tasks = (
            _task(tables.scene_record(scene), options, questions)
            for scene in scenes
        )
        data_list, no_can_bus, no_map = [], [], []
        results = _in_order(tasks, options.workers)
        for infos, has_can_bus, has_map in progress(
            results, len(scenes), split
        ):
            data_list.extend(infos)
            if options.can_bus and not has_can_bus:
                no_can_bus.append(infos[0]['scene_name'])
            if not has_map:
                no_map.append(infos[0]['scene_name'])
        for index, info in enumerate(data_list):
            info['sample_idx'] = index
        ignored = {
            instance['category_name']
            for info in data_list
            for instance in info['instances']
            if instance['bbox_label'] == IGNORED_LABEL
        }
        path = options.out / INFO_NAME.format(split=split)
        write_info_file(
            dict(
                metainfo=info_metainfo(options.version, ignored),
                data_list=data_list,
            ),
            path,
        )
        reports.append(
            SplitReport(
                path=path,
                scenes=len(scenes),
                samples=len(data_list),
                absent_scenes=absent,
                missing_labels=sum(not i['occ_path'] for i in data_list),
                scenes_without_can_bus=no_can_bus,
                scenes_without_map=no_map,
                samples_without_questions=(
                    sum(not i['qa'] for i in data_list) if questions else 0
                ),
            )
        )
    return reports


def _task(
    record: SceneRecord,
    options: ConvertOptions,
    questions: dict[str, list[dict]],
) -> _Task:
    """A task holds only the questions of its scene."""
    return _Task(
        record,
        options,
        {
            frame.token: questions[frame.token]
            for frame in record.frames
            if frame.token in questions
        },
    )
