#!/usr/bin/env python
"""Train a config.

python tools/train.py CONFIG
python tools/train.py CONFIG --resume
bash tools/dist_train.sh CONFIG 8
"""

import argparse
import os
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmocc.engine.distributed import (
    leave_processes,
    prepare_cpu_processes,
)
from mmocc.engine.strategy_runner import StrategyRunner
from mmocc.utils.checkpoint import latest_checkpoint, require_safe
from mmocc.utils.config import ConfigError, explained, load_config
from mmocc.utils.overrides import Overrides


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='MMOCC_TRACEBACK=1 shows where an error was raised.',
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--work-dir',
        help='folder for logs and checkpoints; default: work_dir of the '
        'config, else work_dirs/NAME_OF_CONFIG',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue from a checkpoint; without a value, from the latest '
        'in the work folder, or from the start if it holds none',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision (AmpOptimWrapper); needs a GPU',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by batch size / '
        'auto_scale_lr.base_batch_size of the config',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='override config keys, such as optim_wrapper.optimizer.lr=1e-4',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm'],
        default='none',
        help='how several processes were started',
    )
    # torch.distributed.launch passes one of them, torchrun neither.
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=int,
        default=0,
        help=argparse.SUPPRESS,
    )
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def apply_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Write the command line into the config."""
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)

    if args.amp:
        use_mixed_precision(cfg)
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ConfigError(
                f'{args.config}: --auto-scale-lr needs the key auto_scale_lr='
                'dict(base_batch_size=N), the batch size that the learning '
                'rate was chosen for'
            )
        cfg.auto_scale_lr.enable = True
    if args.launcher != 'none':
        log_global_loss(cfg)
    use_safe_checkpoints(cfg)

    if args.resume is not None:
        cfg.resume = True
        latest = latest_checkpoint(cfg.work_dir)
        if args.resume != 'auto':
            cfg.load_from = args.resume
        elif latest is not None:
            cfg.load_from = str(latest)
        else:
            cfg.resume = False
    if cfg.get('load_from') and '://' not in cfg.load_from:
        require_safe(cfg.load_from)


def use_mixed_precision(cfg: Config) -> None:
    """Replace OptimWrapper by AmpOptimWrapper."""
    if not torch.cuda.is_available():
        raise ConfigError(
            '--amp: AmpOptimWrapper needs a GPU and torch sees none; train '
            'without --amp'
        )
    kind = cfg.optim_wrapper.get('type', 'OptimWrapper')
    if kind not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise ConfigError(
            f'{cfg.filename}: optim_wrapper.type: --amp replaces '
            f"'OptimWrapper', the config has {kind!r}"
        )
    cfg.optim_wrapper.type = 'AmpOptimWrapper'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def log_global_loss(cfg: Config) -> None:
    """Let several processes log the loss of their joint batch."""
    hooks = cfg.get('custom_hooks') or []
    if all(not hook['type'].endswith('ReduceLossHook') for hook in hooks):
        cfg.custom_hooks = [*hooks, dict(type='mmocc.ReduceLossHook')]


def use_safe_checkpoints(cfg: Config) -> None:
    """Replace mmengine's CheckpointHook, which torch >= 2.6 cannot resume."""
    hooks = cfg.setdefault('default_hooks', {})
    hook = hooks.get('checkpoint') or dict(type='CheckpointHook', interval=1)
    if hook['type'] in ('CheckpointHook', 'mmengine.CheckpointHook'):
        hook['type'] = 'mmocc.SafeCheckpointHook'
    hooks['checkpoint'] = hook


def main() -> None:
    args = parse_args()
    with explained():
        cfg = load_config(args.config, args.cfg_options)
    with explained(cfg):
        apply_arguments(cfg, args)
        prepare_cpu_processes(cfg, args.launcher)
        runner = StrategyRunner if cfg.get('strategy') else Runner
        runner.from_cfg(cfg).train()
    leave_processes()


if __name__ == '__main__':
    main()
