"""OccVLA as large models are trained: recomputed layers, LoRA, shards."""

import pytest
import torch
import two_processes
from launching import ROOT, TOY, read_curve, run_tool, why
from mmengine.config import Config
from mmocc_testing import write_tiny_dataset

import mmocc.projects.OccVLA.occvla  # noqa: F401  (registers OccVLA)
from mmocc.registry import MODELS

# Of a logged loss, absolute: gradients are summed in another order.
TOLERANCE = 1e-4
STEPS = 4  # 2 epochs of 4 frames, 2 at a time

CONFIG = """
_base_ = [
    '{root}/projects/OccVLA/configs/occvla/'
    'occvla_tiny_stage2-joint_synthetic.py',
]
custom_imports = dict(
    imports=['mmocc.projects.OccVLA.occvla', 'toy_project'],
    allow_failed_imports=False,
)
custom_hooks = [dict(type='PowerCut', iteration=-1)]
default_hooks = dict(logger=dict(interval=1))
log_processor = dict(window_size=1)
load_from = None
model = dict(
    max_new_tokens=4,
    occ_head=dict(
        query_shape=(10, 10),
        # Sampling draws differ between one process and two.
        loss_occ=dict(free_ratio=1.0),
        vqvae=dict(init_cfg=None, base_channels=4, latent_channels=8),
    ),
)
train_cfg = dict(max_epochs=2, val_begin={val_begin})
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='{data}', indices=4),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='{data}', indices=2),
)
test_dataloader = val_dataloader
"""

LORA = """
model['bridge'] = dict(
    vlm=dict(
        adapter=None,
        lora=dict(r=4, lora_alpha=8, target_modules=['q_proj', 'v_proj']),
    ),
)
"""
RECOMPUTE = 'model.bridge.vlm.gradient_checkpointing=True'
HALF = 'train_dataloader.batch_size=1'
SHARDS = (
    'strategy.type=FSDP2Strategy',
    'strategy.shard_modules=[Gemma2DecoderLayer,SiglipEncoderLayer]',
)


@pytest.fixture(autouse=True)
def what_occvla_needs(monkeypatch):
    """transformers, which toy runs leave out; not spconv. Both cost time."""
    monkeypatch.setenv('MMOCC_TEST_TRANSFORMERS', '1')
    monkeypatch.setenv('MMOCC_TEST_WITHOUT_SPCONV', '1')


@pytest.fixture
def train_here(load_tool, monkeypatch):
    """Run ``train.py`` in this process, which has imported all it needs."""
    monkeypatch.syspath_prepend(str(TOY))
    monkeypatch.setenv('LOCAL_RANK', '0')

    def run(*arguments):
        monkeypatch.setattr('sys.argv', ['train.py', *map(str, arguments)])
        load_tool('train.py').main()

    return run


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    two_processes.require()
    folder = tmp_path_factory.mktemp('data')
    return write_tiny_dataset(folder / 'tiny', num_scenes=3)


def write_config(folder, data, more='', val_begin=1000):
    path = folder / 'config.py'
    text = CONFIG.format(root=ROOT, data=data, val_begin=val_begin)
    path.write_text(text + more)
    return path


def train_two(config, folder, *arguments, options=()):
    return run_tool(
        *('dist_train.sh', config, 2, '--work-dir', folder, *arguments),
        *('--cfg-options', HALF, RECOMPUTE, *options),
    )


def assert_kill_and_resume_equal_one_process(
    train_here, config, tmp_path, options=()
):
    """One process that recomputes nothing, and two that break off."""
    one, two = tmp_path / 'one', tmp_path / 'two'
    train_here(config, '--work-dir', one)
    cut = 'custom_hooks.0.iteration=3'  # in the second epoch
    done = train_two(config, two, options=(*options, cut))
    assert done.returncode != 0, why(done)
    done = train_two(config, two, '--resume', options=options)
    assert done.returncode == 0, why(done)

    expected, found = read_curve(one), read_curve(two)
    assert len(expected) == STEPS
    assert found == pytest.approx(expected, abs=TOLERANCE)
    return [
        torch.load(folder / 'epoch_2.pth', weights_only=True)
        for folder in (one, two)
    ]


def test_ddp_with_lora_and_recomputed_layers(train_here, data, tmp_path):
    config = write_config(tmp_path, data, LORA)
    one, two = assert_kill_and_resume_equal_one_process(
        train_here, config, tmp_path
    )
    assert one['state_dict'].keys() == two['state_dict'].keys()
    assert any('lora_A' in name for name in two['state_dict'])


def test_shards_of_the_whole_model(train_here, data, tmp_path):
    # Validation decodes answers, whose lengths differ between processes.
    config = write_config(tmp_path, data, val_begin=1)
    one, two = assert_kill_and_resume_equal_one_process(
        train_here, config, tmp_path, SHARDS
    )
    plain = MODELS.build(Config.fromfile(config).model)
    plain.load_state_dict(two['state_dict'], strict=True)
    for name, value in one['state_dict'].items():
        torch.testing.assert_close(
            two['state_dict'][name], value, atol=1e-3, rtol=0, msg=name
        )
