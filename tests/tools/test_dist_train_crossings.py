"""Each model with the other one's planner, on two CPU processes."""

import pytest
import two_processes
from launching import ROOT, read_curve, run_tool, why
from mmocc_testing import (
    make_anchor_set,
    straight_anchors,
    write_tiny_dataset,
)

CONFIG = """
_base_ = '{root}/projects/{crossing}'

default_hooks = dict(logger=dict(interval=1))
log_processor = dict(window_size=1)
load_from = None
model = dict({model})
custom_hooks = []
train_cfg = dict(max_epochs=1, val_interval=100)
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    batch_size=1,
    dataset=dict(data_root='{data}', indices=4),
)
val_dataloader = dict(dataset=dict(data_root='{data}'))
test_dataloader = dict(dataset=dict(data_root='{data}'))
"""
CROSSINGS = {
    'OccVLA/configs/crossings/'
    'occvla_tiny_stage3-anchor-planner_synthetic.py': (
        'occ_head=None, predict_occupancy=False, chain_of_thought=False, '
        "planner=dict(anchors=dict(file='{anchors}'))"
    ),
    'SparseOccVLA/configs/crossings/'
    'sparseoccvla_tiny_stage3-mlp-planner_synthetic.py': (
        'encoder=dict(num_queries=40)'
    ),
}


@pytest.fixture(autouse=True)
def with_transformers(monkeypatch):
    """Language models need what toy runs leave out to start faster."""
    monkeypatch.setenv('MMOCC_TEST_TRANSFORMERS', '1')


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_tiny_dataset(tmp_path_factory.mktemp('data'), num_scenes=3)


@pytest.mark.parametrize('crossing', CROSSINGS)
def test_a_crossing_trains_on_two_processes(crossing, data, tmp_path):
    two_processes.require()
    anchors = tmp_path / 'anchors.npz'
    make_anchor_set(straight_anchors(18, 6)).save(anchors)
    config = tmp_path / 'crossing.py'
    config.write_text(
        CONFIG.format(
            root=ROOT,
            crossing=crossing,
            data=data,
            model=CROSSINGS[crossing].format(anchors=anchors),
        )
    )
    work_dir = tmp_path / 'two'
    done = run_tool('dist_train.sh', config, 2, '--work-dir', work_dir)
    assert done.returncode == 0, why(done)
    assert [*read_curve(work_dir)] == [1, 2]
    assert [*work_dir.glob('epoch_1.pth')]
