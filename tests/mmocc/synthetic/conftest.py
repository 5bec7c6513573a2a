"""Scenes and data sets that several tests of the generator share."""

import dataclasses

import pytest

from mmocc.synthetic.presets import PRESETS, Preset
from mmocc.synthetic.scene import Stage, set_stage

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
def stages() -> dict[str, Stage]:
    """Every scene of the mini preset, simulated but not rendered."""
    preset = PRESETS['mini']
    return {
        scenario: set_stage(SEED, name, scenario, ORIGIN, preset.frames)
        for name, scenario, _ in preset.scenes
    }
