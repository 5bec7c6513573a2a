"""The roof LiDAR: one sweep in nuScenes' file order, and survey rays."""

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.calibration import (
    LIDAR_RINGS,
    LIDAR_TRANSLATION,
)
from mmocc.projects.SyntheticNuScenes.synthetic.ground import (
    GROUND_LABEL,
    WHITE,
    YELLOW,
    Ground,
)
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    GROUND,
    INSTANCE,
    LABEL,
    SKY,
    STATIC,
    Scene,
    cast_many,
)
from mmocc.structures.occ3d import OCC3D_CLASSES

RANGE = 100.0
# A return lies this far behind the surface, so that it is inside the solid.
DEPTH = 0.05
_NOISE = 0.01  # metres, standard deviation of the range

# Mean intensity of a return from each Occ3D class, of 255.
_INTENSITY = dict.fromkeys(OCC3D_CLASSES, 14.0) | {
    'driveable_surface': 8.0,
    'sidewalk': 16.0,
    'terrain': 22.0,
    'vegetation': 18.0,
    'traffic_cone': 60.0,
    'barrier': 40.0,
    'car': 24.0,
    'bus': 22.0,
}
_PAINT_INTENSITY = 48.0


def sweep_rays(azimuths: int) -> np.ndarray:
    """(azimuths * 32, 3) unit rays in the LiDAR frame, in file order.

    Firing after firing, clockwise; inside a firing ring 0 to 31.
    """
    turn = -2 * np.pi * np.arange(azimuths) / azimuths
    return _rays(np.radians(LIDAR_RINGS), turn)


def survey_rays(
    beams: int, azimuths: int, rng: np.random.Generator
) -> np.ndarray:
    """Denser rays that stand for the sweeps between two key frames.

    Three quarters of the beams meet flat ground at ranges spread evenly from
    3 to 46 m; the others look up to 11 degrees high. All are jittered.
    """
    down = int(beams * 0.72)
    reach = np.linspace(3.0, 46.0, down) + rng.uniform(-0.5, 0.5, down)
    low = -np.arctan(LIDAR_TRANSLATION[2] / reach)
    high = np.radians(np.linspace(-1.0, 11.0, beams - down))
    high += np.radians(rng.uniform(-0.3, 0.3, beams - down))
    turn = 2 * np.pi * (np.arange(azimuths) + rng.uniform()) / azimuths
    return _rays(np.concatenate([low, high]), turn)


def _rays(elevation: np.ndarray, turn: np.ndarray) -> np.ndarray:
    azimuth, up = np.meshgrid(turn, elevation, indexing='ij')
    rays = np.stack(
        [
            np.cos(up) * np.cos(azimuth),
            np.cos(up) * np.sin(azimuth),
            np.sin(up),
        ],
        axis=-1,
    )
    return rays.reshape(-1, 3)


class Sweep:
    """Returns of one sweep.

    Attributes:
        points (np.ndarray): (N, 5) float32 x, y, z, intensity, ring in the
            LiDAR frame: what the file holds.
        owner (np.ndarray): (N,) index of the agent hit, -1 for none.
        label (np.ndarray): (N,) Occ3D class hit.
    """

    def __init__(
        self,
        scene: Scene,
        ground: Ground,
        lidar2global: np.ndarray,
        azimuths: int,
        rng: np.random.Generator,
    ) -> None:
        rays = sweep_rays(azimuths)
        origin = lidar2global[:3, 3]
        turned = rays @ lidar2global[:3, :3].T
        ranges, found = cast_many(scene, origin, turned, RANGE)
        ring = np.tile(np.arange(len(LIDAR_RINGS)), azimuths)
        keep = found != SKY
        ranges, found, ring = ranges[keep], found[keep], ring[keep]
        rays, turned = rays[keep], turned[keep]
        noise = rng.normal(0.0, _NOISE, len(rays)).clip(-0.04, 0.04)
        solid = found >= 0
        measured = ranges + np.where(solid, DEPTH, 0.0) + noise
        spots = origin + turned * ranges[:, None]
        codes = ground.code_at(spots[:, :2])
        self.label = np.where(
            solid,
            scene.solids[found.clip(0), LABEL].astype(int),
            GROUND_LABEL[codes],
        )
        self.owner = np.where(
            solid, scene.solids[found.clip(0), INSTANCE].astype(int), STATIC
        )
        mean = np.array([_INTENSITY[name] for name in OCC3D_CLASSES])
        intensity = mean[self.label]
        paint = (found == GROUND) & np.isin(codes, (WHITE, YELLOW))
        intensity = np.where(paint, _PAINT_INTENSITY, intensity)
        intensity = intensity * rng.uniform(0.6, 1.4, len(rays))
        self.points = np.column_stack(
            [rays * measured[:, None], intensity.round(), ring]
        ).astype(np.float32)
