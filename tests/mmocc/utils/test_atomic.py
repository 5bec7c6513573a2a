import pytest

from mmocc.utils.atomic import atomic_open


def test_file_appears_in_full(tmp_path):
    path = tmp_path / 'new' / 'file.txt'
    with atomic_open(path, 'w') as file:
        file.write('é')
        file.flush()
        assert not path.exists()
    assert path.read_text(encoding='utf-8') == 'é'
    assert list(path.parent.iterdir()) == [path]


def test_error_keeps_the_old_file(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(b'old')
    with pytest.raises(ZeroDivisionError), atomic_open(path) as file:
        file.write(b'half of the new')
        raise ZeroDivisionError
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_appending_is_refused(tmp_path):
    with (
        pytest.raises(ValueError, match="'a'"),
        atomic_open(tmp_path / 'file', 'a'),
    ):
        pass
