import pytest
from mmengine.fileio import get_file_backend

from mmocc.engine import AtomicBackend
from mmocc.utils import atomic


def test_failed_write_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    backend = get_file_backend(
        str(tmp_path), backend_args=dict(backend='atomic')
    )
    assert type(backend) is AtomicBackend
    path = tmp_path / 'epoch_1.pth'
    backend.put(b'first', path)
    backend.put_text('note', tmp_path / 'note')
    assert (tmp_path / 'note').read_text() == 'note'

    def full_disk(_: int) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(atomic.os, 'fsync', full_disk)
    with pytest.raises(OSError, match='No space'):
        backend.put(b'second', path)
    assert path.read_bytes() == b'first'
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        'epoch_1.pth',
        'note',
    ]
