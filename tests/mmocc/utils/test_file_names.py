import ast
import hashlib
from pathlib import Path

import pytest

from mmocc.utils.file_names import make_file_name

ROOT = Path(__file__).resolve().parents[3]
HOSTILE = (
    *('../../up', '/etc/passwd', 'a/b', 'a\\b', 'a\0b', '..', '.', ''),
    *('CON', 'nul.x', 'x' * 5000, '\ud800', 'a b', 'a\nb', '*', '~', 'ä'),
)


def test_tokens_of_nuscenes_stay():
    for name in (hashlib.md5(b'x').hexdigest(), 'scene-0061', 'a_012_b.c'):
        assert make_file_name(name) == name


@pytest.mark.parametrize('name', HOSTILE)
def test_any_name_is_one_file_in_the_folder(tmp_path, name):
    path = tmp_path / 'out' / f'{make_file_name(name)}.png'
    path.parent.mkdir()
    path.write_bytes(b'')
    assert [p.parent for p in tmp_path.rglob('*.png')] == [tmp_path / 'out']


def test_different_names_stay_different():
    names = [*HOSTILE, *map(make_file_name, HOSTILE)]
    assert len(set(map(make_file_name, names))) == len(set(names))


def test_no_file_name_is_made_of_a_token_by_hand():
    """f'...{token}.png' and its like stand nowhere in the source."""
    found = []
    for path in sorted(
        p
        for part in ('mmocc', 'tools', 'projects')
        for p in (ROOT / part).rglob('*.py')
    ):
        if 'tests' in path.parts or 'SyntheticNuScenes' in path.parts:
            continue  # a generator makes its own tokens
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
            if not isinstance(node, ast.JoinedStr) or len(node.values) < 2:
                continue
            *_, value, end = node.values
            text = ast.unparse(value)
            if (
                isinstance(end, ast.Constant)
                and str(end.value).startswith('.')
                and Path(f'x{end.value}').suffix.lower()
                in ('.png', '.jpg', '.json', '.npz', '.ply', '.html', '.mp4')
                and ('token' in text or 'scene' in text)
                and 'make_file_name' not in text
            ):
                found.append(f'{path.relative_to(ROOT)}:{node.lineno}')
    # A file that is read where the data set put it.
    assert [place for place in found if 'nuscenes_text.py' not in place] == []
