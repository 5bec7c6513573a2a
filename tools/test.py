#!/usr/bin/env python
"""Evaluate a checkpoint with the test loader and evaluator of its config.

python tools/test.py CONFIG CHECKPOINT
bash tools/dist_test.sh CONFIG CHECKPOINT 8
"""

import argparse
import json
import os
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from mmocc.engine.distributed import (
    leave_processes,
    prepare_cpu_processes,
)
from mmocc.engine.hooks import CompleteWeightsHook
from mmocc.utils.atomic import atomic_open
from mmocc.utils.checkpoint import require_safe, to_plain
from mmocc.utils.config import explained, load_config
from mmocc.utils.env import environment_report
from mmocc.utils.overrides import Overrides


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='MMOCC_TRACEBACK=1 shows where an error was raised.',
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--work-dir',
        help='folder for logs; default: work_dir of the config, else '
        'work_dirs/NAME_OF_CONFIG',
    )
    parser.add_argument(
        '--out',
        metavar='FILE.json',
        help='write the scores, the checkpoint and the environment here',
    )
    parser.add_argument(
        '--dump',
        metavar='DIR',
        help='write predictions and ground truth of every frame here, for '
        'tools/evaluate.py and tools/analysis_tools/report.py',
    )
    parser.add_argument(
        '--show-dir',
        metavar='DIR',
        help='draw frames here, one PNG page each: all, or every N-th with '
        '--cfg-options default_hooks.visualization.interval=N',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='override config keys, such as test_dataloader.batch_size=1',
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


def draw_pages(cfg: Config, folder: str) -> None:
    """Let a run draw what it predicts, in ``folder/test``."""
    hook = dict(type='OccVisualizationHook', interval=1)
    hook.update(cfg.default_hooks.get('visualization') or {})
    hook.update(out_dir=str(Path(folder).absolute()))
    cfg.default_hooks.visualization = hook
    cfg.setdefault('visualizer', dict(type='OccLocalVisualizer'))


def main() -> None:
    args = parse_args()
    with explained():
        cfg = load_config(args.config, args.cfg_options)
    with explained(cfg):
        cfg.launcher = args.launcher
        if args.work_dir is not None:
            cfg.work_dir = args.work_dir
        elif cfg.get('work_dir') is None:
            cfg.work_dir = str(Path('work_dirs') / Path(args.config).stem)
        require_safe(args.checkpoint)
        cfg.load_from = args.checkpoint
        cfg.resume = False
        if args.dump is not None:
            cfg.test_evaluator = [
                *cfg.test_evaluator,
                dict(type='PredictionFiles', out_dir=args.dump),
            ]
        if args.show_dir is not None:
            draw_pages(cfg, args.show_dir)
        prepare_cpu_processes(cfg, args.launcher)
        runner = Runner.from_cfg(cfg)
        runner.register_hook(CompleteWeightsHook())
        scores = runner.test()

    if args.out is not None and is_main_process():
        report = dict(
            config=args.config,
            checkpoint=args.checkpoint,
            scores=to_plain(dict(scores), 'scores'),
            environment=environment_report(runner.seed),
        )
        with atomic_open(args.out, 'w') as file:
            json.dump(report, file, indent=2)
            file.write('\n')
    leave_processes()


if __name__ == '__main__':
    main()
