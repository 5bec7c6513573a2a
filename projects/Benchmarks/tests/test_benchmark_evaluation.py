"""The benchmark of the evaluation measures what it names; no times here."""

import argparse

import numpy as np
import pytest

from mmocc.evaluation.functional import PRESETS, occ_histogram
from mmocc.projects.Benchmarks.benchmarks.benchmarking import (
    median_ms,
    street_scene,
)
from mmocc.structures import FREE


@pytest.fixture(scope='module')
def evaluation(load_tool):
    return load_tool('projects/Benchmarks/tools/benchmark_evaluation.py')


def test_scenes_are_occ3d_grids_that_differ():
    scenes = [street_scene(seed) for seed in (0, 0, 1)]
    assert scenes[0].shape == (200, 200, 16)
    assert (scenes[0] == scenes[1]).all()
    assert (scenes[0] != scenes[2]).any()
    # Every class is there, and most of the space is free.
    counts = occ_histogram(scenes[0], scenes[0]).diagonal()
    assert (counts > 0).sum() > 12
    assert counts[FREE] > scenes[0].size / 2


def test_every_call_is_timed():
    seen = []
    row = median_ms(seen.append, [(1,), (2,)], repeats=3)
    assert seen == [1, 1, 2, 1, 2, 1, 2]
    assert row['calls'] == 6
    assert row['ms'] >= 0


def test_memory_of_a_process_is_read(evaluation):
    now = evaluation.resident_mib('VmRSS')
    assert 0 < now <= evaluation.resident_mib('VmHWM')
    with pytest.raises(RuntimeError, match='has no VmNone'):
        evaluation.resident_mib('VmNone')


def test_growth_is_that_of_the_files(evaluation, tmp_path):
    warm_up = evaluation.write_frames(tmp_path, 1, 0)
    paths = evaluation.write_frames(tmp_path, 3, 0)
    assert len(set(paths)) == 2
    with np.load(paths[0]) as pred, np.load(paths[1]) as truth:
        assert pred['tokens'].tolist() == truth['tokens'].tolist()[::-1]
    assert evaluation.peak_growth(paths, warm_up) < 50


def test_the_report_has_every_preset(evaluation, monkeypatch, capsys):
    monkeypatch.setattr(evaluation, 'NUM_FRAMES', 1)
    monkeypatch.setattr(evaluation, 'NUM_PLANS', 1)
    monkeypatch.setattr(evaluation, 'memory_rows', lambda seed: {'x': 0.5})
    args = argparse.Namespace(repeats=1, seed=0, device='cpu')
    report = evaluation.measure(args)
    for name in PRESETS:
        assert f'planning, {name}' in report['rows']
    for name in ('omnidrive', 'bevplanner'):
        assert f'planning, {name} with a map' in report['rows']
    printed = capsys.readouterr().out
    assert all(name in printed for name in report['rows'])
    assert report['memory_mib'] == {'x': 0.5}
