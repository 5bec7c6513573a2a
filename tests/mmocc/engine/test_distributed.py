import pytest
import torch
from mmengine.config import Config

from mmocc.engine.distributed import prepare_cpu_processes
from mmocc.utils.config import ConfigError

on_cpu = pytest.mark.skipif(
    torch.cuda.is_available(), reason='for machines without accelerators'
)


@pytest.fixture
def alone(monkeypatch):
    """A Slurm job of one task, as far as variables go."""
    for name in ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'):
        monkeypatch.setenv(name, 'unset')
        monkeypatch.delenv(name)
    monkeypatch.setenv('MASTER_ADDR', '127.0.0.1')
    monkeypatch.setenv('MASTER_PORT', '0')
    monkeypatch.setenv('SLURM_PROCID', '0')
    monkeypatch.setenv('SLURM_NTASKS', '1')
    monkeypatch.setenv('SLURM_LOCALID', '0')
    yield
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@on_cpu
def test_gloo_group_and_wrapper_for_cpu(alone):
    cfg = Config(
        dict(
            find_unused_parameters=True,
            model_wrapper_cfg=dict(static_graph=True),
        )
    )
    prepare_cpu_processes(cfg, 'slurm')
    assert torch.distributed.get_backend() == 'gloo'
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=True,
        static_graph=True,
        device_ids=None,
    )


def test_one_process_needs_no_group():
    cfg = Config()
    prepare_cpu_processes(cfg, 'none')
    assert not torch.distributed.is_initialized()
    assert 'model_wrapper_cfg' not in cfg


@on_cpu
def test_missing_launcher_is_named(alone):
    with pytest.raises(ConfigError, match=r'RANK.*dist_train\.sh'):
        prepare_cpu_processes(Config(), 'pytorch')
    with pytest.raises(ConfigError, match='mpi'):
        prepare_cpu_processes(Config(), 'mpi')
