"""Files are evaluated where NumPy, SciPy and numba alone are installed."""

import json
import subprocess
import sys

import numpy as np
import pytest

from mmocc.evaluation.files import (
    GridFileWriter,
    write_plan_truth,
    write_plans,
)
from mmocc.evaluation.functional import Agents, MapLines, PlanSample
from mmocc.evaluation.tasks import TASKS
from mmocc.utils.json_files import write_json_lines

PRESETS = {'caption': 'raw', 'counterfactual': 'keywords'}
TOKENS = ['frame-a', 'frame-b', 'frame-c']
# Runs a script in an interpreter that can import the standard library and
# the light packages alone.
BLOCKED = """
import runpy, sys

LIGHT = {'numpy', 'scipy', 'numba', 'llvmlite', 'mmocc'}

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] not in LIGHT | sys.stdlib_module_names:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

sys.meta_path.insert(0, Blocker())
for heavy in ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmdet3d', 'cv2', 'tqdm'):
    try:
        __import__(heavy)
    except ImportError:
        continue
    raise AssertionError(f'{heavy} is not blocked')
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def run_blocked(repository, *words):
    return subprocess.run(
        [sys.executable, '-c', BLOCKED, *map(str, words)],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )


def write_grids(folder):
    rng = np.random.default_rng(0)
    grids = rng.choice([4, 11, 17], (3, 4, 200, 200, 16), p=[0.1, 0.1, 0.8])
    truth = np.where(rng.random(grids.shape) < 0.1, 4, grids)
    seen = rng.random((2, *grids.shape[2:])) < 0.5
    for task, times in (('occ', None), ('forecast', (0, 1, 2, 3))):
        with (
            GridFileWriter(folder / f'{task}.pred', times) as pred_writer,
            GridFileWriter(folder / f'{task}.gt', times) as gt_writer,
        ):
            for token, pred, gt in zip(TOKENS, grids, truth, strict=True):
                if times is not None:
                    pred_writer.add(token, pred)
                    gt_writer.add(token, gt)
                else:
                    pred_writer.add(token, pred[0])
                    gt_writer.add(token, gt[0], *seen, [[0.94, 0, 1.84]])


def write_planning(folder):
    rng = np.random.default_rng(1)
    street = MapLines(
        [np.array([[-90.0, -4], [90, -6], [90, 6], [-90, 6]])], [False]
    )
    samples = []
    for place in range(len(TOKENS)):
        now = rng.uniform([0, -5, -3], [30, 5, 3], (15, 3))
        agents = Agents(
            category=np.full(15, 'vehicle.car'),
            size=rng.uniform([3, 1.5], [5, 2.2], (15, 2)),
            now=now,
            future=np.repeat(now[:, None], 6, axis=1),
            future_mask=np.ones((15, 6), bool),
            has_points=np.ones((15, 6), bool),
            recently_seen=np.ones(15, bool),
        )
        truth = np.cumsum(rng.normal([3, 0], [2, 0.4], (6, 2)), axis=0)
        samples.append(
            PlanSample(
                None,
                truth,
                np.ones(6, bool),
                truth_yaw=rng.normal(size=6),
                agents=agents,
                drivable=street,
                boundary=street,
                frame_idx=10 + place,
                scene_length=40,
            )
        )
    plans = np.stack([sample.truth for sample in samples])
    plans += rng.normal(size=plans.shape)
    write_plans(folder / 'planning.pred', TOKENS, plans, yaws=np.ones((3, 6)))
    write_plan_truth(folder / 'planning.gt', TOKENS, samples)


def write_texts(folder):
    question = {'question': 'What is ahead?'}
    answers = [question | {'answer': text} for text in ('a car', 'Truck', '')]
    closed = [
        question | {'answer': text, 'template_type': 'object', 'num_hop': 1}
        for text in ('a car', 'truck', 'bus')
    ]
    actions = [{'answer': 'Accelerate; Stop.'}] * 3
    labels = [{'speed': 'Accelerate', 'direction': 'Turn Left'}] * 3
    futures = [question | {'answer': 'It would crash into a car.'}] * 3
    causes = [question | {'labels': ['collision', 'red_light']}] * 3
    for task, pred, gt in (
        ('qa', answers, closed),
        ('caption', answers, closed),
        ('meta', actions, labels),
        ('counterfactual', futures, causes),
    ):
        for side, records in (('pred', pred), ('gt', gt)):
            write_json_lines(
                [
                    {'token': token} | record
                    for token, record in zip(TOKENS, records, strict=True)
                ],
                folder / f'{task}.{side}',
            )


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """``TASK.pred`` and ``TASK.gt`` of every task."""
    folder = tmp_path_factory.mktemp('light')
    write_grids(folder)
    write_planning(folder)
    write_texts(folder)
    for side in ('pred', 'gt'):
        (folder / f'rayiou.{side}').symlink_to(folder / f'occ.{side}')
    return folder


@pytest.mark.parametrize('task', list(TASKS))
def test_scores_do_not_depend_on_heavy_packages(folder, repository, task):
    paths = folder / f'{task}.pred', folder / f'{task}.gt'
    preset = PRESETS.get(task, 'all')
    expected = TASKS[task].evaluate(*paths, [preset]).results
    out = folder / f'{task}.json'
    words = ('--pred', paths[0], '--gt', paths[1], '--preset', preset)
    ran = run_blocked(
        repository, 'tools/evaluate.py', task, *words, '--out', out
    )
    assert ran.returncode == 0, ran.stderr
    scores = json.loads(out.read_text())['results']
    assert scores == expected
    assert all(len(figures) > 2 for figures in scores.values())


def test_casting_rays_on_a_gpu_asks_for_torch(repository, tmp_path):
    script = tmp_path / 'script.py'
    script.write_text('import mmocc.evaluation.functional.ray_casting_torch\n')
    ran = run_blocked(repository, script)
    assert ran.returncode == 1
    assert 'needs torch, which is not installed' in ran.stderr
    assert 'cast_rays' in ran.stderr
