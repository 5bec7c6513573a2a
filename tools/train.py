#!/usr/bin/env python
"""Train a config.

python tools/train.py CONFIG
python tools/train.py CONFIG --resume
bash tools/dist_train.sh CONFIG 8
"""

import argparse

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmocc.engine.distributed import leave_processes, prepare_cpu_processes
from mmocc.engine.entry_point import (
    add_run_arguments,
    apply_run_arguments,
    build_runner,
)
from mmocc.engine.hooks import CompleteWeightsHook, FiniteLossHook
from mmocc.engine.strategy_runner import StrategyRunner
from mmocc.utils.checkpoint import latest_checkpoint, require_safe
from mmocc.utils.config import ConfigError, explained, load_config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='MMOCC_TRACEBACK=1 shows where an error was raised.',
    )
    parser.add_argument('config', metavar='CONFIG', help='config file')
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
        '--sync_bn',
        '--sync-bn',
        choices=['none', 'torch', 'mmcv'],
        default='none',
        help='convert BatchNorm layers to SyncBatchNorm of torch or mmcv '
        '(default: none)',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by batch size / '
        'auto_scale_lr.base_batch_size of the config',
    )
    add_run_arguments(parser, 'optim_wrapper.optimizer.lr=1e-4')
    return parser.parse_args()


def apply_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Write the command line into the config."""
    apply_run_arguments(cfg, args)
    if args.amp:
        use_mixed_precision(cfg)
    if args.sync_bn != 'none':
        cfg.sync_bn = args.sync_bn
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
    if args.resume is not None:
        checkpoint = args.resume
        if checkpoint == 'auto':
            checkpoint = latest_checkpoint(cfg.work_dir)
        cfg.resume = checkpoint is not None
        if cfg.resume:
            cfg.load_from = str(checkpoint)
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
    kinds = [str(hook.get('type')) for hook in hooks]
    if not any('ReduceLossHook' in kind for kind in kinds):
        cfg.custom_hooks = [*hooks, dict(type='mmocc.ReduceLossHook')]


def add_checks(runner: Runner, cfg: Config) -> None:
    """Watch losses and weights, unless the config says how or not to."""
    hooks = cfg.get('default_hooks') or {}
    if 'finite_loss' not in hooks:
        runner.register_hook(FiniteLossHook())
    if 'complete_weights' not in hooks:
        runner.register_hook(CompleteWeightsHook())


def main() -> None:
    args = parse_args()
    with explained():
        cfg = load_config(args.config, args.cfg_options)
    with explained(cfg):
        apply_arguments(cfg, args)
        prepare_cpu_processes(cfg, args.launcher)
        kind = StrategyRunner if cfg.get('strategy') else Runner
        runner = build_runner(cfg, kind)
        add_checks(runner, cfg)
        runner.train()
    leave_processes()


if __name__ == '__main__':
    main()
