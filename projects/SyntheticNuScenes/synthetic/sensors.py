"""Record the sensors of the car: readings, times and file names.

Cameras are exposed a little before the LiDAR where the preset asks for it,
each with an ego pose of its own. Readings between two key frames ("sweeps")
go to ``sweeps/``.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.calibration import (
    CAMERA_RIG,
    Camera,
    lidar2ego,
)
from mmocc.projects.SyntheticNuScenes.synthetic.lidar import Sweep
from mmocc.projects.SyntheticNuScenes.synthetic.presets import Preset
from mmocc.projects.SyntheticNuScenes.synthetic.render import (
    Appearance,
    render,
)
from mmocc.projects.SyntheticNuScenes.synthetic.stage import (
    Instant,
    Stage,
    freeze,
)
from mmocc.structures.occ3d import STEP_SECONDS

LIDAR_CHANNEL = 'LIDAR_TOP'
KEY_FOLDER, SWEEP_FOLDER = 'samples', 'sweeps'
MICRO = 1_000_000


@dataclass
class SampleDataRow:
    """One row of the table ``sample_data``.

    Attributes:
        channel (str): Name of the sensor, such as ``CAM_FRONT``.
        stamp (int): Time in microseconds.
        pose (list): Ego x, y, yaw at that time, global.
        key (bool): Whether it belongs to the key frame itself.
        filename (str): Below the data root.
    """

    channel: str
    stamp: int
    pose: list[float]
    key: bool
    filename: str


class View(NamedTuple):
    """A rendered key frame of one camera.

    Attributes:
        instant (Instant): When it was exposed.
        cam2global (np.ndarray): (4, 4) pose at that time.
        cam2img (np.ndarray): (3, 3) intrinsics.
        ranges (np.ndarray): (H, W) metres along the rays.
        owners (np.ndarray): (H, W) agent that each pixel shows, -1 for none.
    """

    instant: Instant
    cam2global: np.ndarray
    cam2img: np.ndarray
    ranges: np.ndarray
    owners: np.ndarray


class Recorder:
    """Record the sensor readings of one scene and write their files.

    Args:
        root (Path): Data root that is being filled.
        preset (Preset): Sizes.
        name (str): Of the scene.
        stage (Stage): The scene.
        look (Appearance): Colours and light.
        stamp (int): Timestamp of the first key frame, microseconds.
    """

    def __init__(
        self,
        root: Path,
        preset: Preset,
        name: str,
        stage: Stage,
        look: Appearance,
        stamp: int,
    ) -> None:
        self.root, self.preset, self.name = root, preset, name
        self.stage, self.look, self.stamp = stage, look, stamp

    def key_images(self, instant: Instant) -> tuple[list[View], list[dict]]:
        """All cameras of a key frame: views and readings."""
        views, readings = [], []
        for camera in CAMERA_RIG:
            moment = self._exposure(camera, instant.time, instant)
            view, reading = self._image(camera, moment, True)
            views.append(view)
            readings.append(reading)
        return views, readings

    def key_points(
        self, instant: Instant, rng: np.random.Generator
    ) -> tuple[Sweep, dict]:
        """The LiDAR of a key frame: returns and reading."""
        return self._points(instant, rng, True)

    def between(self, time: float, rng: np.random.Generator) -> list[dict]:
        """Readings of the half second before a key frame at ``time``."""
        readings = []
        for moment in _spread(time, self.preset.lidar_sweeps):
            instant = freeze(self.stage, moment)
            readings.append(self._points(instant, rng, False)[1])
        for moment in _spread(time, self.preset.camera_sweeps):
            for camera in CAMERA_RIG:
                instant = self._exposure(camera, moment, None)
                readings.append(self._image(camera, instant, False)[1])
        return readings

    def _exposure(
        self, camera: Camera, time: float, instant: Instant | None
    ) -> Instant:
        """Return the scene at the exposure of a camera of a key frame."""
        lead = camera.lead if self.preset.camera_offsets else 0.0
        if instant is not None and not lead:
            return instant
        return freeze(self.stage, time - lead)

    def _reading(
        self, channel: str, instant: Instant, key: bool, ending: str
    ) -> dict:
        since = instant.time - float(self.stage.times[0])
        stamp = self.stamp + round(since * MICRO)
        folder = KEY_FOLDER if key else SWEEP_FOLDER
        return asdict(
            SampleDataRow(
                channel,
                stamp,
                [float(v) for v in instant.pose],
                key,
                f'{folder}/{channel}/synthetic-{self.name}__{channel}__'
                f'{stamp}.{ending}',
            )
        )

    def _image(
        self, camera: Camera, instant: Instant, key: bool
    ) -> tuple[View, dict]:
        cam2global = instant.ego2global @ camera.cam2ego()
        cam2img = camera.intrinsic(self.preset.image_size)
        image, ranges, owners = render(
            instant.scene,
            self.stage.world.ground,
            self.look._replace(ego=instant.pose),
            cam2global,
            cam2img,
            self.preset.image_size,
        )
        reading = self._reading(camera.name, instant, key, 'jpg')
        path = self.root / reading['filename']
        # Better Huffman tables: the same pixels in fewer bytes.
        options = [
            *(cv2.IMWRITE_JPEG_QUALITY, self.preset.quality),
            *(cv2.IMWRITE_JPEG_OPTIMIZE, 1),
        ]
        if not cv2.imwrite(str(path), image, options):
            raise OSError(f'could not write the image {path}')
        return View(instant, cam2global, cam2img, ranges, owners), reading

    def _points(
        self, instant: Instant, rng: np.random.Generator, key: bool
    ) -> tuple[Sweep, dict]:
        sweep = Sweep(
            instant.scene,
            self.stage.world.ground,
            instant.ego2global @ lidar2ego(),
            self.preset.azimuths,
            rng,
        )
        reading = self._reading(LIDAR_CHANNEL, instant, key, 'pcd.bin')
        sweep.points.tofile(self.root / reading['filename'])
        return sweep, reading


def _spread(time: float, count: int) -> list[float]:
    """``count`` times between a key frame at ``time`` and the one before."""
    step = STEP_SECONDS / (count + 1)
    return [time - STEP_SECONDS + step * (k + 1) for k in range(count)]
