"""The demo's book-keeping: what runs, what is reused, what a failure says."""

import dataclasses
import json
import sys

import pytest


@pytest.fixture
def demo(load_tool, repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / 'tools'))
    return load_tool('demo.py')


def write_step(demo, title, path, text):
    code = f'open({str(path)!r}, "a").write({text!r})'
    return demo.Step(title, ['-c', code])


def test_every_command_of_the_demo_exists(demo, repository, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['demo.py', '--seed', '3'])
    steps = demo.plan_steps(demo.parse_args())
    assert len({step.title for step in steps}) == len(steps)
    for step in steps:
        assert (repository / step.command[0]).is_file(), step.title
        if step.config:
            assert (repository / step.config).is_file(), step.title
    training = [s for s in steps if s.command[0] == 'tools/train.py']
    assert len(training) == 4
    assert all('randomness.seed=3' in s.command for s in training)


def test_a_second_run_reuses_what_has_not_changed(demo, tmp_path):
    out = tmp_path / 'out.txt'
    steps = [write_step(demo, n, out, n[-1]) for n in ('step a', 'step b')]
    demo.run_steps(steps, tmp_path)
    assert out.read_text() == 'ab'
    records = demo.run_steps(steps, tmp_path)
    assert out.read_text() == 'ab'
    assert all(record['wall_s'] > 0 for record in records)
    # A changed step runs again, and so does all that follows it.
    steps[0] = write_step(demo, 'step a', out, 'A')
    demo.run_steps(steps, tmp_path)
    assert out.read_text() == 'abAb'


def test_work_folders_share_a_step_with_a_record_of_its_own(demo, tmp_path):
    out, first, second = (tmp_path / n for n in ('out.txt', 'one', 'two'))
    step = write_step(demo, 'data', out, 'x')
    step = dataclasses.replace(step, record=tmp_path / 'data.steps.json')
    for work_dir in (first, second):
        work_dir.mkdir()
        demo.run_steps([step], work_dir)
    assert out.read_text() == 'x'
    assert not (second / 'steps.json').exists()


def test_a_failure_names_step_and_log_and_is_not_recorded(demo, tmp_path):
    step = demo.Step('broken', ['-c', 'print("why"); raise SystemExit(3)'])
    with pytest.raises(SystemExit, match='"broken" ended with status 3'):
        demo.run_steps([step], tmp_path)
    assert not (tmp_path / 'steps.json').exists()


def test_bars_are_beaten_by_the_margin(demo):
    from analysis_tools.demo_report import FIGURES

    figures = {figure.name: figure for figure in FIGURES}
    assert figures['occ/mIoU'].beats(10.0, 6.0)
    assert not figures['occ/mIoU'].beats(9.9, 6.0)
    assert figures['plan/L2_mean_avg'].beats(0.9, 1.0)
    assert not figures['plan/L2_mean_avg'].beats(1.0, 1.0)
    assert not figures['qa/overall'].beats(30.0, 30.0)


def test_the_report_prints_misses_as_misses(demo, tmp_path):
    names = [
        *(figure.name for figure in demo.write_report.__globals__['FIGURES']),
        *(n for n, _ in demo.write_report.__globals__['DETAILS']),
        'occ/frames',
        'plan/samples',
        'answer_by_text/overall',
        'constant_turn_rate/L2_mean_avg',
    ]
    good, bad = dict.fromkeys(names, 50.0), dict.fromkeys(names, 49.0)
    for name, scores in (('val', good), ('control', bad)):
        (tmp_path / f'{name}.json').write_text(json.dumps({'scores': scores}))
    (tmp_path / 'baselines.json').write_text(
        json.dumps(
            dict(
                scores=bad,
                majority_meta_action='Accelerate; Stop.',
                majority_answers={'exist': 'yes'},
            )
        )
    )
    (tmp_path / 'frame').mkdir()
    (tmp_path / 'frame' / 'prediction.json').write_text(
        json.dumps(dict(questions=['Is it?'], answers=['yes']))
    )
    for name in ('vqvae', 'stage1', 'stage2', 'stage3'):
        scalars = tmp_path / name / '20260101_000000' / 'vis_data'
        scalars.mkdir(parents=True)
        (scalars / 'scalars.json').write_text(
            '{"loss": 2.0, "step": 1}\n{"loss": 1.0, "step": 2}\n'
        )
    records = [dict(title='stage 1', wall_s=60.0, cpu_s=90.0, peak_gb=1.0)]
    report = demo.write_report(tmp_path, tmp_path, 0, records).read_text()
    occupancy = next(x for x in report.splitlines() if 'camera mask' in x)
    assert '**missed**' in occupancy and '50.00' in occupancy
    assert 'what was tried: docs/benchmarks' in report
    answers = next(x for x in report.splitlines() if 'exact match' in x)
    assert 'reached' in answers
    assert '| stage 1 | 1.0 | 1.5 | 1.0 |' in report
    assert '> yes' in report
    assert '(loss_stage2.png)' in report
    assert (tmp_path / 'loss_stage2.png').stat().st_size > 1000
