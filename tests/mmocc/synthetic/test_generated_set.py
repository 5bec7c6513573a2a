"""The smallest preset, read with nuScenes' own tools."""

import json
import subprocess
import sys

import numpy as np
import pytest
from nuscenes.can_bus.can_bus_api import NuScenesCanBus
from nuscenes.map_expansion.map_api import NuScenesMap
from nuscenes.nuscenes import NuScenes
from nuscenes.utils.data_classes import LidarPointCloud
from nuscenes.utils.geometry_utils import points_in_box
from pyquaternion import Quaternion

from mmocc.structures import FREE, OccGrid

VERSION = 'v1.0-mini'


def generate(repository, out, *options):
    return subprocess.run(
        [
            sys.executable,
            repository / 'tools/create_synthetic_nuscenes.py',
            *('--preset', 'unit', '--out', out, *options),
        ],
        env={'PYTHONPATH': str(repository), 'PATH': '/usr/bin:/bin'},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope='module')
def root(repository, tmp_path_factory):
    out = tmp_path_factory.mktemp('synthetic') / 'unit'
    done = generate(repository, out, '--workers', '2')
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope='module')
def nusc(root):
    return NuScenes(VERSION, str(root), verbose=False)


def rigid(record):
    """4 x 4 matrix of a calibration or pose record."""
    matrix = np.eye(4)
    matrix[:3, :3] = Quaternion(record['rotation']).rotation_matrix
    matrix[:3, 3] = record['translation']
    return matrix


def lidar(nusc, sample):
    """Points (N, 3) of a key frame in the ego frame, and ego2global."""
    data = nusc.get('sample_data', sample['data']['LIDAR_TOP'])
    cloud = LidarPointCloud.from_file(nusc.get_sample_data_path(data['token']))
    sensor = rigid(
        nusc.get('calibrated_sensor', data['calibrated_sensor_token'])
    )
    points = cloud.points[:3].T @ sensor[:3, :3].T + sensor[:3, 3]
    return points, rigid(nusc.get('ego_pose', data['ego_pose_token']))


def label(nusc, root, sample):
    scene = nusc.get('scene', sample['scene_token'])['name']
    with np.load(
        root / 'gts' / scene / sample['token'] / 'labels.npz'
    ) as file:
        return {name: file[name] for name in file.files}


def test_the_devkit_reads_tables_maps_and_can_bus(root, nusc):
    can_bus = NuScenesCanBus(str(root))
    for scene in nusc.scene:
        location = nusc.get('log', scene['log_token'])['location']
        road_map = NuScenesMap(str(root), location)
        assert road_map.lane and road_map.lane_connector
        assert can_bus.get_messages(scene['name'], 'pose')
        sample = nusc.get('sample', scene['first_sample_token'])
        count = 0
        while True:
            count += 1
            if not sample['next']:
                break
            sample = nusc.get('sample', sample['next'])
        assert count == scene['nbr_samples']


def test_ego_drives_on_lanes(root, nusc):
    for sample in nusc.sample:
        scene = nusc.get('scene', sample['scene_token'])
        location = nusc.get('log', scene['log_token'])['location']
        _, ego2global = lidar(nusc, sample)
        x, y = ego2global[:2, 3]
        layers = NuScenesMap(str(root), location).layers_on_point(x, y)
        assert layers['drivable_area'], sample['token']


def test_boxes_hold_the_points_they_count(nusc):
    counted = 0
    for sample in nusc.sample:
        points, ego2global = lidar(nusc, sample)
        points = points @ ego2global[:3, :3].T + ego2global[:3, 3]
        for token in sample['anns']:
            inside = points_in_box(nusc.get_box(token), points.T).sum()
            record = nusc.get('sample_annotation', token)
            assert inside == record['num_lidar_pts'], token
            counted += inside
    assert counted > 100


def test_points_fall_into_occupied_voxels(root, nusc):
    grid, hits, total = OccGrid(), 0, 0
    for sample in nusc.sample:
        points, _ = lidar(nusc, sample)
        index, inside = grid.to_index(points)
        index = index[inside]
        semantics = label(nusc, root, sample)['semantics']
        hits += (semantics[tuple(index.T)] != FREE).sum()
        total += len(index)
    assert total > 1000
    assert hits / total > 0.97


def test_masks_nest_and_hide_what_was_not_seen(root, nusc):
    for sample in nusc.sample:
        arrays = label(nusc, root, sample)
        camera, beam = (
            arrays[f'mask_{n}'].astype(bool) for n in ('camera', 'lidar')
        )
        assert not (camera & ~beam).any()
        assert (arrays['semantics'][~beam] == FREE).all()
        assert camera.mean() > 0.01
        assert (arrays['semantics'][camera] != FREE).sum() > 1000


def test_tables_do_not_depend_on_the_number_of_workers(
    root, repository, tmp_path
):
    again = tmp_path / 'again'
    done = generate(repository, again, '--workers', '1')
    assert done.returncode == 0, done.stderr
    for path in sorted((root / VERSION).glob('*.json')):
        other = again / VERSION / path.name
        assert path.read_bytes() == other.read_bytes(), path.name


def test_it_says_that_it_is_synthetic(root, nusc):
    assert (root / 'SYNTHETIC.md').is_file()
    assert all('synthetic' in s['description'].lower() for s in nusc.scene)
    manifest = json.loads((root / 'manifest.json').read_text())
    assert manifest['seed'] == 0


def test_a_folder_with_files_in_it_is_refused(repository, tmp_path):
    (tmp_path / 'mine.txt').write_text('keep me')
    done = generate(repository, tmp_path)
    assert done.returncode != 0
    assert str(tmp_path) in done.stderr and 'empty' in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ['mine.txt']


def test_an_unknown_preset_is_refused(repository, tmp_path):
    done = generate(repository, tmp_path / 'x', '--preset', 'huge')
    assert done.returncode != 0
    assert 'huge' in done.stderr and 'mini' in done.stderr
    assert not (tmp_path / 'x').exists()
