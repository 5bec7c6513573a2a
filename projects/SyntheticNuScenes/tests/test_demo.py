"""The demo: its commands, and what its report says."""

import json
import sys

import pytest

from mmocc.visualization.frame_panel import PICTURE_NAMES


@pytest.fixture
def demo(load_tool, repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / 'tools'))
    return load_tool('projects/SyntheticNuScenes/demo/demo.py')


def all_steps(demo):
    data, models = demo.plan_chains(demo.parse_args())
    return [*data, *models['OccVLA'], *models['SparseOccVLA']]


def test_every_command_of_the_demo_exists(demo, repository, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['demo.py', '--seed', '3'])
    steps = all_steps(demo)
    assert len({step.title for step in steps}) == len(steps)
    for step in steps:
        assert (repository / step.command[0]).is_file(), step.title
        if step.config:
            assert (repository / step.config).is_file(), step.title
    training = [s for s in steps if s.command[0] == 'tools/train.py']
    assert len(training) == 4 + 3
    assert all('randomness.seed=3' in s.command for s in training)


def test_steps_do_not_write_where_others_do(demo, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['demo.py'])
    steps = all_steps(demo)
    places = [
        step.command[step.command.index(option) + 1]
        for step in steps
        for option in ('--work-dir', '--out')
        if option in step.command
    ]
    assert len(set(places)) == len(places)


def test_bars_are_beaten_by_the_margin(demo):
    from mmocc.projects.SyntheticNuScenes.demo.demo_report import (
        OCCVLA,
        SPARSEOCCVLA,
    )

    figures = {figure.name: figure for figure in OCCVLA.figures}
    assert figures['occ/mIoU'].beats(10.0, 6.0)
    assert not figures['occ/mIoU'].beats(9.9, 6.0)
    assert figures['plan/L2_mean_avg'].beats(0.9, 1.0)
    assert not figures['plan/L2_mean_avg'].beats(1.0, 1.0)
    assert not figures['qa/overall'].beats(30.0, 30.0)
    prior = SPARSEOCCVLA.figures[0]
    assert prior.beats(15.5, 5.5) and not prior.beats(15.4, 5.5)


def write_results(folder, demo):
    """What all steps of a demo leave, with easy numbers."""
    report = demo.write_report.__globals__
    pages = report['PAGES']
    names = {
        *(figure.name for page in pages for figure in page.figures),
        *(figure.against for page in pages for figure in page.figures),
        *(name for page in pages for name, _ in page.details),
        *('occ/frames', 'plan/samples', 'answer_by_text/overall'),
        'constant_turn_rate/L2_mean_avg',
    }
    good, bad = dict.fromkeys(names, 50.0), dict.fromkeys(names, 49.0)

    def write(path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    write(
        folder / 'baselines.json',
        dict(
            scores=bad,
            majority_meta_action='Accelerate; Stop.',
            majority_answers={'exist': 'yes'},
        ),
    )
    for page in pages:
        write(folder / page.folder / 'val.json', {'scores': good})
        write(folder / page.folder / 'control.json', {'scores': bad})
        write(
            folder / page.folder / 'frame' / 'prediction.json',
            dict(questions=['Is it?'], answers=['yes']),
        )
        for name in page.trainings:
            path = folder / page.folder / name / '20260101' / 'vis_data'
            path.mkdir(parents=True)
            (path / 'scalars.json').write_text(
                '{"loss": 2.0, "step": 1}\n{"loss": 1.0, "step": 2}\n'
            )
    horizons = ('1s', '2s', '3s', 'avg')
    write(
        folder / 'sparseoccvla' / 'diagnosis.json',
        dict(
            planning={
                name: {f'L2_mean_{t}': float(place) for t in horizons}
                for place, (name, _) in enumerate(report['PLANNERS'], start=1)
            },
            forecasting={
                f'{name}/{mask}': {f'mIoU_{t}': value for t in horizons}
                for name, value in (
                    ('forecast', 7.5), ('moved_copy', 8.5),
                    ('own_moved_copy', 7.0), ('copy', 6.5),
                )
                for mask in ('camera', 'all')
            },
            windows=28,
        ),
    )  # fmt: skip


def test_the_report_prints_misses_as_misses(demo, tmp_path):
    write_results(tmp_path, demo)
    cost = dict(cpu_s=90.0, peak_gb=1.0)
    records = [
        dict(cost, chain='data', title='making', wall_s=30.0),
        dict(cost, chain='OccVLA', title='stage 1', wall_s=60.0),
        dict(cost, chain='SparseOccVLA', title='stage 1', wall_s=90.0),
    ]
    report = demo.write_report(tmp_path, tmp_path, 0, records).read_text()
    lines = report.splitlines()
    occvla, sparse = (x for x in lines if 'in the camera mask | 50' in x)
    assert '**missed**' in occvla and 'by 4' in occvla
    assert '**missed**' in sparse and 'by 10' in sparse
    assert report.count('what was tried: docs/benchmarks') == 2
    answers = next(x for x in lines if 'exact match' in x)
    assert 'reached' in answers
    forecast = next(x for x in lines if x.startswith('| forecast mIoU at 2'))
    assert '| 7.50 |' in forecast and '| 7.00 (' in forecast
    assert 'beat it: reached' in forecast
    mean = next(x for x in lines if 'mean of the three' in x)
    assert '| 8.50 (' in mean and '**missed**' in mean
    # The plan of 50 m has to beat that of the ego-only MLP, 6 m.
    again = next(x for x in lines if 'plan L2 again' in x)
    assert '6.00' in again and '**missed**' in again
    assert '| nearest anchor, denoised | 2.00 | 2.00 |' in report
    assert '| stage 1 | 1.0 | 1.5 | 1.0 |' in report
    # Side by side: the longer one counts.
    assert '| **from start to end** | **2.0** | **4.5** | |' in report
    assert '> yes' in report
    for folder in ('occvla', 'sparseoccvla'):
        assert f'({folder}/loss_stage2.png)' in report
        picture = tmp_path / folder / 'loss_stage2.png'
        assert picture.stat().st_size > 1000
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert figures['models']['SparseOccVLA']['verdicts'][0] is False


def test_pictures_of_the_report_are_those_that_inference_writes(demo):
    written = {f'{name}.png' for name in PICTURE_NAMES}
    for page in demo.write_report.__globals__['PAGES']:
        assert {name for name, _ in page.pictures} <= written
