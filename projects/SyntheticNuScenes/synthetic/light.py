"""Sun, sky and weather of a scene."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class _Palette(NamedTuple):
    """Parameters that all scenes of one weather share; see ``Light``."""

    ambient: float
    direct: float
    tint: tuple[float, float, float]
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    haze: float
    clouds: float
    wet: float
    height: tuple[float, float]  # range of the sine of the sun's elevation
    lamps: float = 0.0


_PALETTES = {
    'clear': _Palette(
        ambient=0.62,
        direct=0.52,
        tint=(1.0, 1.0, 0.98),
        zenith=(86, 138, 214),
        horizon=(196, 214, 232),
        haze=420,
        clouds=0.25,
        wet=0,
        height=(0.55, 0.95),
    ),
    'overcast': _Palette(
        ambient=0.82,
        direct=0.16,
        tint=(0.96, 0.98, 1.0),
        zenith=(168, 176, 186),
        horizon=(206, 210, 214),
        haze=300,
        clouds=1,
        wet=0,
        height=(0.55, 0.95),
    ),
    'golden': _Palette(
        ambient=0.52,
        direct=0.62,
        tint=(1.08, 0.98, 0.84),
        zenith=(104, 132, 186),
        horizon=(240, 208, 168),
        haze=330,
        clouds=0.35,
        wet=0,
        height=(0.32, 0.32),
    ),
    'rain': _Palette(
        ambient=0.66,
        direct=0.08,
        tint=(0.92, 0.97, 1.02),
        zenith=(128, 136, 146),
        horizon=(170, 176, 182),
        haze=160,
        clouds=1,
        wet=1,
        height=(0.8, 0.8),
    ),
    'night': _Palette(
        ambient=0.3,
        direct=0.08,  # of the moon
        tint=(0.9, 0.95, 1.1),
        zenith=(9, 12, 24),
        horizon=(34, 34, 44),
        haze=260,
        clouds=0,
        wet=0,
        height=(0.5, 0.9),
        lamps=1.2,
    ),
}
WEATHERS = tuple(_PALETTES)
DAYLIGHT = tuple(n for n in WEATHERS if not _PALETTES[n].lamps)


@dataclass
class Light:
    """Sun, sky and weather of a scene.

    Attributes:
        name (str): Word for the scene's description.
        sun (np.ndarray): (3,) unit vector to the sun.
        ambient, direct (float): Strength of sky and sun.
        tint (tuple): RGB gains.
        zenith, horizon (tuple): RGB of the sky.
        haze (float): Range in metres at which contrast falls to 1 / e.
        clouds (float): Share of the sky that is clouded.
        wet (float): 0 for a dry road, 1 for a wet one.
        lamps (float): Strength of the ego car's headlights; lit windows
            shine where it is above 0.
    """

    name: str
    sun: np.ndarray
    ambient: float
    direct: float
    tint: tuple[float, float, float]
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    haze: float
    clouds: float
    wet: float
    lamps: float


def draw_light(
    rng: np.random.Generator, weathers: Sequence[str] = DAYLIGHT
) -> Light:
    """Draw one of ``weathers`` and where the sun stands in it."""
    name = weathers[rng.integers(len(weathers))]
    palette = _PALETTES[name]
    azimuth = rng.uniform(0, 2 * np.pi)
    height = rng.uniform(*palette.height)
    flat = np.sqrt(1 - height**2)
    gain = rng.uniform(0.9, 1.1)
    return Light(
        name,
        np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), height]),
        palette.ambient * gain,
        palette.direct * gain,
        palette.tint,
        palette.zenith,
        palette.horizon,
        float(palette.haze),
        float(palette.clouds),
        float(palette.wet),
        float(palette.lamps),
    )
