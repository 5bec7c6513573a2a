"""An info file of hand-made scenes.

The ego car drives north at 6 m/s. Beside the road a car is parked 20 m ahead
and 3 m left of the start, seen by no sensor in the second frame; a truck
turns up in the third frame, 30 m ahead and 2 m right of the start, barely
visible; a cone stands at the start, 8 m ahead and 5 m right.
"""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

STEP = 3.0  # metres between frames
BOXES = {
    # name: (category, ahead, left, length, width, first frame, visibility)
    'parked': ('vehicle.car', 20.0, 3.0, 4.5, 1.9, 0, '4'),
    'late': ('vehicle.truck', 30.0, -2.0, 8.0, 2.5, 2, '1'),
    'cone': ('movable_object.trafficcone', 8.0, -5.0, 0.4, 0.4, 0, '3'),
}
NORTH = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])


def rigid(turn: np.ndarray, *shift: float) -> np.ndarray:
    made = np.eye(4)
    made[:3, :3], made[:3, 3] = turn, shift
    return made


def make_info(scene: str, index: int, length: int) -> dict:
    """One frame; the LiDAR's x axis points right."""
    ego2global = rigid(NORTH, 100, 200 + STEP * index, 0)
    lidar2ego = rigid(NORTH.T, 0.94, 0, 1.84)
    steps = np.arange(1, 7)
    mask = index + steps < length
    instances = []
    for name, box in BOXES.items():
        category, ahead, left, size_x, size_y, first, visibility = box
        if index < first:
            continue
        # Forward is the LiDAR's y, left its -x.
        centre = [-left, ahead - STEP * index - 0.94, -1.0]
        unseen = name == 'parked' and index == 1
        instances.append(
            {
                'bbox_3d': [*centre, size_x, size_y, 1.5, np.pi / 2],
                'num_lidar_pts': 0 if unseen else 9,
                'num_radar_pts': 0,
                'instance_token': name,
                'category_name': category,
                'visibility': visibility,
            }
        )
    return {
        'token': f'{scene}-{index}',
        'scene_token': scene,
        'frame_idx': index,
        'ego2global': ego2global.tolist(),
        'lidar_points': {'lidar2ego': lidar2ego.tolist()},
        'ego': {
            'fut_poses': np.column_stack(
                (STEP * steps * mask, np.zeros((6, 2)))
            ),
            'fut_mask': mask,
        },
        'instances': instances,
    }


@pytest.fixture(scope='session')
def write_infos() -> Callable[[Path, list[dict]], Path]:
    """Write entries as an info file."""

    def write(path: Path, infos: list[dict]) -> Path:
        with path.open('wb') as file:
            pickle.dump({'metainfo': {}, 'data_list': infos}, file)
        return path

    return write


@pytest.fixture(scope='session')
def scene_infos() -> list[dict]:
    """Entries of scene ``a`` with 15 frames and ``b`` with 4."""
    return [
        make_info(scene, index, length)
        for scene, length in (('a', 15), ('b', 4))
        for index in range(length)
    ]


@pytest.fixture(scope='session')
def scene_file(tmp_path_factory, write_infos, scene_infos) -> Path:
    """The info file of both scenes."""
    folder = tmp_path_factory.mktemp('scenes')
    return write_infos(folder / 'infos_val.pkl', scene_infos)
