"""Several processes on a machine without accelerators."""

import os

import torch
from mmengine.config import Config
from mmengine.device import get_device

from mmocc.utils.config import ConfigError

# Where each launcher says how many processes there are and which one this is.
_VARIABLES = {
    'pytorch': ('RANK', 'WORLD_SIZE', 'LOCAL_RANK'),
    'slurm': ('SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_LOCALID'),
}


def prepare_cpu_processes(cfg: Config, launcher: str) -> None:
    """Let mmengine's Runner train with several CPU processes.

    Two things of mmengine 0.10.7 ask for a GPU: ``init_dist`` selects a CUDA
    device, and the default model wrapper passes device ids, which
    ``DistributedDataParallel`` refuses on CPU. The Runner leaves a process
    group that exists alone, so a gloo group is made first, and the wrapper
    is named in the config. Does nothing where an accelerator is present or
    no launcher is used.

    Args:
        cfg (Config): The run's config; ``model_wrapper_cfg`` is set.
        launcher (str): 'none', 'pytorch' or 'slurm'.

    Raises:
        ConfigError: If the launcher did not set its variables.
    """
    if launcher == 'none' or get_device() != 'cpu':
        return
    if launcher not in _VARIABLES:
        raise ConfigError(
            f'the launcher {launcher!r} is not supported without a GPU; use '
            f'one of {sorted(_VARIABLES)}'
        )
    absent = [name for name in _VARIABLES[launcher] if name not in os.environ]
    if absent:
        raise ConfigError(
            f'--launcher {launcher} expects the environment variables '
            f'{", ".join(absent)}; start through tools/dist_train.sh, '
            'tools/slurm_train.sh or torchrun'
        )
    rank, world_size, local_rank = (
        os.environ[name] for name in _VARIABLES[launcher]
    )
    os.environ.update(RANK=rank, WORLD_SIZE=world_size, LOCAL_RANK=local_rank)
    torch.distributed.init_process_group('gloo')
    wrapper = dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False),
    )
    wrapper.update(cfg.get('model_wrapper_cfg') or {})
    wrapper['device_ids'] = None
    cfg.model_wrapper_cfg = wrapper


def leave_processes() -> None:
    """Leave the process group, if any, when all others are ready to.

    A process that just ends cuts the connections of those that still work.
    """
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()
