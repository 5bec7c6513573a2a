"""tools/analysis_tools/report.py: whole pages, and pages of broken folders."""

import json
import re

import numpy as np
import pytest
from mmocc_testing.browser import open_page

from mmocc.evaluation.files import (
    GridFileWriter,
    write_plan_truth,
    write_plans,
)
from mmocc.evaluation.functional import PlanSample
from mmocc.structures import FREE
from mmocc.utils.json_files import write_json_lines

ROAD = 11
LOG = """2026/01/01 00:00:00 - mmengine - INFO -
------------------------------------------------------------
System environment:
    Python: 3.11.7
    PyTorch: 2.13.0

Runtime environment:
    seed: 7
------------------------------------------------------------

2026/01/01 00:00:00 - mmengine - INFO - Config:
"""
EXTERNAL = re.compile(r'(?:src|href|url)\s*[=(]\s*["\']?(?!data:|#)[\w./]')


@pytest.fixture(scope='module')
def tool(load_tool):
    return load_tool('projects/RunReports/tools/report.py')


def write_run(folder, scalars, log=LOG):
    """A training as mmengine leaves it behind."""
    run = folder / '20260101_000000'
    (run / 'vis_data').mkdir(parents=True)
    (run / 'vis_data' / 'config.py').write_text("title = '<b>&'\n")
    (run / 'vis_data' / 'scalars.json').write_text(scalars)
    (run / '20260101_000000.log').write_text(log)
    return run


def lines(*entries):
    return ''.join(json.dumps(entry) + '\n' for entry in entries)


TRAINED = lines(
    {'loss': 2.0, 'loss_occ': 1.5, 'step': 10},
    {'occ/mIoU': 3.0, 'step': 1},
    {'loss': 1.0, 'loss_occ': 0.5, 'step': 20},
    {'occ/mIoU': 4.25, 'step': 2},
)


def write_predictions(folder):
    """Frame a is right; b has the road one voxel too high, and drives off."""
    truth = np.full((200, 200, 16), FREE, dtype=np.uint8)
    truth[100:110, 95:105, 2] = ROAD
    wrong = np.roll(truth, 1, axis=2)
    seen = np.ones(truth.shape, dtype=bool)
    with GridFileWriter(folder / 'occ.npz') as file:
        file.add('token-a', truth)
        file.add('token-b', wrong)
    with GridFileWriter(folder / 'occ_truth.npz') as file:
        file.add('token-a', truth, mask_camera=seen)
        file.add('token-b', truth, mask_camera=seen)
    path = np.stack([np.arange(1.0, 7), np.zeros(6)], axis=-1)
    mask = np.array([1, 1, 0, 0, 0, 0], dtype=bool)
    far = path + np.where(mask, 3.0, 1e6)[:, None] * (0.0, 1.0)
    write_plans(folder / 'plans.npz', ['token-a', 'token-b'], [path, far])
    samples = [PlanSample(None, path, mask)] * 2
    write_plan_truth(
        folder / 'plan_truth.npz', ['token-a', 'token-b'], samples
    )
    write_json_lines(
        [{'token': 'token-b', 'scene_name': 'scene-0103', 'frame_idx': 4}],
        folder / 'frames.jsonl',
    )


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp('work')
    write_run(folder / 'stage1', TRAINED)
    (folder / 'val.json').write_text(
        json.dumps(
            {
                'config': 'a.py',
                'checkpoint': 'b.pth',
                'scores': {'occ/mIoU': 12.5, 'qa/overall': None},
                'environment': {'Commit': 'abc1234', 'CPU': 'an abacus'},
            }
        )
    )
    (folder / 'baselines.json').write_text('{"scores": {"occ/mIoU": 5.125}}')
    write_predictions(folder / 'predictions')
    return folder


@pytest.fixture(scope='module')
def page(tool, work_dir, tmp_path_factory):
    out = tmp_path_factory.mktemp('out') / 'page.html'
    argv = [str(work_dir), '--out', str(out), '--frames', '1']
    assert tool.main(argv) == 0
    return out


def test_the_page_holds_every_part(page):
    text = page.read_text()
    for part in (
        'stage1/20260101_000000',
        '<svg',
        'abc1234',
        'an abacus',
        'PyTorch: 2.13.0',
        'title = &#39;&lt;b&gt;&amp;&#39;',
        'scene-0103, frame 4, token-b',
    ):
        assert part in text, part
    assert '<b>' not in text
    assert 'id="missing"' not in text


def test_scores_stand_beside_baselines(page):
    row = re.search(r'<tr><td>occ/mIoU</td>.*?</tr>', page.read_text())[0]
    assert re.findall('>([\\d.]+)<', row) == ['12.500', '4.250', '5.125']


def test_seed_and_last_loss_are_in_the_table_of_runs(page):
    row = re.search(r'<tr><td>stage1/2026.*?</tr>', page.read_text())[0]
    assert re.findall('<td[^>]*>(.*?)</td>', row)[1:] == [
        'training',
        '7',
        '20',
        '1',
    ]


def test_frames_are_ranked(page):
    captions = re.findall('<figcaption>(.*?)</figcaption>', page.read_text())
    # Occupancy by mIoU, then plans by the mean L2 of the two known steps.
    assert captions == [
        'Best 1: 100.00, token-a',
        'Worst 1: 0.00, scene-0103, frame 4, token-b',
        'Best 1: 0.00, token-a',
        'Worst 1: 3.00, scene-0103, frame 4, token-b',
    ]


def test_the_page_needs_nothing_else(page):
    text = re.sub(r'<pre.*?</pre>', '', page.read_text(), flags=re.DOTALL)
    assert not EXTERNAL.findall(text)
    assert '<script' not in text


def test_links_lead_somewhere_and_nothing_is_too_wide(page):
    dom = open_page(
        page,
        """
        const links = [...document.querySelectorAll('a')];
        const lost = links.filter(
            (a) => !document.querySelector(a.getAttribute('href')));
        const broken = [...document.images].filter(
            (i) => { i.loading = 'eager'; return !i.alt; });
        const root = document.documentElement;
        document.body.dataset.seen = [links.length, lost.length,
            broken.length, root.scrollWidth <= root.clientWidth].join();
        """,
    )
    assert 'data-seen="6,0,0,true"' in dom


def test_a_bare_training_names_what_is_missing(tool, tmp_path, capsys):
    write_run(tmp_path, TRAINED)
    assert tool.main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for part in ('Scores of a test', '--dump', '--baseline', 'Commit'):
        assert part in said, part
    assert 'id="missing"' in (tmp_path / 'report.html').read_text()


@pytest.mark.parametrize(
    ('scalars', 'message'),
    [
        (TRAINED + '{"loss": 0.', 'line 5'),
        ('', 'holds no'),
        (lines({'loss': 'high', 'step': 1}), 'high'),
        (lines({'loss': 1.0}), 'step'),
        ('[1]\n', 'expected an object'),
    ],
)
def test_broken_scalars_are_named(tool, tmp_path, capsys, scalars, message):
    write_run(tmp_path, scalars)
    assert tool.main([str(tmp_path)]) == 0
    (line,) = re.findall('missing: Curves of .*', capsys.readouterr().out)
    assert message in line


def test_other_broken_files_are_named(tool, tmp_path, capsys):
    run = write_run(tmp_path, TRAINED, log='cut off')
    (run / 'vis_data' / 'config.py').unlink()
    (tmp_path / 'val.json').write_text('{"scores": ')
    write_predictions(tmp_path / 'dumped')
    whole = (tmp_path / 'dumped' / 'occ.npz').read_bytes()
    (tmp_path / 'dumped' / 'occ.npz').write_bytes(whole[:-30])
    (tmp_path / 'dumped' / 'plans.npz').unlink()
    assert tool.main([str(tmp_path), '--frames', '1']) == 0
    said = capsys.readouterr().out
    for part in (
        'Environment of 20260101_000000',
        'Config of 20260101_000000',
        'Scores of val.json: cannot be read',
        'occ.npz is cut off',
        'there is no plans.npz and plan_truth.npz',
    ):
        assert part in said.replace(': is cut', ' is cut'), part


def test_mmengines_copy_of_the_scores_is_no_second_column(tool, tmp_path):
    run = write_run(tmp_path, TRAINED)
    (tmp_path / 'val.json').write_text('{"scores": {"occ/mIoU": 12.5}}')
    (run / f'{run.name}.json').write_text('{"occ/mIoU": 12.5, "time": 1.0}')
    other = tmp_path / '20260102_000000'
    other.mkdir()
    (other / f'{other.name}.json').write_text('{"occ/mIoU": 99.0}')
    assert tool.main([str(tmp_path)]) == 0
    text = (tmp_path / 'report.html').read_text()
    row = re.search(r'<tr><td>occ/mIoU</td>.*?</tr>', text)[0]
    assert re.findall('>([\\d.]+)<', row) == ['12.500', '99', '4.250']


def test_results_of_the_evaluator_are_read(tool, tmp_path):
    write_run(tmp_path, TRAINED)
    (tmp_path / 'plan.json').write_text(
        '{"task": "planning", "results": {"vad": {"L2_mean_avg": 0.5}}}'
    )
    assert tool.main([str(tmp_path)]) == 0
    text = (tmp_path / 'report.html').read_text()
    assert '<td>planning/vad/L2_mean_avg</td>' in text


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (lambda folder: folder / 'nowhere', 'is no folder'),
        (lambda folder: folder, 'holds no run'),
    ],
)
def test_a_folder_without_a_run_is_refused(
    tool, tmp_path, capsys, make, message
):
    out = tmp_path.parent / f'{tmp_path.name}.html'
    assert tool.main([str(make(tmp_path)), '--out', str(out)]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_baseline_without_a_name_is_refused(tool, tmp_path, capsys):
    write_run(tmp_path, TRAINED)
    assert tool.main([str(tmp_path), '--baseline', 'scores.json']) == 1
    assert 'NAME=FILE.json' in capsys.readouterr().err


def test_the_old_page_stays_if_writing_fails(tool, tmp_path, monkeypatch):
    write_run(tmp_path, TRAINED)
    old = tmp_path / 'report.html'
    old.write_text('old')

    def full(_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    assert tool.main([str(tmp_path)]) == 1
    assert old.read_text() == 'old'
    assert not list(tmp_path.glob('*.tmp'))
