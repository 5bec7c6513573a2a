"""Checkpoints by address: nothing of them is executed."""

import contextlib
import functools
import http.server
import pickle
import threading
from pathlib import Path

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader

import mmocc.models  # noqa: F401, registers the loader
from mmocc.utils import remote_checkpoint
from mmocc.utils.checkpoint import CheckpointError


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder, its address, and a cache for what is fetched."""
    folder = tmp_path / 'served'
    folder.mkdir()
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(folder)
    )
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize('zipped', [True, False])
def test_a_hostile_checkpoint_is_refused(served, tmp_path, zipped):
    folder, address = served
    mark = tmp_path / 'executed'
    if zipped:
        torch.save(dict(state_dict=Evil(mark)), folder / 'a.pth')
    else:
        (folder / 'a.pth').write_bytes(pickle.dumps(Evil(mark)))
    with pytest.raises(CheckpointError, match=f'{address}/a.pth'):
        CheckpointLoader.load_checkpoint(f'{address}/a.pth')
    assert not mark.exists()
    assert not [*(tmp_path / 'hub').rglob('*.pth')]


@pytest.mark.parametrize('prefix', ['', 's3://'])
def test_no_setting_lets_a_file_run_code(tmp_path, monkeypatch, prefix):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    path, mark = tmp_path / 'a.pth', tmp_path / 'executed'
    torch.save(dict(state_dict={}, extra=Evil(mark)), path)
    monkeypatch.setattr(
        remote_checkpoint,
        'get_local_path',
        lambda address: contextlib.nullcontext(address[len('s3://') :]),
    )
    with pytest.raises(CheckpointError, match='objects of'):
        CheckpointLoader.load_checkpoint(f'{prefix}{path}')
    assert not mark.exists()


def test_files_of_one_name_are_not_mixed_up(served):
    folder, address = served
    for value in range(2):
        (folder / str(value)).mkdir()
        torch.save(dict(w=torch.tensor(value)), folder / f'{value}/e.pth')
        content = CheckpointLoader.load_checkpoint(f'{address}/{value}/e.pth')
        assert content['w'] == value


def test_plain_weights_load(served):
    folder, address = served
    torch.save(dict(state_dict=dict(w=torch.arange(3))), folder / 'b.pth')
    for _ in range(2):  # fetched, then from the cache
        content = CheckpointLoader.load_checkpoint(f'{address}/b.pth')
        assert content['state_dict']['w'].tolist() == [0, 1, 2]
        (folder / 'b.pth').unlink(missing_ok=True)


@pytest.mark.parametrize(
    'path, message',
    [
        ('/absent.pth', 'cannot be fetched'),
        ('/', 'is not the http address of a file'),
    ],
)
def test_what_cannot_be_fetched_is_named(served, path, message):
    with pytest.raises(CheckpointError, match=message):
        CheckpointLoader.load_checkpoint(served[1] + path)


@pytest.mark.parametrize('scheme', ['open-mmlab', 'mmcls', 'torchvision'])
def test_an_unknown_model_of_a_zoo_is_named(scheme):
    address = f'{scheme}://net-of-nobody'
    # torchvision need not be installed.
    with pytest.raises(
        CheckpointError, match=f'{address}: .*(no model|needs a package)'
    ):
        CheckpointLoader.load_checkpoint(address)
