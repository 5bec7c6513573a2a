"""The whole life of tiny OccVLA and SparseOccVLA, from no data to a report.

Makes the synthetic mini set, trains both models through their stages,
evaluates them beside baselines and controls, predicts on one frame and writes
work_dirs/demo/report.md with pictures. A step whose command, config and
predecessors have not changed is not run again.

    python tools/demo.py
    python tools/demo.py --seed 1 --work-dir work_dirs/demo_seed1
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis_tools.demo_report import write_report
from mmengine.config import Config

from mmocc.utils.atomic import atomic_open

ROOT = Path(__file__).resolve().parents[1]
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


@dataclass(frozen=True)
class Step:
    """One command of the demo.

    Attributes:
        title (str): For people.
        command (list[str]): Arguments of the Python interpreter.
        config (str): Config file that the result depends on, if any.
        record (Path, optional): File that remembers the step for all work
            folders; None for that of the work folder.
    """

    title: str
    command: list[str]
    config: str = ''
    record: Path | None = None

    def fingerprint(self, before: str) -> str:
        """Changes when the step, its config or a step before changes."""
        digest = hashlib.sha256(before.encode())
        digest.update(' '.join(self.command).encode())
        if self.config:
            text = Config.fromfile(ROOT / self.config).pretty_text
            digest.update(text.encode())
        return digest.hexdigest()


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
    """The epoch of a config's final checkpoint."""
    return Config.fromfile(ROOT / config).train_cfg.max_epochs


class ModelSteps:
    """Commands that train and test one model.

    Args:
        args (argparse.Namespace): Of the demo.
        folder (str): Of the model, below the work folder.
        trainings (dict): Title and config of each training, by short name,
            in order; the last one's model is tested.
        options (Sequence[str]): For every training and test.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        folder: str,
        trainings: dict[str, tuple[str, str]],
        options: Sequence[str] = (),
    ) -> None:
        self.work = args.work_dir / folder
        self.data, self.seed = args.data, args.seed
        self.trainings = trainings
        self.options = list(options)
        self.name = list(trainings.values())[-1][0].split()[0]
        self.config = list(trainings.values())[-1][1]
        self.weights = self.last(list(trainings)[-1])

    def last(self, name: str) -> str:
        """The final checkpoint of a training."""
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
            *self.options, *options,
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
            *self.options, *options,
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
                 *(['--cfg-options', *self.options] if self.options else [])],
            ),
        ]  # fmt: skip


def plan_steps(args: argparse.Namespace) -> list[Step]:
    """All steps in order."""
    control = args.work_dir / 'control_infos.pkl'
    infos = f'{args.data}/nuscenes_infos_occ_val.pkl'
    return [
        *data_steps(args, infos, control),
        *occvla_steps(args, infos, control),
        *sparseoccvla_steps(args, infos, control),
    ]


def data_steps(
    args: argparse.Namespace, infos: str, control: Path
) -> list[Step]:
    """What both models need."""
    # Seeds and work folders share the data.
    record = args.data.with_name(f'{args.data.name}.steps.json')
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
    """OccVLA's life."""
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
    """SparseOccVLA's life."""
    anchors = f'{args.data}/anchors_18_train.npz'
    model = ModelSteps(args, 'sparseoccvla', SPARSE_TRAININGS)
    with_anchors = f'model.planner.anchors.file={anchors}'
    fit = Step(
        'anchors',
        ['tools/fit_anchors.py',
         f'{args.data}/nuscenes_infos_occ_train.pkl', '--out', anchors],
        record=args.data.with_name(f'{args.data.name}.steps.json'),
    )  # fmt: skip
    stages = [
        model.train('stage1'),
        model.train('stage2', f'load_from={model.last("stage1")}'),
        model.train(
            'stage3', f'load_from={model.last("stage2")}', with_anchors
        ),
    ]
    # The checkpoint holds the anchors.
    model.options.append('model.planner.anchors.file=None')
    return [
        fit,
        *stages,
        *model.test_all(infos, control),
        Step(
            'SparseOccVLA, part by part',
            ['tools/analysis_tools/diagnose.py', model.config, model.weights,
             '--data-root', str(args.data), '--seed', str(args.seed),
             '--out', f'{model.work}/diagnosis.json'],
        ),
    ]  # fmt: skip


def run_steps(steps: list[Step], work_dir: Path) -> list[dict]:
    """Run what is not up to date; say how long each step took.

    Args:
        steps (list[Step]): In order; each depends on all before it.
        work_dir (Path): Keeps logs, and the records of steps that keep none
            of their own.

    Returns:
        list[dict]: ``title``, ``wall_s``, ``cpu_s`` and ``peak_gb`` (the
        largest process) of each step, from now or from the run that made it.
    """
    fingerprint, records = '', []
    for number, step in enumerate(steps, start=1):
        record_file = step.record or work_dir / 'steps.json'
        done = {}
        if record_file.exists():
            done = json.loads(record_file.read_text())
        fingerprint = step.fingerprint(fingerprint)
        heading = f'[{number}/{len(steps)}] {step.title}'
        if done.get(step.title, {}).get('fingerprint') != fingerprint:
            print(heading, flush=True)
            done[step.title] = dict(
                run_step(step, work_dir), fingerprint=fingerprint
            )
            with atomic_open(record_file, 'w') as file:
                json.dump(done, file, indent=2)
        else:
            print(f'{heading}: up to date', flush=True)
        records.append(dict(title=step.title, **done[step.title]))
    return records


def run_step(step: Step, work_dir: Path) -> dict:
    """Run one step; its output goes to a log file, its bars to the screen."""
    log = work_dir / 'logs' / f'{step.title.replace(" ", "_")}.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = dict(
        os.environ, PYTHONPATH=str(ROOT), PYTHONWARNINGS='ignore'
    )
    wall, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with open(log, 'w') as out:
        code = subprocess.run(
            [sys.executable, *step.command],
            cwd=ROOT,
            env=environment,
            stdout=out,
            check=False,
        ).returncode
    if code:
        tail = log.read_text().splitlines()[-15:]
        sys.exit(
            '\n'.join(tail) + f'\nstep "{step.title}" ended with status '
            f'{code}; its log is {log}'
        )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return dict(
        wall_s=time.time() - wall,
        cpu_s=after.ru_utime
        + after.ru_stime
        - before.ru_utime
        - before.ru_stime,
        # Of the largest process so far, in KiB on Linux.
        peak_gb=after.ru_maxrss * 1024 / 1e9,
    )


def main() -> None:
    args = parse_args()
    args.work_dir.mkdir(parents=True, exist_ok=True)
    records = run_steps(plan_steps(args), args.work_dir)
    report = write_report(args.work_dir, args.data, args.seed, records)
    print(f'report: {report}')


if __name__ == '__main__':
    main()
