"""The schema describes what the converter writes, and refuses the rest."""

import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from mmocc_testing import make_occ_info, wrap_infos

from mmocc.infos import InfoFileError, class_names, load_info_file
from mmocc.infos.schema import check_frame, info_keys, iter_markdown

ROOT = Path(__file__).resolve().parents[3]


def paths_of(value, prefix=''):
    """The dotted paths of all keys inside a frame, with * for many."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = {'*': value[0]}
    if not isinstance(value, dict):
        return {prefix: value}
    if prefix == 'images':
        value = {'*': next(iter(value.values()))}
    found = {}
    for key, inner in value.items():
        path = f'{prefix}.{key}'.strip('.')
        found |= {path: inner} if path in info_keys() else {}
        found |= paths_of(inner, path)
    return found


def test_every_entry_is_complete():
    keys = info_keys()
    assert len(keys) > 50
    for path, key in keys.items():
        assert key.meaning.endswith('.'), path
        assert key.unit and key.frame and key.writer, path


def test_keys_that_the_tests_frame_has_fit_the_schema():
    info = make_occ_info()
    check_frame(info, 'frame')
    for path, value in paths_of(info).items():
        known = next(
            (
                key
                for name, key in info_keys().items()
                if path == name or path.startswith(f'{name}.')
            ),
            None,
        )
        assert known is not None, f'{path} is not in the schema'
        if path == known.path:
            assert known.accepts(value), (path, value)


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('token', 7, "'token' is a int, expected str"),
        ('images', [], "'images' is a list, expected dict"),
        ('ego2global', np.eye(3), r'shape \(3, 3\), expected array \(4, 4\)'),
        ('ego2global', [[1, 2], [3]], r'shape None, expected array \(4, 4\)'),
        ('frame_idx', '3', "'frame_idx' is a str, expected int"),
        ('meta_action', 'Stop', "'meta_action' is a str, expected dict or"),
        ('ego', dict(fut_poses=np.zeros((5, 3))), r"'ego.fut_poses'.*\(5, 3"),
        ('ego', None, "'ego' is a NoneType, expected dict"),
        ('lidar_points', dict(lidar_path=None), "'lidar_points.lidar_path'"),
    ],
)
def test_wrong_type_is_named_with_file_and_frame(
    key, value, message, tmp_path
):
    info = make_occ_info()
    info[key] = value
    path = tmp_path / 'infos.pkl'
    path.write_bytes(pickle.dumps(wrap_infos([make_occ_info(), info])))
    with pytest.raises(InfoFileError, match=message) as caught:
        load_info_file(path)
    assert f'frame 1 of the info file {path}' in str(caught.value)
    assert 'create_data.py' in str(caught.value)


def test_no_label_and_unknown_keys_pass():
    check_frame(make_occ_info() | dict(meta_action=None, mine=object()), 'x')


def test_version_of_another_release_is_refused(tmp_path):
    content = wrap_infos([make_occ_info()])
    content['metainfo']['info_version'] = '2.0'
    path = tmp_path / 'infos.pkl'
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(
        InfoFileError,
        match=r"metainfo.info_version '2\.0', expected '1\.1'; make it again",
    ):
        load_info_file(path)


def test_class_names_leave_ignored_categories_out():
    metainfo = dict(categories=dict(car=0, bus=3, animal=-1))
    assert class_names(metainfo) == {0: 'car', 3: 'bus'}


def test_page_shows_the_schema():
    page = (ROOT / 'docs/data.md').read_text(encoding='utf-8')
    table = '\n'.join(iter_markdown())
    assert table in page, (
        f'docs/data.md must hold this table of mmocc/infos/schema.py:\n{table}'
    )


def test_converters_write_no_key_that_the_schema_lacks():
    """Keyword arguments and literals of the writers are in the schema."""
    known = {part for path in info_keys() for part in path.split('.')}
    text = (ROOT / 'tools/dataset_converters/nuscenes_scene.py').read_text()
    body = text[text.index('info.update(') :]
    written = set(re.findall(r'^\s{12}(\w+)=', body, re.MULTILINE))
    assert written and written <= known
