"""A tiny nuScenes on disk, written by hand: tables, map, CAN bus, labels.

Each scene is a drive of the ego car past a parked car, behind a moving car
and a pedestrian, with an animal that is no detection class.
"""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

CAMERA_YAWS = {
    'CAM_FRONT': 0,
    'CAM_FRONT_RIGHT': -55,
    'CAM_FRONT_LEFT': 55,
    'CAM_BACK': 180,
    'CAM_BACK_LEFT': 110,
    'CAM_BACK_RIGHT': -110,
}
CATEGORIES = {
    'parked': ('vehicle.car', 'vehicle.parked', (1.9, 4.5, 1.6)),
    'lead': ('vehicle.car', 'vehicle.moving', (1.9, 4.5, 1.6)),
    'walker': ('human.pedestrian.adult', 'pedestrian.moving', (0.7, 0.7, 1.8)),
    'dog': ('animal', None, (0.4, 0.9, 0.6)),
}
START = 1_533_000_000_000_000
STEP = 500_000
# The canvas that mmdet3d's converter assumes.
IMAGE_SIZE = (1600, 900)
Drive = Callable[[float], tuple[float, float, float]]


def quaternion(yaw: float) -> list[float]:
    return [float(np.cos(yaw / 2)), 0.0, 0.0, float(np.sin(yaw / 2))]


def camera_quaternion(yaw: float) -> list[float]:
    """Of a camera (z forward, x right) that looks to ``yaw``."""
    half = np.array([0.5, -0.5, 0.5, -0.5])
    w, z = np.cos(yaw / 2), np.sin(yaw / 2)
    a, b, c, d = half
    product = [w * a - z * d, w * b - z * c, w * c + z * b, w * d + z * a]
    return [float(v) for v in product]


class HandmadeNuScenes:
    """Collects the rows of the tables and writes them.

    Args:
        root (Path): The data root.
        drives (dict): Scene name to the ego pose (x, y, yaw) at a time in
            seconds.
        frames (int): Key frames of a scene.
        map_tables (dict): Content of the map-expansion file; none if None.
    """

    location = 'boston-seaport'

    def __init__(
        self,
        root: Path,
        drives: dict[str, Drive],
        frames: int = 16,
        map_tables: dict | None = None,
        version: str = 'v1.0-mini',
    ) -> None:
        self.root, self.version, self.frames = root, version, frames
        self.tables: dict[str, list[dict]] = {
            name: []
            for name in (
                'category attribute visibility instance sensor '
                'calibrated_sensor ego_pose log scene sample sample_data '
                'sample_annotation map'
            ).split()
        }
        self._static_tables()
        for name, drive in drives.items():
            self._scene(name, drive)
            self._can_bus(name, drive)
        if map_tables is not None:
            path = root / 'maps' / 'expansion' / f'{self.location}.json'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(map_tables))
        self.write()

    def write(self) -> None:
        folder = self.root / self.version
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in self.tables.items():
            (folder / f'{name}.json').write_text(json.dumps(rows))

    def _add(self, table: str, **row: object) -> str:
        row.setdefault('token', f'{table}-{len(self.tables[table])}')
        self.tables[table].append(row)
        return row['token']

    def _static_tables(self) -> None:
        for level in '1234':
            self._add(
                'visibility', token=level, level=level, description=level
            )
        for name, _, _ in CATEGORIES.values():
            if name not in [r['name'] for r in self.tables['category']]:
                self._add('category', token=name, name=name, description='')
        for _, name, _ in CATEGORIES.values():
            if name:
                self._add('attribute', token=name, name=name, description='')
        self._sensors()
        self._add(
            'map',
            log_tokens=[],
            category='semantic_prior',
            filename='maps/none.png',
        )
        (self.root / 'maps').mkdir(parents=True, exist_ok=True)
        blank = np.zeros((8, 8), np.uint8)
        cv2.imwrite(str(self.root / 'maps' / 'none.png'), blank)

    def _sensors(self) -> None:
        self._add(
            'sensor', token='LIDAR_TOP', channel='LIDAR_TOP', modality='lidar'
        )
        self._add(
            'calibrated_sensor',
            token='cal-LIDAR_TOP',
            sensor_token='LIDAR_TOP',
            translation=[0.94, 0.0, 1.84],
            rotation=quaternion(-np.pi / 2),
            camera_intrinsic=[],
        )
        for channel, degrees in CAMERA_YAWS.items():
            self._add(
                'sensor', token=channel, channel=channel, modality='camera'
            )
            yaw = np.deg2rad(degrees)
            self._add(
                'calibrated_sensor',
                token=f'cal-{channel}',
                sensor_token=channel,
                translation=[
                    1.0 + 0.5 * float(np.cos(yaw)),
                    0.5 * float(np.sin(yaw)),
                    1.5,
                ],
                rotation=camera_quaternion(yaw),
                camera_intrinsic=[
                    [1260.0, 0.0, 800.0],
                    [0.0, 1260.0, 450.0],
                    [0.0, 0.0, 1.0],
                ],
            )

    def _reading(
        self, channel: str, token: str, name: str, drive: Drive, time: float
    ) -> str:
        stamp = START + round(time * 1e6)
        x, y, yaw = drive(time)
        pose = self._add(
            'ego_pose',
            translation=[x, y, 0.0],
            rotation=quaternion(yaw),
            timestamp=stamp,
        )
        camera = channel != 'LIDAR_TOP'
        suffix = 'jpg' if camera else 'pcd.bin'
        filename = f'samples/{channel}/{name}__{channel}__{stamp}.{suffix}'
        path = self.root / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        if camera:
            cv2.imwrite(str(path), np.zeros((9, 16, 3), np.uint8))
        else:
            np.zeros((4, 5), np.float32).tofile(path)
        return self._add(
            'sample_data',
            sample_token=token,
            ego_pose_token=pose,
            calibrated_sensor_token=f'cal-{channel}',
            filename=filename,
            fileformat=suffix,
            width=IMAGE_SIZE[0] if camera else 0,
            height=IMAGE_SIZE[1] if camera else 0,
            timestamp=stamp,
            is_key_frame=True,
            prev='',
            next='',
        )

    @staticmethod
    def _link(rows: list[dict]) -> None:
        for before, after in pairwise(rows):
            before['next'], after['prev'] = after['token'], before['token']

    def _scene(self, name: str, drive: Drive) -> None:
        log = self._add(
            'log',
            logfile=name,
            vehicle='hand',
            date_captured='2018-01-01',
            location=self.location,
        )
        self.tables['map'][0]['log_tokens'].append(log)
        scene = f'scene-token-{name}'
        samples, lidars = [], []
        for k in range(self.frames):
            token = f'{name}-sample-{k}'
            time = k * STEP / 1e6
            self._add(
                'sample',
                token=token,
                timestamp=START + k * STEP,
                scene_token=scene,
                prev='',
                next='',
            )
            samples.append(self.tables['sample'][-1])
            self._reading('LIDAR_TOP', token, name, drive, time)
            lidars.append(self.tables['sample_data'][-1])
            for number, channel in enumerate(CAMERA_YAWS):
                # Cameras fire a little before the LiDAR.
                early = 0.005 * number if k else 0.0
                self._reading(channel, token, name, drive, time - early)
        self._link(samples)
        self._link(lidars)
        self._boxes(name, drive, [s['token'] for s in samples])
        self._add(
            'scene',
            token=scene,
            name=name,
            description='hand-made',
            log_token=log,
            nbr_samples=self.frames,
            first_sample_token=samples[0]['token'],
            last_sample_token=samples[-1]['token'],
        )

    def _boxes(self, name: str, drive: Drive, samples: list[str]) -> None:
        x0, y0, yaw0 = drive(0.0)
        for kind, (category, attribute, size) in CATEGORIES.items():
            instance = f'{name}-{kind}'
            rows = []
            for k, sample in enumerate(samples):
                time = k * STEP / 1e6
                if kind == 'lead':
                    # Ten metres ahead, whatever the ego car does.
                    x, y, yaw = drive(time)
                    x, y = x + 10 * np.cos(yaw), y + 10 * np.sin(yaw)
                elif kind == 'walker':
                    x, y, yaw = x0 + 12, y0 - 6 + 1.2 * time, np.pi / 2
                elif kind == 'dog':
                    x, y, yaw = x0 + 8, y0 + 5, 0.3
                else:
                    x, y, yaw = x0 + 15, y0 + 4, yaw0 + 0.2
                self._add(
                    'sample_annotation',
                    sample_token=sample,
                    instance_token=instance,
                    attribute_tokens=[attribute] if attribute else [],
                    visibility_token='4',
                    translation=[float(x), float(y), size[2] / 2],
                    size=list(size),
                    rotation=quaternion(yaw),
                    num_lidar_pts=7 if kind != 'walker' else 0,
                    num_radar_pts=0,
                    prev='',
                    next='',
                )
                rows.append(self.tables['sample_annotation'][-1])
            self._link(rows)
            self._add(
                'instance',
                token=instance,
                category_token=category,
                nbr_annotations=len(rows),
                first_annotation_token=rows[0]['token'],
                last_annotation_token=rows[-1]['token'],
            )

    def _can_bus(self, name: str, drive: Drive) -> None:
        folder = self.root / 'can_bus'
        folder.mkdir(exist_ok=True)
        poses, steers = [], []
        for time in np.arange(0, self.frames * STEP / 1e6, 0.02):
            before, now = np.array(drive(time - 0.01)), np.array(drive(time))
            after = np.array(drive(time + 0.01))
            vx, vy, rate = (after - before) / 0.02
            turn = np.array(
                [
                    [np.cos(now[2]), np.sin(now[2])],
                    [-np.sin(now[2]), np.cos(now[2])],
                ]
            )
            stamp = START + round(time * 1e6)
            poses.append(
                dict(
                    accel=[0.1, 0.2, 9.8],
                    orientation=quaternion(now[2]),
                    pos=[*now[:2].tolist(), 0.0],
                    rotation_rate=[0.0, 0.0, rate],
                    utime=stamp,
                    vel=[*(turn @ [vx, vy]).tolist(), 0.0],
                )
            )
            steers.append(dict(utime=stamp, value=16 * rate))
        (folder / f'{name}_pose.json').write_text(json.dumps(poses))
        (folder / f'{name}_steeranglefeedback.json').write_text(
            json.dumps(steers)
        )

    def write_occ3d(self) -> None:
        """Empty label files; the converter looks at their names only."""
        for sample in self.tables['sample']:
            name = sample['token'].split('-sample-')[0]
            path = self.root / 'gts' / name / sample['token'] / 'labels.npz'
            path.parent.mkdir(parents=True)
            path.write_bytes(b'')

    def write_questions(self) -> None:
        """One question about the first sample of each scene."""
        folder = self.root / 'NuScenes_QA'
        folder.mkdir()
        for split in ('train', 'val'):
            questions = [
                dict(
                    split=split,
                    sample_token=scene['first_sample_token'],
                    question='How many cars are there?',
                    answer=2,
                    num_hop=0,
                    template_type='count',
                )
                for scene in self.tables['scene']
            ]
            (folder / f'NuScenes_{split}_questions.json').write_text(
                json.dumps(dict(info={}, questions=questions))
            )
