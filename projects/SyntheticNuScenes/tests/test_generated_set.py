"""The preset ``unit`` agrees with itself: labels, sensors and simulator."""

import itertools

import numpy as np
import pytest
from nuscenes.can_bus.can_bus_api import NuScenesCanBus
from nuscenes.map_expansion.map_api import NuScenesMap
from nuscenes.nuscenes import NuScenes
from nuscenes.utils.data_classes import LidarPointCloud
from nuscenes.utils.geometry_utils import points_in_box
from pyquaternion import Quaternion

from mmocc.projects.SyntheticNuScenes.synthetic.actors import agent_box
from mmocc.projects.SyntheticNuScenes.synthetic.calibration import (
    CAMERA_RIG,
    LIDAR_TRANSLATION,
)
from mmocc.projects.SyntheticNuScenes.synthetic.first_surface import (
    first_surfaces,
)
from mmocc.projects.SyntheticNuScenes.synthetic.ground import GROUND_LABEL
from mmocc.projects.SyntheticNuScenes.synthetic.lidar import RANGE
from mmocc.projects.SyntheticNuScenes.synthetic.presets import PRESETS
from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    LABEL,
    SKY,
    cast_many,
)
from mmocc.projects.SyntheticNuScenes.synthetic.render import FAR
from mmocc.projects.SyntheticNuScenes.synthetic.stage import freeze, set_stage
from mmocc.projects.SyntheticNuScenes.synthetic.tables import make_token
from mmocc.projects.SyntheticNuScenes.synthetic.writer import scene_origin
from mmocc.structures import FREE, OCC3D_CLASSES, OccGrid

SEED = 0
UNIT = PRESETS['unit']
# A voxel and the 26 around it; the last index of each axis.
BESIDE = np.array(
    sorted(itertools.product((-1, 0, 1), repeat=3), key=np.linalg.norm)
)
LAST = np.array(OccGrid().shape) - 1
_FLAT = ('driveable_surface', 'other_flat', 'sidewalk', 'terrain')


@pytest.fixture(scope='module')
def nusc(unit_root):
    return NuScenes('v1.0-mini', str(unit_root), verbose=False)


@pytest.fixture(scope='module')
def rebuilt():
    """The scenes of the data set, simulated again from the seed."""
    return {
        name: set_stage(SEED, name, scenario, scene_origin(index), UNIT.frames)
        for index, (name, scenario, _) in enumerate(UNIT.scenes)
    }


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


def instants(rebuilt):
    """(token of a sample, its stage frozen at that time)."""
    token = make_token(SEED, UNIT.name)
    for name, stage in rebuilt.items():
        for index, time in enumerate(stage.times):
            yield token(name, 'sample', index), freeze(stage, float(time))


def test_the_devkit_reads_tables_maps_and_can_bus(unit_root, nusc):
    can_bus = NuScenesCanBus(str(unit_root))
    for scene in nusc.scene:
        location = nusc.get('log', scene['log_token'])['location']
        road_map = NuScenesMap(str(unit_root), location)
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


def test_ego_drives_on_lanes(unit_root, nusc):
    for sample in nusc.sample:
        scene = nusc.get('scene', sample['scene_token'])
        location = nusc.get('log', scene['log_token'])['location']
        _, ego2global = lidar(nusc, sample)
        x, y = ego2global[:2, 3]
        layers = NuScenesMap(str(unit_root), location).layers_on_point(x, y)
        assert layers['drivable_area'], sample['token']


def test_lidar_points_land_on_the_depth_of_the_images(nusc, rebuilt):
    """Projected with the tables' calibration onto surfaces cast anew."""
    gaps = []
    for token, instant in instants(rebuilt):
        sample = nusc.get('sample', token)
        points, ego2global = lidar(nusc, sample)
        points = np.c_[points, np.ones(len(points))] @ ego2global.T
        for camera in CAMERA_RIG:
            data = nusc.get('sample_data', sample['data'][camera.name])
            sensor = nusc.get(
                'calibrated_sensor', data['calibrated_sensor_token']
            )
            pose = rigid(nusc.get('ego_pose', data['ego_pose_token']))
            cam2global = pose @ rigid(sensor)
            cam2img = np.array(sensor['camera_intrinsic'])
            size = (data['width'], data['height'])
            depth, _ = first_surfaces(
                instant.scene.solids, cam2global, cam2img, size, FAR
            )
            local = points @ np.linalg.inv(cam2global).T
            front = local[:, 2] > 1.0
            pixel = local[front, :3] @ cam2img.T
            u, v = np.floor(pixel[:, :2] / pixel[:, 2:]).astype(int).T
            seen = (u >= 0) & (v >= 0) & (u < size[0]) & (v < size[1])
            gaps.append(
                np.abs(depth[v[seen], u[seen]] - local[front, 2][seen])
            )
    gaps = np.concatenate(gaps)
    assert len(gaps) > 10_000
    assert np.median(gaps) < 0.5


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


def test_returns_fall_into_occupied_voxels_of_their_class(
    unit_root, nusc, rebuilt
):
    """What a return hit is found by a ray through the simulated scene.

    A voxel on the border of two classes has one of them only: there the
    return's class is that of a voxel beside its own.
    """
    grid = OccGrid()
    occupied, exact, right, total = 0, 0, 0, 0
    for token, instant in instants(rebuilt):
        sample = nusc.get('sample', token)
        points, ego2global = lidar(nusc, sample)
        semantics = label(nusc, unit_root, sample)['semantics']
        rays = points - LIDAR_TRANSLATION
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        origin = ego2global[:3, :3] @ LIDAR_TRANSLATION + ego2global[:3, 3]
        _, hit = cast_many(
            instant.scene, origin, rays @ ego2global[:3, :3].T, RANGE
        )
        stage = rebuilt[nusc.get('scene', sample['scene_token'])['name']]
        spots = points @ ego2global[:3, :3].T + ego2global[:3, 3]
        truth = np.where(
            hit >= 0,
            instant.scene.solids[hit.clip(0), LABEL].astype(int),
            GROUND_LABEL[stage.world.ground.code_at(spots[:, :2])],
        )
        index, inside = grid.to_index(points)
        inside &= hit != SKY
        around = index[inside][:, None] + BESIDE
        found = semantics[tuple(around.clip(0, LAST).transpose(2, 0, 1))]
        same = (found == truth[inside][:, None]) & (found[:, :1] != FREE)
        occupied += (found[:, 0] != FREE).sum()
        exact += same[:, 0].sum()
        right += same.any(1).sum()
        total += len(found)
    assert total > 10_000
    assert occupied / total > 0.99
    assert exact / total > 0.97
    assert right / total > 0.99


def test_masks_nest_and_hide_what_was_not_seen(unit_root, nusc):
    for sample in nusc.sample:
        arrays = label(nusc, unit_root, sample)
        camera, beam = (
            arrays[f'mask_{n}'].astype(bool) for n in ('camera', 'lidar')
        )
        assert not (camera & ~beam).any()
        assert (arrays['semantics'][~beam] == FREE).all()
        assert camera.mean() > 0.01
        assert (arrays['semantics'][camera] != FREE).sum() > 1000


def test_velocities_equal_the_simulator(nusc, rebuilt):
    """The devkit differentiates boxes that are 1 s apart."""
    tokens = {}
    token = make_token(SEED, UNIT.name)
    for name, stage in rebuilt.items():
        for number in range(1, len(stage.cast.agents)):
            tokens[token(name, 'instance', number)] = (stage.cast, number)
    off = []
    for row in nusc.sample_annotation:
        if not (row['prev'] and row['next']):
            continue
        cast, number = tokens[row['instance_token']]
        sample = nusc.get('sample', row['sample_token'])
        scene = nusc.get('scene', sample['scene_token'])
        first = nusc.get('sample', scene['first_sample_token'])
        clock = 1.0 + (sample['timestamp'] - first['timestamp']) / 1e6
        before, now, after = (
            agent_box(cast, number, clock + shift)
            for shift in (-0.5, 0.0, 0.5)
        )
        velocity = nusc.box_velocity(row['token'])[:2]
        np.testing.assert_allclose(
            velocity, (after.centre - before.centre)[:2], atol=1e-3
        )
        off.append(np.abs(velocity - now.velocity).max())
    assert len(off) > 300
    # It is exact for a constant speed; a braking or turning car differs.
    assert np.median(off) < 1e-3
    assert np.mean(off) < 0.1


def test_the_manifest_counts_what_is_there(unit_root, unit_manifest, nusc):
    assert unit_manifest['seed'] == SEED
    counts = unit_manifest['counts']
    assert counts['sample'] == len(nusc.sample) == 24
    assert counts['sample_annotation'] == len(nusc.sample_annotation)
    assert sum(unit_manifest['annotations'].values()) == len(
        nusc.sample_annotation
    )
    seen = dict.fromkeys(OCC3D_CLASSES, 0)
    for sample in nusc.sample:
        arrays = label(nusc, unit_root, sample)
        labels = arrays['semantics'][arrays['mask_camera'] > 0]
        for index, name in enumerate(OCC3D_CLASSES):
            seen[name] += int((labels == index).sum())
    assert seen == {
        name: sum(
            part[name] for part in unit_manifest['visible_voxels'].values()
        )
        for name in OCC3D_CLASSES
    }
    assert all(seen[name] > 1000 for name in _FLAT)
    files = [p for p in unit_root.rglob('*') if p.is_file()]
    others = [p for p in files if p.name != 'manifest.json']
    assert unit_manifest['files']['total'] == {
        'files': len(others),
        'bytes': sum(p.stat().st_size for p in others),
    }
    assert sum(p.stat().st_size for p in files) < 5_000_000


def test_who_does_not_look_cannot_answer(unit_manifest):
    for name in ('nuscenes_qa', 'occupancy_qa'):
        accuracy = unit_manifest['blind_accuracy'][name]
        assert 0 < accuracy['all'] < 45, name


def test_it_says_that_it_is_synthetic(unit_root, nusc):
    assert (unit_root / 'SYNTHETIC.md').is_file()
    assert all('synthetic' in s['description'].lower() for s in nusc.scene)
