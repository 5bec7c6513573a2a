"""Info files, maps and JSON are read in one place: checked on the source.

``mmocc.infos`` alone knows the keys of info files, how frames are grouped
into scenes, how boxes are turned to the ego frame and what is in a map;
``mmocc.utils.json_files`` alone reads JSON. A file that does it by itself is
named here with its line and what to call instead.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmocc.infos.schema import info_keys

ROOT = Path(__file__).resolve().parents[1]

# Keys that other things have as well: data samples and results of pipelines
# (mmdet3d's names), predictions, result files and text.
SHARED = {
    *('token', 'scene_token', 'scene_name', 'frame_idx', 'timestamp'),
    *('ego2global', 'cam2img', 'cam2ego', 'lidar2cam', 'lidar2ego'),
    *('height', 'width', 'version', 'dataset', 'command', 'status'),
    *('categories', 'velocity', 'attribute', 'visibility', 'location'),
    *('next', 'prev', 'meta_action', 'images', 'can_bus', 'qa', 'ego'),
    *('sample_idx', 'sample_data_token', 'metainfo'),
    *('speed', 'direction', 'question', 'template_type', 'num_hop'),
}
RAW_KEYS = {
    part
    for path in info_keys()
    for part in path.split('.')
    if part != '*' and part not in SHARED
}
# Whose business keys are besides the floor's. Each with its reason.
MAY_INDEX = {
    # mmdet3d's multi-view loader reads `images.*.img_path` of a pipeline.
    'mmocc/datasets/transforms/load_surround_images.py',
    # Renames the labels of boxes for pictures.
    'mmocc/apis/frame_reader.py',
    # Reads what a user knows of the ego car; names are the same.
    'mmocc/apis/ego_state.py',
    # Mirrors what an item holds, key by key.
    'mmocc/datasets/transforms/random_mirror.py',
}
MAY_INDEX_BELOW = (
    'mmocc/infos/',
    # Write info files.
    'tools/dataset_converters/',
    # Writes nuScenes' tables, which share names with info files.
    'projects/SyntheticNuScenes/synthetic/',
)
MAY_READ_JSON = {'mmocc/utils/json_files.py'}
MAY_READ_MAPS = {'mmocc/infos/maps.py'}
MAP_TABLES = {
    *('polygon', 'exterior_node_tokens', 'polygon_token', 'node_tokens'),
    *('polygon_tokens', 'line_token'),
}
MAY_GROUP = {'mmocc/infos/scenes.py'}


def read_keys(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, key) of every ``x['key']`` and ``x.get('key')`` that is read."""
    for node in ast.walk(tree):
        key = None
        if isinstance(node, ast.Subscript):
            key = node.slice if isinstance(node.ctx, ast.Load) else None
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ('get', 'pop')
            and node.args
        ):
            key = node.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield node.lineno, key.value


def own_readers(path: str, source: str) -> list[str]:
    """What a file does by itself that one place does for all.

    Args:
        path (str): Path below the root, with forward slashes.
        source (str): Its content.

    Returns:
        list[str]: One line each.
    """
    tree = ast.parse(source)
    found = []
    for line, key in read_keys(tree):
        raw = key in RAW_KEYS and path not in MAY_INDEX
        if raw and not path.startswith(MAY_INDEX_BELOW):
            found.append(
                f'{path}:{line}: the info key {key!r}; read it by '
                'mmocc.infos.InfoFrame or Boxes'
            )
        if key in MAP_TABLES and not path.startswith(MAY_INDEX_BELOW):
            found.append(
                f'{path}:{line}: the map table {key!r}; read maps by '
                'mmocc.infos.MapTables'
            )
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in ('json.load', 'json.loads') and path not in MAY_READ_JSON:
            found.append(
                f'{path}:{node.lineno}: {name}; read JSON by '
                'mmocc.utils.json_files'
            )
        groups = name.endswith('.setdefault') and 'scene' in ast.unparse(
            node.args[0]
        )
        if groups and path not in MAY_GROUP:
            found.append(
                f'{path}:{node.lineno}: groups by scene; call '
                'mmocc.infos.group_scenes'
            )
    return found


FILES = sorted(
    file.relative_to(ROOT).as_posix()
    for folder in ('mmocc', 'projects', 'tools')
    for file in (ROOT / folder).rglob('*.py')
    if 'tests' not in file.relative_to(ROOT).parts
)


def test_the_floor_is_the_only_reader():
    found = [
        line
        for path in FILES
        for line in own_readers(path, (ROOT / path).read_text())
    ]
    assert not found, '\n'.join(found)


def test_exceptions_exist_and_are_needed():
    for path in MAY_INDEX:
        keys = {
            key for _, key in read_keys(ast.parse((ROOT / path).read_text()))
        }
        assert keys & RAW_KEYS, f'{path} needs no exception any more'


@pytest.mark.parametrize(
    'source',
    [
        "x = info['instances']",
        "x = info.get('occ_path')",
        "x = info['ego']['fut_poses'] if info else 0",
        'import json\nx = json.loads(text)',
        "nodes = tables['polygon']",
        "groups.setdefault(info['scene_token'], []).append(info)",
    ],
)
def test_an_own_reader_is_seen(source):
    assert own_readers('mmocc/apis/x.py', source)


@pytest.mark.parametrize(
    'source',
    [
        "x = dict(instances=[], occ_path='')",
        "x = sample.metainfo['scene_token']",
        "x = info | {'cot': text}",
        "frame['occ_path'] = path",
        'import json\nx = json.dumps(value)',
    ],
)
def test_other_code_passes(source):
    assert own_readers('mmocc/apis/x.py', source) == []
