"""What runs, what is reused, what a failure says, what runs side by side."""

import dataclasses
import time

import pytest


@pytest.fixture
def tool(load_tool):
    return load_tool('projects/SyntheticNuScenes/demo/step_runner.py')


def python(tool, title, code):
    return tool.Step(title, ['-c', code])


def writer(tool, title, path, text):
    return python(tool, title, f'open({str(path)!r}, "a").write({text!r})')


def run(tool, folder, *steps):
    return tool.StepRunner(folder).run({'chain': steps})


def test_a_second_run_reuses_what_has_not_changed(tool, tmp_path):
    out = tmp_path / 'out.txt'
    steps = [writer(tool, n, out, n[-1]) for n in ('step a', 'step b')]
    run(tool, tmp_path, *steps)
    assert out.read_text() == 'ab'
    records = run(tool, tmp_path, *steps)
    assert out.read_text() == 'ab'
    assert [record['title'] for record in records] == ['step a', 'step b']
    assert all(record['wall_s'] > 0 for record in records)
    # A changed step runs again, and so does all that follows it.
    steps[0] = writer(tool, 'step a', out, 'A')
    run(tool, tmp_path, *steps)
    assert out.read_text() == 'abAb'


def test_work_folders_share_a_step_with_a_record_of_its_own(tool, tmp_path):
    out, first, second = (tmp_path / n for n in ('out.txt', 'one', 'two'))
    step = writer(tool, 'data', out, 'x')
    step = dataclasses.replace(step, record=tmp_path / 'data.steps.json')
    for work_dir in (first, second):
        work_dir.mkdir()
        run(tool, work_dir, step)
    assert out.read_text() == 'x'
    assert not (second / 'steps.json').exists()


def test_chains_run_at_the_same_time_and_share_the_cores(tool, tmp_path):
    # Each waits until the other has begun.
    code = (
        'import os, pathlib, time\n'
        'here = pathlib.Path({folder!r})\n'
        '(here / {me!r}).write_text(os.environ["OMP_NUM_THREADS"])\n'
        'while not (here / {other!r}).exists(): time.sleep(0.01)\n'
    )
    pair = {'one': 'two', 'two': 'one'}
    runner = tool.StepRunner(tmp_path)
    records = runner.run(
        {
            me: [python(tool, me, code.format(
                folder=str(tmp_path), me=me, other=other,
            ))]
            for me, other in pair.items()
        }
    )  # fmt: skip
    assert [record['chain'] for record in records] == ['one', 'two']
    threads = max(1, (tool.os.cpu_count() or 1) // 2)
    assert (tmp_path / 'one').read_text() == str(threads)


def test_what_all_chains_depend_on_counts(tool, tmp_path):
    out = tmp_path / 'out.txt'
    chains = {'a': [writer(tool, 'step', out, 'x')]}
    for before in ('old', 'old', 'new'):
        tool.StepRunner(tmp_path).run(chains, before=before)
    assert out.read_text() == 'xx'


def test_a_failure_names_step_and_log_and_is_not_recorded(tool, tmp_path):
    step = python(tool, 'broken', 'print("why"); raise SystemExit(3)')
    with pytest.raises(
        tool.StepFailedError, match=r'(?s)why.*"broken" ended with status 3'
    ):
        run(tool, tmp_path, step)
    assert not (tmp_path / 'steps.json').exists()


def test_a_failure_ends_what_runs_beside_it(tool, tmp_path):
    chains = {
        'long': [python(tool, 'sleeper', 'import time; time.sleep(60)')] * 2,
        'short': [python(tool, 'broken', 'raise SystemExit(3)')],
    }
    start = time.time()
    with pytest.raises(tool.StepFailedError, match='"broken" ended'):
        tool.StepRunner(tmp_path).run(chains)
    assert time.time() - start < 30


def test_bars_are_not_logged_and_errors_are(tool, tmp_path):
    code = (
        'import sys\n'
        'print("said")\n'
        'sys.stderr.write("10 %\\r20 %\\rwarned\\n")\n'
    )
    run(tool, tmp_path, python(tool, 'step', code))
    log = (tmp_path / 'logs' / 'step.log').read_text()
    assert 'said' in log and 'warned' in log and '%' not in log
