"""OccVLA itself on two CPU processes, and resumed after a kill."""

import shutil
import signal

import pytest
from launching import ROOT, read_curve, run_tool, train, why
from mmocc_testing import write_tiny_dataset
from test_dist_train import assert_same_training

CONFIG = """
_base_ = '{root}/projects/OccVLA/configs/occvla/{name}'

default_hooks = dict(logger=dict(interval=1))
log_processor = dict(window_size=1)
load_from = None
model = dict(
    occ_head=dict(
        query_shape=(10, 10),
        # Sampling draws differ between one process and two.
        loss_occ=dict(free_ratio=1.0),
        vqvae=dict(init_cfg=None, base_channels=4, latent_channels=8),
    ),
)
train_cfg = dict(max_epochs={epochs}, val_interval=100)
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='{data}', indices=4),
)
val_dataloader = dict(dataset=dict(data_root='{data}'))
test_dataloader = dict(dataset=dict(data_root='{data}'))
"""

POWER_CUT = """
_base_ = '{config}'

custom_imports = dict(
    imports=['mmocc.projects.OccVLA.occvla', 'toy_project'],
    allow_failed_imports=False,
)
custom_hooks = [dict(type='PowerCut', iteration=5)]
"""


@pytest.fixture(autouse=True)
def with_transformers(monkeypatch):
    """OccVLA needs what toy runs leave out to start faster."""
    monkeypatch.setenv('MMOCC_TEST_TRANSFORMERS', '1')


@pytest.fixture(scope='module')
def make_config(tmp_path_factory):
    """Write a config of stage 2 that trains for a number of epochs."""
    folder = tmp_path_factory.mktemp('occvla')
    data = write_tiny_dataset(folder / 'data', num_scenes=3)

    def make(epochs):
        path = folder / f'stage2_{epochs}.py'
        path.write_text(
            CONFIG.format(
                root=ROOT,
                data=data,
                epochs=epochs,
                name='occvla_tiny_stage2-joint_synthetic.py',
            )
        )
        return path

    return make


def test_two_processes_equal_one(make_config, tmp_path):
    assert_same_training(make_config(2), tmp_path, 2)


def test_a_killed_run_resumes_to_the_same_curve(make_config, tmp_path):
    config = make_config(2)
    whole, broken = tmp_path / 'whole', tmp_path / 'broken'
    options = ('--cfg-options', 'train_dataloader.batch_size=1')
    train(config, '--work-dir', whole, *options)
    expected = read_curve(whole)
    assert len(expected) == 8

    # In the second epoch, after its first iteration.
    killed = tmp_path / 'killed.py'
    killed.write_text(POWER_CUT.format(config=config.name))
    shutil.copy(config, tmp_path)
    done = run_tool('train.py', killed, '--work-dir', broken, *options)
    assert done.returncode == -signal.SIGKILL, why(done)
    assert len(read_curve(broken)) == 5
    train(config, '--work-dir', broken, '--resume', *options)
    assert read_curve(broken) == expected
