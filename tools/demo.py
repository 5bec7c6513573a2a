"""The whole life of a tiny OccVLA, from no data to a report.

Makes the synthetic mini set, trains the scene VQ-VAE and the three stages,
evaluates beside baselines and a control, predicts on one frame and writes
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
from dataclasses import dataclass
from pathlib import Path

from analysis_tools.demo_report import write_report
from mmengine.config import Config

from mmocc.utils.atomic import atomic_open

ROOT = Path(__file__).resolve().parents[1]
OCCVLA = 'projects/OccVLA/configs/occvla/occvla_tiny'
VQVAE_CONFIG = 'configs/occworld_vqvae/occworld-vqvae_tiny_synthetic.py'
STAGE_CONFIGS = (
    f'{OCCVLA}_stage1-language_synthetic.py',
    f'{OCCVLA}_stage2-joint_synthetic.py',
    f'{OCCVLA}_stage3-planner_synthetic.py',
)
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


def plan_steps(args: argparse.Namespace) -> list[Step]:
    """All steps in order."""
    work, data = args.work_dir, args.data
    last = {
        name: f'{work}/{name}/epoch_{last_epoch(config)}.pth'
        for name, config in zip(
            ('vqvae', 'stage1', 'stage2', 'stage3'),
            (VQVAE_CONFIG, *STAGE_CONFIGS),
            strict=True,
        )
    }

    def train(name: str, title: str, config: str, *options: str) -> Step:
        command = [
            'tools/train.py', config,
            '--work-dir', f'{work}/{name}',
            '--cfg-options', f'randomness.seed={args.seed}',
            'default_hooks.progress.type=ProgressBarHook',
            f'default_hooks.progress.name={title}',
            f'default_hooks.logger.interval={LOG_INTERVAL}',
            f'train_dataloader.dataset.data_root={data}/',
            f'val_dataloader.dataset.data_root={data}/',
            f'test_dataloader.dataset.data_root={data}/',
            *options,
        ]  # fmt: skip
        return Step(title, command, config)

    def test(name: str, title: str, *options: str) -> Step:
        command = [
            'tools/test.py', STAGE_CONFIGS[2], last['stage3'],
            '--work-dir', f'{work}/{name}',
            '--out', f'{work}/{name}.json',
            '--cfg-options', 'default_hooks.progress.type=ProgressBarHook',
            f'default_hooks.progress.name={title}',
            f'test_dataloader.dataset.data_root={data}/',
            *options,
        ]  # fmt: skip
        return Step(title, command, STAGE_CONFIGS[2])

    # Seeds and work folders share the data.
    data_record = data.with_name(f'{data.name}.steps.json')
    infos = f'{data}/nuscenes_infos_occ_val.pkl'
    control = f'{work}/control_infos.pkl'
    return [
        Step(
            'synthetic nuScenes',
            ['tools/create_synthetic_nuscenes.py', '--preset', 'mini',
             '--out', str(data), '--workers', str(args.workers)],
            record=data_record,
        ),
        Step(
            'info files',
            ['tools/create_data.py', 'nuscenes', '--root', str(data),
             '--version', 'v1.0-mini', '--occ3d', '--qa', '--can-bus',
             '--workers', str(args.workers)],
            record=data_record,
        ),
        Step(
            'baselines',
            ['tools/analysis_tools/baselines.py', str(data),
             '--out', f'{work}/baselines.json'],
        ),
        train('vqvae', 'scene VQ-VAE', VQVAE_CONFIG),
        train('stage1', 'stage 1', STAGE_CONFIGS[0]),
        train(
            'stage2', 'stage 2', STAGE_CONFIGS[1],
            f'load_from={last["stage1"]}',
            'model.occ_head.vqvae.init_cfg.checkpoint='
            f'{last["vqvae"]}',
        ),
        train(
            'stage3', 'stage 3', STAGE_CONFIGS[2],
            f'load_from={last["stage2"]}',
        ),
        test('val', 'evaluation'),
        Step('control infos', ['tools/misc/swap_images.py', infos,
                               '--out', control]),
        test(
            'control', 'control with swapped images',
            f'test_dataloader.dataset.ann_file={Path(control).resolve()}',
        ),
        Step(
            'one frame',
            ['tools/infer.py', STAGE_CONFIGS[2], last['stage3'],
             '--infos', infos, '--data-root', str(data),
             '--index', str(SHOWN_FRAME), '--out', f'{work}/frame'],
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
