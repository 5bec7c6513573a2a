"""Readings between key frames, and cameras that look before the LiDAR."""

import dataclasses
import json

import numpy as np
import pytest
from nuscenes.nuscenes import NuScenes

from mmocc.projects.SyntheticNuScenes.synthetic.calibration import CAMERA_RIG
from mmocc.projects.SyntheticNuScenes.synthetic.presets import PRESETS
from mmocc.projects.SyntheticNuScenes.synthetic.stage import set_stage
from mmocc.projects.SyntheticNuScenes.synthetic.writer import (
    create_dataset,
    scene_origin,
)
from mmocc.structures.occ3d import CAMERAS, STEP_SECONDS

SEED = 2
LIDAR_SWEEPS, CAMERA_SWEEPS = 3, 1


@pytest.fixture(scope='module')
def made(tiny_preset, unlabelled, tmp_path_factory):
    """(plain, with sweeps and offsets): the same scenes."""
    folder = tmp_path_factory.mktemp('sensors')
    rich = dataclasses.replace(
        tiny_preset,
        lidar_sweeps=LIDAR_SWEEPS,
        camera_sweeps=CAMERA_SWEEPS,
        camera_offsets=True,
    )
    for name, preset in (('plain', tiny_preset), ('rich', rich)):
        create_dataset(
            preset, folder / name, SEED, 1, unlabelled, lambda count: None
        )
    return folder


@pytest.fixture(scope='module')
def nusc(made):
    return NuScenes('v1.0-mini', str(made / 'rich'), verbose=False)


def chain(nusc, channel, scene):
    """All rows of a channel of a scene, by their links."""
    first = nusc.get('sample', scene['first_sample_token'])
    row = nusc.get('sample_data', first['data'][channel])
    rows = [row]
    while row['next']:
        row = nusc.get('sample_data', row['next'])
        rows.append(row)
    return rows


def test_sweeps_are_linked_in_time_order(nusc, made):
    for scene in nusc.scene:
        for channel in (*CAMERAS, 'LIDAR_TOP'):
            rows = chain(nusc, channel, scene)
            count = LIDAR_SWEEPS if channel == 'LIDAR_TOP' else CAMERA_SWEEPS
            keys = [row['is_key_frame'] for row in rows]
            assert keys == [True, *[False] * count, True]
            steps = np.diff([row['timestamp'] for row in rows]) / 1e6
            np.testing.assert_allclose(
                steps, STEP_SECONDS / (count + 1), atol=1e-5
            )
            for row in rows:
                folder = 'samples' if row['is_key_frame'] else 'sweeps'
                assert row['filename'].startswith(f'{folder}/{channel}/')
                assert (made / 'rich' / row['filename']).stat().st_size > 500


def test_every_reading_has_the_pose_of_its_own_time(nusc, tiny_preset):
    for index, (name, scenario, _) in enumerate(tiny_preset.scenes):
        stage = set_stage(
            SEED, name, scenario, scene_origin(index), tiny_preset.frames
        )
        ego, simulation = stage.cast.agents[0], stage.cast.simulation
        scene = next(s for s in nusc.scene if s['name'] == name)
        start = nusc.get('sample', scene['first_sample_token'])['timestamp']
        for channel in ('CAM_FRONT_LEFT', 'LIDAR_TOP'):
            for row in chain(nusc, channel, scene):
                clock = stage.times[0] + (row['timestamp'] - start) / 1e6
                pose, _ = simulation.state(ego, clock)
                found = nusc.get('ego_pose', row['ego_pose_token'])
                np.testing.assert_allclose(
                    found['translation'][:2], pose[:2], atol=1e-4
                )


def test_cameras_look_before_the_lidar(nusc):
    leads = {camera.name: camera.lead for camera in CAMERA_RIG}
    for sample in nusc.sample:
        for camera in CAMERAS:
            row = nusc.get('sample_data', sample['data'][camera])
            early = (sample['timestamp'] - row['timestamp']) / 1e6
            assert early == pytest.approx(leads[camera], abs=1e-5)
    assert max(leads.values()) == 0.043


def test_the_key_frames_lidar_does_not_depend_on_sweeps(made):
    plain = sorted((made / 'plain/samples/LIDAR_TOP').iterdir())
    assert len(plain) == 4
    for path in plain:
        other = made / 'rich/samples/LIDAR_TOP' / path.name
        assert path.read_bytes() == other.read_bytes()


def test_masks_nest_with_offsets(made):
    labels = sorted((made / 'rich/gts').rglob('labels.npz'))
    assert len(labels) == 4
    for path in labels:
        with np.load(path) as file:
            camera, beam = file['mask_camera'] > 0, file['mask_lidar'] > 0
        assert camera.any() and not (camera & ~beam).any()


def test_occ3d_lists_key_frames_alone(made):
    for name in ('plain', 'rich'):
        index = json.loads((made / name / 'annotations.json').read_text())
        for frames in index['scene_infos'].values():
            for frame in frames.values():
                assert len(frame['camera_sensor']) == 6


def test_full_has_it_all():
    full = PRESETS['full']
    assert full.image_size == (1600, 900) and full.azimuths == 1084
    assert full.lidar_sweeps and full.camera_sweeps and full.camera_offsets
    assert 'night' in full.weathers and 'rain' in full.weathers
