import errno
import os

import pytest

from mmocc.utils.atomic import (
    TEMPORARY_SUFFIX,
    atomic_open,
    atomic_path,
    remove_leftovers,
)


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


def test_planted_link_is_not_followed(tmp_path):
    victim = tmp_path / 'victim'
    victim.write_bytes(b'precious')
    path = tmp_path / 'file'
    path.with_name('file.tmp').symlink_to(victim)
    path.symlink_to(victim)
    with atomic_open(path) as file:
        file.write(b'new')
    assert victim.read_bytes() == b'precious'
    assert path.read_bytes() == b'new'
    assert not path.is_symlink()


@pytest.mark.parametrize('mode', [0o600, 0o640, 0o444])
def test_permissions_of_the_replaced_file_stay(tmp_path, mode):
    path = tmp_path / 'file'
    path.write_bytes(b'old')
    path.chmod(mode)
    with atomic_open(path):
        [temporary] = set(tmp_path.iterdir()) - {path}
        assert temporary.stat().st_mode & 0o777 == mode
    assert path.stat().st_mode & 0o777 == mode
    with atomic_path(path) as temporary:
        temporary.write_bytes(b'new')
    assert path.stat().st_mode & 0o777 == mode


def test_two_writers_do_not_mix(tmp_path):
    path = tmp_path / 'file'
    with atomic_open(path) as first:
        first.write(b'first')
        with atomic_open(path) as second:
            second.write(b'second')
        assert path.read_bytes() == b'second'
    assert path.read_bytes() == b'first'
    assert list(tmp_path.iterdir()) == [path]


def test_leftovers_of_killed_writers_go_and_those_of_others_stay(tmp_path):
    dead = tmp_path / f'file.{"ab" * 8}{TEMPORARY_SUFFIX}'
    other = tmp_path / f'other.{"ab" * 8}{TEMPORARY_SUFFIX}'
    foreign = tmp_path / 'file.notes.tmp'
    for path in (dead, other, foreign):
        path.write_bytes(b'half')
    with atomic_open(tmp_path / 'file') as alive:
        alive.write(b'x')
        with atomic_open(tmp_path / 'file'):
            assert not dead.exists()
    assert {p.name for p in tmp_path.iterdir()} == {
        *('file', other.name, foreign.name)
    }
    remove_leftovers(tmp_path, '*her')
    assert not other.exists()


def test_full_disk_names_the_file_and_keeps_the_old_one(tmp_path):
    path = tmp_path / 'file'
    path.write_bytes(b'old')
    with (
        pytest.raises(OSError, match=f'No space left.*{path}'),
        atomic_open(path),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_bytes() == b'old'
    assert list(tmp_path.iterdir()) == [path]


def test_folder_of_that_name_is_said_before_any_work(tmp_path):
    with (
        pytest.raises(IsADirectoryError, match=str(tmp_path)),
        atomic_open(tmp_path),
    ):
        raise AssertionError


def test_library_that_opens_files_itself(tmp_path):
    path = tmp_path / 'new' / 'video.mp4'
    with atomic_path(path) as temporary:
        assert temporary.name == path.name
        temporary.write_bytes(b'all')
        assert not path.exists()
    assert path.read_bytes() == b'all'
    assert list(path.parent.iterdir()) == [path]
