from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

from mmocc.utils.checkpoint import (
    CheckpointError,
    from_plain,
    latest_checkpoint,
    load_checkpoint_safely,
    require_safe,
    to_plain,
)


class Foreign:
    """Something that a checkpoint must not hold."""


def test_mmengine_objects_survive_a_safe_round_trip(tmp_path):
    buffer = HistoryBuffer([0.1, 0.2], [1, 3], max_length=50)
    weights = OrderedDict(w=torch.arange(3.0))
    weights._metadata = {'': {'version': 1}}
    checkpoint = dict(
        message_hub=dict(
            log_scalars=OrderedDict(loss=buffer), eta=np.int64(4)
        ),
        meta=ConfigDict(
            palette=np.array([[1, 2]], dtype=np.uint8),
            names=np.array(['a', 'b']),
            classes=('car', 'bus'),
            folder=Path('x/y'),
            score=np.float64(0.1),
        ),
        state_dict=weights,
    )
    path = tmp_path / 'file.pth'
    torch.save(to_plain(checkpoint), path)
    loaded = load_checkpoint_safely(path)

    again = loaded['message_hub']['log_scalars']['loss']
    assert isinstance(again, HistoryBuffer) and again.max_length == 50
    for found, expected in zip(again.data, buffer.data, strict=True):
        np.testing.assert_array_equal(found, expected)
    assert again.mean() == buffer.mean()
    meta = loaded['meta']
    assert meta['palette'].dtype == np.uint8
    np.testing.assert_array_equal(meta['palette'], [[1, 2]])
    assert meta['names'] == ['a', 'b'] and meta['classes'] == ('car', 'bus')
    assert meta['folder'] == 'x/y' and type(meta['score']) is float
    assert type(loaded['message_hub']['eta']) is int
    assert loaded['state_dict']._metadata == {'': {'version': 1}}


def test_object_without_plain_form_is_named():
    with pytest.raises(CheckpointError, match=r"hub\['x'\].*Foreign"):
        to_plain(dict(x=Foreign()), 'hub')


def test_plain_values_are_left_alone():
    value = dict(a=[1, (2.5, None)], b={3}, c=torch.ones(2))
    assert from_plain(to_plain(value)) == value


@pytest.mark.parametrize('load', [require_safe, load_checkpoint_safely])
def test_foreign_object_is_refused_by_name(tmp_path, load):
    path = tmp_path / 'file.pth'
    torch.save(dict(state_dict={}, extra=Foreign()), path)
    with pytest.raises(CheckpointError, match=r'Foreign.*refused'):
        load(path)


def test_refusal_runs_nothing_of_the_file(tmp_path):
    trap = tmp_path / 'trap'

    class Trap:
        def __reduce__(self):
            return (Path.touch, (trap,))

    for new_format in (True, False):
        path = tmp_path / 'file.pth'
        torch.save(
            dict(x=Trap()), path, _use_new_zipfile_serialization=new_format
        )
        with pytest.raises(CheckpointError):
            require_safe(path)
        assert not trap.exists()


def test_forcing_variable_does_not_open_the_door(tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', '1')
    path = tmp_path / 'file.pth'
    torch.save(dict(extra=Foreign()), path)
    with pytest.raises(CheckpointError, match='refused'):
        load_checkpoint_safely(path)


@pytest.mark.parametrize('kept', [0, 10, 0.5, 0.99])
def test_truncated_file_is_called_so(tmp_path, kept):
    path = tmp_path / 'file.pth'
    torch.save(dict(state_dict=dict(w=torch.rand(1000))), path)
    content = path.read_bytes()
    size = int(kept * len(content)) if kept < 1 else kept
    path.write_bytes(content[:size])
    with pytest.raises(CheckpointError, match='truncated'):
        require_safe(path)


def test_missing_file_and_bare_tensor(tmp_path):
    with pytest.raises(FileNotFoundError, match='does not exist'):
        require_safe(tmp_path / 'absent.pth')
    torch.save(torch.ones(1), tmp_path / 'tensor.pth')
    with pytest.raises(CheckpointError, match='expected a dict'):
        load_checkpoint_safely(tmp_path / 'tensor.pth')


def test_latest_checkpoint_follows_the_note_or_the_step(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    for name in ('epoch_2.pth', 'epoch_10.pth', 'best_x_epoch_11.pth'):
        (tmp_path / name).touch()
    note = tmp_path / 'last_checkpoint'
    assert latest_checkpoint(tmp_path).name == 'epoch_10.pth'
    note.write_text(str(tmp_path / 'epoch_2.pth'))
    assert latest_checkpoint(tmp_path).name == 'epoch_2.pth'
    note.write_text('/folder/it/was/copied/from/epoch_2.pth\n')
    assert latest_checkpoint(tmp_path) == tmp_path / 'epoch_2.pth'
    for spoilt in ('', str(tmp_path / 'epoch_3.pth')):
        note.write_text(spoilt)
        assert latest_checkpoint(tmp_path).name == 'epoch_10.pth'
