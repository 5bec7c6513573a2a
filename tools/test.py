#!/usr/bin/env python
"""Evaluate a checkpoint with the test loader and evaluator of its config.

python tools/test.py CONFIG CHECKPOINT
bash tools/dist_test.sh CONFIG CHECKPOINT 8
"""

import argparse
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.dist import is_main_process

from mmocc.engine.distributed import leave_processes, prepare_cpu_processes
from mmocc.engine.entry_point import (
    add_run_arguments,
    apply_run_arguments,
    build_runner,
)
from mmocc.engine.hooks import CompleteWeightsHook
from mmocc.utils.checkpoint import require_safe, to_plain
from mmocc.utils.config import ConfigError, explained, load_config
from mmocc.utils.env import environment_report
from mmocc.utils.json_files import write_json


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog='MMOCC_TRACEBACK=1 shows where an error was raised.',
    )
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument(
        'checkpoint', metavar='CHECKPOINT', help='checkpoint file'
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
        '--show',
        action='store_true',
        help='show the pages in a window as well; needs a display',
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2.0,
        metavar='SECONDS',
        help='how long --show shows a page; 0: until a key (default: 2)',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help='test-time augmentation, for configs with tta_model and '
        'tta_pipeline; those of mmocc have none',
    )
    add_run_arguments(parser, 'test_dataloader.batch_size=1')
    return parser.parse_args()


def apply_arguments(cfg: Config, args: argparse.Namespace) -> None:
    """Write the command line into the config."""
    apply_run_arguments(cfg, args)
    require_safe(args.checkpoint)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    if args.tta:
        use_augmentation(cfg)
    if args.dump is not None:
        dump_predictions(cfg, args.dump)
    if args.show:
        require_display()
    if args.show or args.show_dir is not None:
        draw_pages(cfg, args)


def dump_predictions(cfg: Config, folder: str) -> None:
    """Write predictions to a folder, whether the config does or not."""
    metrics = cfg.test_evaluator
    metrics = [metrics] if isinstance(metrics, dict) else list(metrics)
    writers = [m for m in metrics if m['type'] == 'PredictionFiles']
    if not writers:
        metrics.append(dict(type='PredictionFiles', out_dir=folder))
    for writer in writers:
        writer['out_dir'] = folder
    cfg.test_evaluator = metrics


def use_augmentation(cfg: Config) -> None:
    """Wrap the model as mmdet3d's ``--tta`` does."""
    if 'tta_model' not in cfg or 'tta_pipeline' not in cfg:
        raise ConfigError(
            f'{cfg.filename}: --tta needs the keys tta_model and '
            'tta_pipeline. The configs of mmocc have none: answers and '
            'trajectories of flipped or scaled views cannot be averaged'
        )
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


def require_display() -> None:
    """Refuse ``--show`` where no window can open."""
    from matplotlib import pyplot

    backend = pyplot.get_backend()
    if backend.lower() in ('agg', 'cairo', 'pdf', 'pgf', 'ps', 'svg'):
        raise ConfigError(
            f'--show: Matplotlib has no window here (backend {backend}); '
            'write the pages with --show-dir DIR'
        )


def draw_pages(cfg: Config, args: argparse.Namespace) -> None:
    """Let the run draw what it predicts, in ``DIR/test``."""
    hook = dict(type='OccVisualizationHook', interval=1)
    hook.update(cfg.default_hooks.get('visualization') or {})
    if args.show_dir is not None:
        hook['out_dir'] = str(Path(args.show_dir).absolute())
    if args.show:
        hook.update(show=True, wait_time=args.wait_time)
    cfg.default_hooks.visualization = hook
    cfg.setdefault('visualizer', dict(type='OccLocalVisualizer'))


def main() -> None:
    args = parse_args()
    with explained():
        cfg = load_config(args.config, args.cfg_options)
    with explained(cfg):
        apply_arguments(cfg, args)
        prepare_cpu_processes(cfg, args.launcher)
        runner = build_runner(cfg)
        runner.register_hook(CompleteWeightsHook())
        scores = runner.test()

    if args.out is not None and is_main_process():
        report = dict(
            config=args.config,
            checkpoint=args.checkpoint,
            scores=to_plain(dict(scores), 'scores'),
            environment=environment_report(runner.seed),
        )
        write_json(report, args.out, indent=2)
    leave_processes()


if __name__ == '__main__':
    main()
