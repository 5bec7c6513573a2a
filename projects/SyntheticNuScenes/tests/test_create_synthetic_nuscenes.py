"""The command: what it refuses, what it resumes, what it repeats."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import pytest

TOOLS = Path(__file__).parents[3] / 'tools'
SMALL = (
    *('--preset', 'unit', '--frames', '2'),
    *('--train-scenes', '1', '--val-scenes', '1'),
)
PATIENCE = 900  # s until a test gives up on the command


def command(repository, *options):
    tool = repository / 'tools/create_synthetic_nuscenes.py'
    return subprocess.Popen(
        [sys.executable, str(tool), *map(str, options)],
        env=os.environ | {'PYTHONPATH': str(repository)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(repository, *options):
    process = command(repository, *options)
    _, errors = process.communicate(timeout=PATIENCE)
    return process.returncode, errors


@pytest.fixture(scope='module')
def small(repository, tmp_path_factory):
    """A small data set, made with two workers."""
    out = tmp_path_factory.mktemp('whole') / 'set'
    code, errors = run(repository, *SMALL, '--out', out, '--workers', 2)
    assert code == 0, errors
    assert '4/4' in errors  # the progress bar came to its end
    return out


@pytest.fixture(scope='module')
def tool(load_tool):
    """The command as a module; it imports its neighbours in ``tools/``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(TOOLS))
        return load_tool(
            'projects/SyntheticNuScenes/tools/create_synthetic_nuscenes.py'
        )


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


def test_a_killed_run_goes_on_and_ends_the_same(repository, small, tmp_path):
    """One worker instead of two, killed after the first scene."""
    out = tmp_path / 'set'
    process = command(repository, *SMALL, '--out', out, '--workers', 1)
    record = tmp_path / 'set.partial' / 'records' / 'scene-0061.json'
    deadline = time.monotonic() + PATIENCE
    while not record.is_file():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    assert not out.exists()
    made = record.stat().st_mtime_ns
    first = next((tmp_path / 'set.partial/data/samples/CAM_FRONT').iterdir())
    stamp = first.stat().st_mtime_ns

    code, errors = run(repository, *SMALL, '--out', out, '--workers', 1)
    assert code == 0, errors
    assert [p.name for p in tmp_path.iterdir()] == ['set']
    kept = out / 'samples/CAM_FRONT' / first.name
    assert kept.stat().st_mtime_ns == stamp >= made - PATIENCE * 10**9
    assert contents(out) == contents(small)


def test_a_full_run_has_large_images_and_sweeps(repository, tmp_path):
    out = tmp_path / 'full'
    code, errors = run(
        repository,
        *('--preset', 'full', '--out', out, '--frames', 2),
        *('--train-scenes', 1, '--val-scenes', 1, '--workers', 2),
        *('--lidar-sweeps', 2, '--camera-sweeps', 0),
    )
    assert code == 0, errors
    images = sorted(out.glob('samples/CAM_*/*.jpg'))
    assert len(images) == 24
    assert cv2.imread(str(images[0])).shape == (900, 1600, 3)
    assert len(list(out.glob('sweeps/LIDAR_TOP/*.pcd.bin'))) == 4
    assert not list(out.glob('sweeps/CAM_*/*'))


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (('--preset', 'huge'), ('huge', 'mini')),
        (('--train-scenes', '0'), ('--train-scenes', '1 to 8', 'got 0')),
        (('--val-scenes', '3'), ('--val-scenes', '1 to 2', 'got 3')),
        (('--frames', '0'), ('0 key frames',)),
        (('--workers', '0'), ('--workers', 'got 0')),
        (('--seed', '-1'), ('--seed', 'got -1')),
        (('--lidar-sweeps', '-2'), ('lidar_sweeps is -2',)),
    ],
)
def test_bad_options_are_refused(tool, tmp_path, capsys, options, words):
    with pytest.raises(SystemExit) as stop:
        tool.main(['--out', str(tmp_path / 'x'), *options])
    assert stop.value.code == 2
    message = capsys.readouterr().err
    assert all(word in message for word in words)
    assert not list(tmp_path.iterdir())


def test_folders_that_cannot_be_used_are_refused(tool, tmp_path):
    note = tmp_path / 'mine.txt'
    note.write_text('keep me')
    for out, words in (
        (tmp_path, 'not empty'),
        (note, 'is a file'),
        (note / 'below', 'writable place'),
    ):
        with pytest.raises(SystemExit, match=words):
            tool.main(['--out', str(out), '--preset', 'unit'])
    assert [p.name for p in tmp_path.iterdir()] == ['mine.txt']


def test_the_generator_loads_no_models():
    """They would take most of the time that the preset ``unit`` needs."""
    code = (
        'import sys, create_synthetic_nuscenes; '
        "print(sorted({'spconv', 'mmdet3d.models', 'transformers'}"
        ' & set(sys.modules)))'
    )
    result = subprocess.run(
        [sys.executable, '-c', code],
        env=os.environ
        | {'PYTHONPATH': os.pathsep.join((str(TOOLS), str(TOOLS.parent)))},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert result.stdout.strip() == '[]'
