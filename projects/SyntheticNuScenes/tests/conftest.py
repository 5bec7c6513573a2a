"""Scenes and data sets that several tests of the generator share."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.presets import PRESETS, Preset
from mmocc.projects.SyntheticNuScenes.synthetic.stage import Stage, set_stage

SEED = 3
ORIGIN = (20.0, 20.0)


@pytest.fixture(scope='session')
def tiny_preset() -> Preset:
    """Two scenes of two small frames."""
    return dataclasses.replace(
        PRESETS['unit'],
        name='tiny',
        train=(('scene-0061', 'left_turn'),),
        val=(('scene-0103', 'change_and_right'),),
        frames=2,
        image_size=(160, 90),
    )


@pytest.fixture(scope='session')
def unlabelled() -> Callable[[Path], dict]:
    """A labeller that knows no label."""

    def label(root: Path) -> dict:
        rows = json.loads((root / 'v1.0-mini' / 'sample.json').read_text())
        return {row['token']: None for row in rows}

    return label


@pytest.fixture(scope='session')
def stages() -> dict[str, Stage]:
    """Every scene of the mini preset, simulated but not rendered."""
    preset = PRESETS['mini']
    return {
        scenario: set_stage(SEED, name, scenario, ORIGIN, preset.frames)
        for name, scenario, _ in preset.scenes
    }


@pytest.fixture(scope='session')
def generate(repository) -> Callable[..., subprocess.CompletedProcess]:
    """Run the command with options."""

    def run(*options: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            [
                sys.executable,
                repository / 'tools/create_synthetic_nuscenes.py',
                *map(str, options),
            ],
            env=os.environ | {'PYTHONPATH': str(repository)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture(scope='session')
def unit_root(generate, tmp_path_factory) -> Path:
    """The preset ``unit``, made once."""
    out = tmp_path_factory.mktemp('synthetic') / 'unit'
    done = generate('--preset', 'unit', '--out', out, '--workers', 2)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope='session')
def unit_manifest(unit_root) -> dict:
    return json.loads((unit_root / 'manifest.json').read_text())
