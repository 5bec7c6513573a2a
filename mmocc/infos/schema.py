"""The info file: every key, its type, shape, unit, frame and writer.

An info file is a pickled dictionary of mmdet3d's info_version 1.1, with keys
of our own. Checks, messages and the table in ``docs/data.md`` come from the
text below; this is the only description of the file.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from mmocc.infos.errors import InfoFileError

INFO_VERSION = '1.1'
# mmdet3d's classes of nuScenes; labels are indices in them.
DETECTION_CLASSES = (
    'car',
    'truck',
    'trailer',
    'bus',
    'construction_vehicle',
    'bicycle',
    'motorcycle',
    'pedestrian',
    'traffic_cone',
    'barrier',
)
IGNORED_LABEL = -1  # of boxes outside of these classes
MICROSECONDS = 1e6  # nuScenes' unit of time, per second

# One entry: `key : type (shape) | unit | frame | writer`, then its meaning.
# A `*` stands for any name or index, `?` behind a type for "or None".
#
# Frames: `ego` is the canonical frame, the ego car at the LiDAR key frame, x
# forward, y left, z up, yaw anti-clockwise from x; `lidar` has x to the right
# and y forward; `camera` has x right, y down, z forward; `global` is the map.
# `a2b` leads from a to b. Steps of time are 0.5 s.
#
# Writers: `mmdet3d` wrote the key first, and tools/create_data.py does too;
# `create_data` alone writes the others; `--qa`, `--omnidrive` and the like
# are its options.
SCHEMA_TEXT = """
metainfo.categories : dict | - | - | mmdet3d
    Class name to label; labels of boxes are -1 for ignored classes.
metainfo.dataset : str | - | - | mmdet3d
    `nuscenes`, or `own` for own cameras.
metainfo.version : str | - | - | mmdet3d
    Folder of the nuScenes tables, such as `v1.0-trainval`.
metainfo.info_version : str | - | - | mmdet3d
    `1.1`; files of another version are refused.

sample_idx : int | - | - | mmdet3d
    Place in `data_list`.
token : str | - | - | mmdet3d
    nuScenes' sample token; unique.
timestamp : float | s | - | mmdet3d
    Time of the LiDAR key frame.
ego2global : array (4, 4) | m | ego to global | mmdet3d
    Pose of the car at the LiDAR key frame.
images : dict | - | - | mmdet3d
    One entry per camera, by its name.
images.*.img_path : str | - | - | mmdet3d
    File name in the camera's folder; a path below the root for own cameras.
images.*.cam2img : array (3, 3) | px | camera to image | mmdet3d
    Pinhole intrinsics of the image as it is stored.
images.*.cam2ego : array (4, 4) | m | camera to ego | mmdet3d
    Mounting pose.
images.*.lidar2cam : array (4, 4) | m | lidar to camera | mmdet3d
    From the LiDAR at the key frame to the camera at its own exposure.
images.*.timestamp : float | s | - | mmdet3d
    Time of the exposure.
images.*.sample_data_token : str | - | - | mmdet3d
    nuScenes' token of the image.
images.*.ego2global : array (4, 4) | m | ego to global | create_data
    Pose of the car at the exposure.
images.*.height : int | px | - | create_data
    Height in the tables.
images.*.width : int | px | - | create_data
    Width in the tables.
lidar_points.lidar_path : str | - | - | mmdet3d
    File name in `samples/LIDAR_TOP`; '' without a LiDAR.
lidar_points.lidar2ego : array (4, 4) | m | lidar to ego | mmdet3d
    Mounting pose; the identity without a LiDAR.
lidar_points.num_pts_feats : int | - | - | mmdet3d
    Numbers per LiDAR point.
lidar_sweeps : list | - | lidar | mmdet3d
    Sweeps before the key frame; no model here reads them.
pts_semantic_mask_path : str | - | - | mmdet3d
    File name of nuScenes-lidarseg labels, where they exist.
cam_instances : dict | px | image | mmdet3d
    Boxes in each image; no model here reads them.
instances : list | - | - | mmdet3d
    3D boxes; empty for the test split and own cameras.
instances.*.bbox_3d : array (7,) | m, rad | lidar | mmdet3d
    x, y, z of the centre, length, width, height, yaw.
instances.*.bbox_label : int | - | - | mmdet3d
    Label out of `metainfo.categories`.
instances.*.bbox_label_3d : int | - | - | mmdet3d
    The same label.
instances.*.bbox_3d_isvalid : bool | - | - | mmdet3d
    Whether any LiDAR or radar point lies in the box.
instances.*.velocity : array (2,) | m/s | lidar | mmdet3d
    NaN where unknown.
instances.*.num_lidar_pts : int | - | - | mmdet3d
    LiDAR points in the box.
instances.*.num_radar_pts : int | - | - | mmdet3d
    Radar points in the box.
instances.*.instance_token : str | - | - | create_data
    The same object in all frames of a scene.
instances.*.category_name : str | - | - | create_data
    nuScenes' category, such as `vehicle.car`.
instances.*.attribute : str | - | - | create_data
    nuScenes' attribute, such as `vehicle.parked`; '' without one.
instances.*.visibility : str | - | - | create_data
    nuScenes' visibility token, `1` (up to 40 %) to `4`; '' without one.
instances.*.fut_box : array (6, 3) | m, rad | ego | create_data
    x, y, yaw at 0.5 to 3.0 s, in the ego frame of this key frame.
instances.*.fut_mask : array (6,) | - | - | create_data
    True where `fut_box` is known.

scene_token : str | - | - | create_data
    The scene; frames are grouped by it.
scene_name : str | - | - | create_data
    Such as `scene-0061`.
frame_idx : int | - | - | create_data
    Place in the scene, from 0.
prev : str | - | - | create_data
    Token of the key frame before; '' at the start of a scene.
next : str | - | - | create_data
    Token of the key frame after; '' at the end of a scene.
location : str | - | - | create_data
    Name of the map, such as `boston-seaport`.
occ_path : str | - | - | --occ3d
    Occ3D's labels.npz below the root; '' without a label.
ego.his_poses : array (4, 3) | m, rad | ego | create_data
    x, y, yaw at -2.0 to -0.5 s, oldest first; 0 where unknown.
ego.his_mask : array (4,) | - | - | create_data
    True where `his_poses` is known.
ego.fut_poses : array (6, 3) | m, rad | ego | create_data
    x, y, yaw at 0.5 to 3.0 s; 0 where unknown. Ground truth.
ego.fut_mask : array (6,) | - | - | create_data
    True where `fut_poses` is known.
ego.status : dict | m, s, rad | ego | create_data
    `speed`, `vx`, `vy`, `ax`, `ay`, `yaw_rate`, `steer`; NaN where unknown.
ego.command : int | - | - | create_data
    Driving command, -1 for none: published ones come from the future.
can_bus : array (18,) | m, s, rad | global, ego | create_data
    Position, quaternion w x y z, acceleration, rotation rate, velocity,
    heading in radians and in degrees, as BEVFormer reads them.
meta_action : dict? | - | - | create_data
    `speed`, `direction`, `source`, `confidence` of the next 3 s; None where
    the recording ends too early.
his_meta_actions : list | - | - | create_data
    `speed` and `direction` of up to three past seconds, oldest first, from
    poses up to this frame only.
his_meta_actions.*.speed : str | - | - | create_data
    Out of `SPEEDS`.
his_meta_actions.*.direction : str | - | - | create_data
    Out of `DIRECTIONS`.
cot : str | - | - | create_data, annotate
    Chain of thought that ends in the meta-action; '' without one.
qa : list | - | - | --qa
    NuScenes-QA: `question`, `answer`, `template_type`, `num_hop`.
qa.*.question : str | - | - | --qa
    Never empty.
qa.*.template_type : str | - | - | --qa
    `exist`, `count`, `object`, `status` or `comparison`.
qa.*.num_hop : int | - | - | --qa
    0 or 1.
captions : list | - | - | --omnidrive
    OmniDrive: `question`, `answer`, `template_type`.
captions.*.question : str | - | - | --omnidrive
    Never empty.
captions.*.template_type : str | - | - | --omnidrive
    `desc`, `conv`, `vqa` or `keywords`.
"""

# What every entry of a dict or list has.
_ALWAYS = {
    'images': ('img_path',),
    'his_meta_actions': ('speed', 'direction'),
    'qa': ('question',),
    'captions': ('question',),
}
_KINDS: dict[str, type | tuple[type, ...]] = {
    'str': str,
    'int': (int, np.integer),
    'float': (float, int, np.floating, np.integer),
    'bool': (bool, np.bool_),
    'dict': Mapping,
    'list': (list, tuple),
    'array': (np.ndarray, list, tuple),
}
_ENTRY = re.compile(
    r'^(?P<path>\S+) : (?P<kind>\w+)(?P<none>\??)(?: \((?P<shape>.*?)\))?'
    r' \| (?P<unit>.+?) \| (?P<frame>.+?) \| (?P<writer>.+)$'
)


class InfoKey(NamedTuple):
    """One key of the info file.

    Attributes:
        path (str): Dotted; ``*`` is any name or index.
        kind (str): ``str``, ``int``, ``float``, ``bool``, ``dict``, ``list``
            or ``array``.
        or_none (bool): Whether None is allowed.
        shape (tuple[int], optional): Shape of an array.
        unit (str): ``-`` without one.
        frame (str): Coordinate frame, ``-`` without one.
        writer (str): Who writes the key.
        meaning (str): What it holds.
    """

    path: str
    kind: str
    or_none: bool
    shape: tuple[int, ...] | None
    unit: str
    frame: str
    writer: str
    meaning: str

    @property
    def expected(self) -> str:
        """The type and shape in words, such as ``array (4, 3)``."""
        shape = f' {self.shape}' if self.shape else ''
        return f'{self.kind}{shape}{" or None" if self.or_none else ""}'

    def accepts(self, value: Any) -> bool:
        """Whether a value has the type and the shape."""
        if value is None:
            return self.or_none
        if not isinstance(value, _KINDS[self.kind]):
            return False
        if self.shape is None:
            return True
        return shape_of(value) == self.shape and holds_numbers(value)


def shape_of(value: Any) -> tuple[int, ...] | None:
    """Return the shape of an array or of nested lists, None if ragged."""
    try:
        return np.shape(value)
    except ValueError:
        return None


def holds_numbers(value: Any) -> bool:
    """Whether an array, or nested lists of one shape, holds numbers alone."""
    return np.asarray(value).dtype.kind in 'biuf'


@cache
def info_keys() -> dict[str, InfoKey]:
    """Return all keys of the schema by their dotted paths."""
    keys: dict[str, InfoKey] = {}
    for line in SCHEMA_TEXT.splitlines():
        entry = _ENTRY.match(line)
        if entry:
            shape = entry['shape']
            key = InfoKey(
                entry['path'],
                entry['kind'],
                bool(entry['none']),
                shape and tuple(int(n) for n in re.findall(r'\d+', shape)),
                entry['unit'],
                entry['frame'],
                entry['writer'],
                '',
            )
            keys[key.path] = key
        elif line.strip():
            meaning = f'{key.meaning} {line.strip()}'.strip()
            key = keys[key.path] = key._replace(meaning=meaning)
    return keys


def build_metainfo(
    version: str, ignored: Iterable[str] = (), dataset: str = 'nuscenes'
) -> dict:
    """Build the ``metainfo`` of an info file.

    Args:
        version (str): Version of the data set, such as ``v1.0-mini``.
        ignored (Iterable[str]): Categories outside of the detection classes.
            Defaults to none.
        dataset (str): Name of the data set. Defaults to ``nuscenes``.
    """
    categories = {name: label for label, name in enumerate(DETECTION_CLASSES)}
    categories.update(dict.fromkeys(sorted(ignored), IGNORED_LABEL))
    return dict(
        categories=categories,
        dataset=dataset,
        version=version,
        info_version=INFO_VERSION,
    )


def class_names(metainfo: Mapping) -> dict[int, str]:
    """Return the detection classes of an info file by their labels.

    Args:
        metainfo (Mapping): The file's ``metainfo``; ignored categories, which
            have the label -1, are left out.
    """
    return {
        label: name
        for name, label in metainfo.get('categories', {}).items()
        if label >= 0
    }


def check_version(metainfo: Mapping, path: str) -> None:
    """Refuse an info file of another version than mmdet3d's 1.1.

    Args:
        metainfo (Mapping): The file's ``metainfo``. Without
            ``info_version``, as in hand-made files, it counts as 1.1.
        path (str): The file, for the message.

    Raises:
        InfoFileError: The version is another one.
    """
    got = metainfo.get('info_version', INFO_VERSION)
    if got != INFO_VERSION:
        raise InfoFileError(
            f'the info file {path} has metainfo.info_version {got!r}, '
            f'expected {INFO_VERSION!r}; make it again with '
            'tools/create_data.py, or from the old file with '
            '`tools/create_data.py convert`'
        )


def check_frame(info: Any, where: str) -> None:
    """Check the types and shapes of a frame's keys that are there.

    Of views, boxes and questions only their kind is checked, since they are
    many; ``check_details`` looks into them.

    Args:
        info (Any): An entry of ``data_list``.
        where (str): The entry and its file, for messages.

    Raises:
        InfoFileError: A key has another type or shape.
    """
    if not isinstance(info, Mapping):
        raise InfoFileError(
            f'{where} is a {type(info).__name__}, expected a dict of keys; '
            'make the file with tools/create_data.py'
        )
    for name, key, inner in _frame_plan():
        if name in info:
            _check_value(info[name], key, where, name)
            for part, part_key in inner if info[name] is not None else ():
                if part in info[name]:
                    _check_value(info[name][part], part_key, where, name, part)
    for name in _detail_plan():
        for place, entry in _entries(info, name):
            if not isinstance(entry, Mapping):
                label = f'{name}.{place}'
                raise InfoFileError(
                    f'{where}: the key {label!r} is a '
                    f'{type(entry).__name__}, expected a dict; make the file '
                    'with tools/create_data.py'
                )


def check_details(info: Mapping[str, Any], where: str) -> None:
    """Check the keys of a frame's views, boxes, questions and actions.

    Args:
        info (Mapping): An entry of ``data_list`` that ``check_frame`` has
            passed.
        where (str): The entry and its file, for messages.

    Raises:
        InfoFileError: A key has another type or shape, or one is missing that
            every such entry has.
    """
    for name, keys in _detail_plan().items():
        for place, entry in _entries(info, name):
            for part, key in keys:
                if part in entry:
                    _check_value(entry[part], key, where, name, place, part)
                elif part in _ALWAYS.get(name, ()):
                    raise InfoFileError(
                        f'{where}: there is no key {name}.{place}.{part} '
                        f'({key.expected}); make the file with '
                        'tools/create_data.py'
                    )


def _entries(info: Mapping[str, Any], name: str) -> Iterable[tuple[Any, Any]]:
    """Return key or index, and content, of each entry of a dict or list."""
    entries = info.get(name) or ()
    return (
        entries.items() if isinstance(entries, Mapping) else enumerate(entries)
    )


@cache
def _detail_plan() -> dict[str, list[tuple[str, InfoKey]]]:
    """Keys of entries, by the key that holds the entries."""
    plan: dict[str, list[tuple[str, InfoKey]]] = {}
    for path, key in info_keys().items():
        name, star, part = path.partition('.*.')
        if star:
            plan.setdefault(name, []).append((part, key))
    return plan


@cache
def _frame_plan() -> tuple[tuple[str, InfoKey, tuple], ...]:
    """(key, its entry, keys inside) for all keys outside of ``metainfo``."""
    keys = info_keys()
    names = dict.fromkeys(
        path.split('.')[0] for path in keys if not path.startswith('metainfo')
    )
    holder = InfoKey('', 'dict', False, None, '-', '-', '', '')
    return tuple(
        (
            name,
            keys.get(name, holder),
            tuple(
                (path.split('.')[1], key)
                for path, key in keys.items()
                if path.startswith(f'{name}.') and '*' not in path
            ),
        )
        for name in names
    )


def _check_value(value: Any, key: InfoKey, where: str, *place: Any) -> None:
    """Refuse a value that its key does not take; ``place`` is its path."""
    if not key.accepts(value):
        path = '.'.join(map(str, place))
        shape = f' of shape {shape_of(value)}' if key.shape else ''
        if key.shape and shape_of(value) == key.shape:
            shape = ' of values that are no numbers'
        raise InfoFileError(
            f'{where}: the key {path!r} is a {type(value).__name__}{shape}, '
            f'expected {key.expected}; make the file with '
            'tools/create_data.py'
        )


def iter_markdown() -> Iterator[str]:
    """Yield the rows of the table of keys in ``docs/data.md``."""
    yield '| key | type | unit | frame | written by | content |'
    yield '| --- | --- | --- | --- | --- | --- |'
    for key in info_keys().values():
        cells = (
            f'`{key.path}`',
            key.expected,
            key.unit,
            key.frame,
            key.writer,
            key.meaning,
        )
        yield f'| {" | ".join(cells)} |'
