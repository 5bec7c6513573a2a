r"""Train and evaluate tiny OccVLA and SparseOccVLA on generated data.

Makes the synthetic mini set, trains both models through their stages side by
side, evaluates them beside baselines and controls, predicts on one frame and
writes work_dirs/demo/report.md with pictures. A step whose command, config
and predecessors have not changed is not run again.

    python projects/SyntheticNuScenes/demo/demo.py
    python projects/SyntheticNuScenes/demo/demo.py --seed 1 \
        --work-dir work_dirs/demo_seed1
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from mmocc.projects.SyntheticNuScenes.demo.demo_report import write_report
from mmocc.projects.SyntheticNuScenes.demo.step_runner import (
    ROOT,
    Step,
    StepFailedError,
    StepRunner,
)
from mmocc.utils.config import explained

OCCVLA = 'projects/OccVLA/configs/occvla/occvla_tiny'
SPARSE = 'projects/SparseOccVLA/configs/sparseoccvla/sparseoccvla_tiny'
VQVAE_CONFIG = 'configs/occworld_vqvae/occworld-vqvae_tiny_synthetic.py'
# Each training of a model by its short name, in order: title and config.
OCCVLA_TRAININGS = {
    'vqvae': ('scene VQ-VAE', VQVAE_CONFIG),
    'stage1': (
        'OccVLA stage 1', f'{OCCVLA}_stage1-language_synthetic.py',
    ),
    'stage2': ('OccVLA stage 2', f'{OCCVLA}_stage2-joint_synthetic.py'),
    'stage3': ('OccVLA stage 3', f'{OCCVLA}_stage3-planner_synthetic.py'),
}  # fmt: skip
SPARSE_TRAININGS = {
    'stage1': (
        'SparseOccVLA stage 1', f'{SPARSE}_stage1-encoder_synthetic.py',
    ),
    'stage2': (
        'SparseOccVLA stage 2', f'{SPARSE}_stage2-language_synthetic.py',
    ),
    'stage3': (
        'SparseOccVLA stage 3',
        f'{SPARSE}_stage3-forecast-planner_synthetic.py',
    ),
}  # fmt: skip
# A moving frame in the middle of the first val scene.
SHOWN_FRAME = 6
# Iterations between points of the loss curves.
LOG_INTERVAL = 10


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--work-dir', type=Path, default=Path('work_dirs/demo')
    )
    parser.add_argument('--data', type=Path, default=Path('data/synthetic'))
    parser.add_argument('--seed', type=int, default=0, help='of the training')
    parser.add_argument(
        '--workers', type=int, default=min(os.cpu_count(), 8),
        help='processes that make data',
    )  # fmt: skip
    return parser.parse_args()


def last_epoch(config: str) -> int:
    """Return the epoch of a config's final checkpoint."""
    return Config.fromfile(ROOT / config).train_cfg.max_epochs


class ModelSteps:
    """Commands that train and test one model.

    Args:
        args (argparse.Namespace): Of the demo.
        folder (str): Of the model, below the work folder.
        trainings (dict): Title and config of each training, by short name,
            in order; the last one's model is tested.
        test_options (Sequence[str]): Config options of every test.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        folder: str,
        trainings: dict[str, tuple[str, str]],
        test_options: Sequence[str] = (),
    ) -> None:
        self.work = args.work_dir / folder
        self.data, self.seed = args.data, args.seed
        self.trainings = trainings
        self.test_options = test_options
        *_, last = trainings
        title, self.config = trainings[last]
        self.name = title.split()[0]
        self.weights = self.last(last)

    def last(self, name: str) -> str:
        """Return the path of a training's final checkpoint."""
        epoch = last_epoch(self.trainings[name][1])
        return f'{self.work}/{name}/epoch_{epoch}.pth'

    def train(self, name: str, *options: str) -> Step:
        """Train one stage."""
        title, config = self.trainings[name]
        command = [
            'tools/train.py', config,
            '--work-dir', f'{self.work}/{name}',
            '--cfg-options', f'randomness.seed={self.seed}',
            'default_hooks.progress.type=ProgressBarHook',
            f'default_hooks.progress.name={title}',
            f'default_hooks.logger.interval={LOG_INTERVAL}',
            f'train_dataloader.dataset.data_root={self.data}/',
            f'val_dataloader.dataset.data_root={self.data}/',
            f'test_dataloader.dataset.data_root={self.data}/',
            *options,
        ]  # fmt: skip
        return Step(title, command, config)

    def test(self, name: str, title: str, *options: str) -> Step:
        """Evaluate the last stage."""
        title = f'{self.name} {title}'
        command = [
            'tools/test.py', self.config, self.weights,
            '--work-dir', f'{self.work}/{name}',
            '--out', f'{self.work}/{name}.json',
            '--cfg-options', 'default_hooks.progress.type=ProgressBarHook',
            f'default_hooks.progress.name={title}',
            f'test_dataloader.dataset.data_root={self.data}/',
            *self.test_options, *options,
        ]  # fmt: skip
        return Step(title, command, self.config)

    def test_all(self, infos: str, control: Path) -> list[Step]:
        """Evaluate, again with swapped images, and predict on one frame."""
        return [
            self.test('val', 'evaluation'),
            self.test(
                'control', 'control',
                f'test_dataloader.dataset.ann_file={control.resolve()}',
            ),
            Step(
                f'{self.name} on one frame',
                ['tools/infer.py', self.config, self.weights,
                 '--infos', infos, '--data-root', str(self.data),
                 '--index', str(SHOWN_FRAME), '--out', f'{self.work}/frame',
                 *(['--cfg-options', *self.test_options]
                   if self.test_options else [])],
            ),
        ]  # fmt: skip


def plan_chains(
    args: argparse.Namespace,
) -> tuple[list[Step], dict[str, list[Step]]]:
    """Return the steps of the data and of each model, by name of the chain."""
    control = args.work_dir / 'control_infos.pkl'
    infos = f'{args.data}/nuscenes_infos_occ_val.pkl'
    models = {
        'OccVLA': occvla_steps(args, infos, control),
        'SparseOccVLA': sparseoccvla_steps(args, infos, control),
    }
    return data_steps(args, infos, control), models


def data_record(args: argparse.Namespace) -> Path:
    """Return the record file of the data steps, shared by all work folders."""
    return args.data.with_name(f'{args.data.name}.steps.json')


def data_steps(
    args: argparse.Namespace, infos: str, control: Path
) -> list[Step]:
    """Return the steps that make the data, which both models need."""
    record = data_record(args)
    return [
        Step(
            'synthetic nuScenes',
            ['tools/create_synthetic_nuscenes.py', '--preset', 'mini',
             '--out', str(args.data), '--workers', str(args.workers)],
            record=record,
        ),
        Step(
            'info files',
            ['tools/create_data.py', 'nuscenes', '--root', str(args.data),
             '--version', 'v1.0-mini', '--occ3d', '--qa', '--can-bus',
             '--workers', str(args.workers)],
            record=record,
        ),
        Step(
            'baselines',
            ['tools/analysis_tools/baselines.py', str(args.data),
             '--out', f'{args.work_dir}/baselines.json'],
        ),
        Step(
            'control infos',
            ['tools/misc/swap_images.py', infos, '--out', str(control)],
        ),
    ]  # fmt: skip


def occvla_steps(
    args: argparse.Namespace, infos: str, control: Path
) -> list[Step]:
    """Return the steps that train, test and show OccVLA."""
    model = ModelSteps(args, 'occvla', OCCVLA_TRAININGS)
    return [
        model.train('vqvae'),
        model.train('stage1'),
        model.train(
            'stage2',
            f'load_from={model.last("stage1")}',
            f'model.occ_head.vqvae.init_cfg.checkpoint={model.last("vqvae")}',
        ),
        model.train('stage3', f'load_from={model.last("stage2")}'),
        *model.test_all(infos, control),
    ]


def sparseoccvla_steps(
    args: argparse.Namespace, infos: str, control: Path
) -> list[Step]:
    """Return the steps that train, test and diagnose SparseOccVLA."""
    anchors = f'{args.data}/anchors_18_train.npz'
    model = ModelSteps(
        args,
        'sparseoccvla',
        SPARSE_TRAININGS,
        # The checkpoint holds the anchors.
        test_options=['model.planner.anchors.file=None'],
    )
    return [
        Step(
            'anchors',
            ['tools/fit_anchors.py',
             f'{args.data}/nuscenes_infos_occ_train.pkl', '--out', anchors],
            record=data_record(args),
        ),
        model.train('stage1'),
        model.train('stage2', f'load_from={model.last("stage1")}'),
        model.train(
            'stage3', f'load_from={model.last("stage2")}',
            f'model.planner.anchors.file={anchors}',
        ),
        *model.test_all(infos, control),
        Step(
            'SparseOccVLA, part by part',
            ['tools/analysis_tools/diagnose.py', model.config, model.weights,
             '--data-root', str(args.data), '--seed', str(args.seed),
             '--out', f'{model.work}/diagnosis.json'],
        ),
    ]  # fmt: skip


def main() -> None:
    args = parse_args()
    with explained():
        args.work_dir.mkdir(parents=True, exist_ok=True)
    data, models = plan_chains(args)
    runner = StepRunner(args.work_dir)
    try:
        records = runner.run({'data': data})
        records += runner.run(models, before=records[-1]['fingerprint'])
    except StepFailedError as error:
        sys.exit(str(error))
    report = write_report(args.work_dir, args.data, args.seed, records)
    print(f'report: {report}')


if __name__ == '__main__':
    main()
