"""Options and steps that ``tools/train.py`` and ``tools/test.py`` share."""

import argparse
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from mmocc.registry import RUNNERS
from mmocc.utils.overrides import Overrides


def add_run_arguments(parser: argparse.ArgumentParser, example: str) -> None:
    """Add the options of every run.

    Args:
        parser (argparse.ArgumentParser): Parser of the tool.
        example (str): An override for the help text, ``KEY=VALUE``.
    """
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='folder for logs and checkpoints (default: work_dir of the '
        'config, else work_dirs/NAME_OF_CONFIG)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help=f'override config keys, such as {example}',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm'],
        default='none',
        help='how several processes were started (default: none)',
    )
    # torch.distributed.launch passes one of them, torchrun neither.
    parser.add_argument(
        '--local_rank',
        '--local-rank',
        type=int,
        default=0,
        help=argparse.SUPPRESS,
    )


def apply_run_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Write launcher and work folder into the config.

    Args:
        cfg (Config): Config of the run.
        args (argparse.Namespace): With the options of ``add_run_arguments``.
    """
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    cfg.launcher = args.launcher
    if args.work_dir is not None:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)


def build_runner(cfg: Config, default: type = Runner) -> Runner:
    """Build the runner that a config asks for.

    Args:
        cfg (Config): Its ``runner_type`` names a registered class, as
            everywhere in OpenMMLab.
        default (type): The class without that key. Defaults to mmengine's
            ``Runner``.

    Returns:
        Runner: Or a ``FlexibleRunner``.
    """
    if 'runner_type' in cfg:
        return RUNNERS.build(cfg)
    return default.from_cfg(cfg)
