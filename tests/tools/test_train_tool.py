"""``tools/train.py``: resuming after a kill, and errors in one line."""

import signal
from pathlib import Path

import pytest
import torch
from launching import TOY, TOY_CONFIG, read_curve, run_tool, train
from mmengine.config import Config

RANDOM = (
    'model.dropout=0.5',
    # Drawn in a worker, from NumPy, Python and torch.
    'train_dataloader.dataset.noise=0.1',
    'train_dataloader.num_workers=1',
    'train_dataloader.worker_init_fn.type=seed_worker',
    # Draws random numbers between the epochs, which a resumed run does not.
    'val_dataloader.dataset.noise=0.1',
)
ITERATIONS = 12  # 3 epochs of 4


def test_killed_run_resumes_to_the_same_curve(tmp_path):
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    options = ['--cfg-options', *RANDOM]
    train(TOY_CONFIG, '--work-dir', whole, *options)
    assert len(read_curve(whole)) == ITERATIONS

    # In the middle of the second epoch.
    cut = 'custom_hooks.0.iteration=6'
    done = run_tool(
        'train.py', TOY_CONFIG, '--work-dir', killed, *options, cut
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(read_curve(killed)) == 6
    assert not (killed / 'epoch_2.pth').exists()

    train(TOY_CONFIG, '--work-dir', killed, '--resume', *options)
    for key in ('loss', 'loss_so_far', 'lr'):
        assert read_curve(killed, key) == read_curve(whole, key)

    last = [
        torch.load(folder / 'epoch_3.pth', weights_only=True)
        for folder in (whole, killed)
    ]
    for name, weight in last[0]['state_dict'].items():
        assert torch.equal(weight, last[1]['state_dict'][name])
    assert not list(killed.glob('*.tmp'))


def test_global_loss_hook_is_added_once(load_tool):
    cfg = Config(dict(custom_hooks=[dict(type='Other')]))
    for _ in range(2):
        load_tool('train.py').log_global_loss(cfg)
    assert [hook['type'] for hook in cfg.custom_hooks] == [
        'Other',
        'mmocc.ReduceLossHook',
    ]


@pytest.fixture
def fails(load_tool, monkeypatch):
    """Run ``train.py`` in this process, return its one line of error."""
    monkeypatch.syspath_prepend(str(TOY))
    monkeypatch.setenv('LOCAL_RANK', '0')

    def run(*arguments: str | Path) -> str:
        monkeypatch.setattr('sys.argv', ['train.py', *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            load_tool('train.py').main()
        line = stopped.value.code
        assert line.startswith('error: ') and '\n' not in line
        return line

    return run


def test_missing_config_suggests_the_nearest(fails):
    assert 'absent.py does not exist' in fails('absent.py')


def test_unknown_module_names_key_and_nearest(fails, tmp_path):
    line = fails(
        TOY_CONFIG,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'model.type=ToyRegresor',
    )
    assert f'{TOY_CONFIG}: model.type: ' in line
    assert "did you mean 'ToyRegressor'?" in line


def test_unknown_dataset_names_every_key(fails, tmp_path):
    line = fails(
        TOY_CONFIG,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        'train_dataloader.dataset.type=ToyPint',
    )
    assert 'train_dataloader.dataset.type: ' in line


def test_missing_checkpoint_names_key_and_path(fails, tmp_path):
    path = tmp_path / 'absent.pth'
    line = fails(
        TOY_CONFIG,
        '--work-dir',
        tmp_path,
        '--cfg-options',
        f'load_from={path}',
    )
    assert f': load_from: the checkpoint {path} does not exist' in line
    line = fails(TOY_CONFIG, '--work-dir', tmp_path, '--resume', path)
    assert f'the checkpoint {path} does not exist' in line


def test_foreign_checkpoint_is_refused(fails, tmp_path):
    path = tmp_path / 'foreign.pth'
    torch.save(dict(state_dict={}, extra=Path('x')), path)
    line = fails(TOY_CONFIG, '--work-dir', tmp_path, '--resume', path)
    assert 'load_from' in line and 'pathlib' in line and 'refused' in line


def test_missing_import_names_the_module(fails, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text("custom_imports = dict(imports=['no_such_module'])\n")
    line = fails(config, '--work-dir', tmp_path)
    assert str(config) in line and 'no_such_module' in line


def test_missing_base_names_the_file(fails, tmp_path):
    config = tmp_path / 'config.py'
    config.write_text("_base_ = './no_such_base.py'\n")
    assert 'no_such_base.py' in fails(config)


@pytest.mark.skipif(torch.cuda.is_available(), reason='for CPU machines')
def test_amp_without_gpu_is_refused(fails, tmp_path):
    line = fails(TOY_CONFIG, '--work-dir', tmp_path, '--amp')
    assert line.startswith('error: --amp: ')


def test_auto_scale_lr_without_base_is_refused(fails, tmp_path):
    line = fails(TOY_CONFIG, '--work-dir', tmp_path, '--auto-scale-lr')
    assert 'base_batch_size' in line
