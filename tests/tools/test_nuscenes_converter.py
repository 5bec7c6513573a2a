import importlib.util
import json
import shutil
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import mmdet3d
import numpy as np
import pytest
from mmocc_testing.handmade_nuscenes import HandmadeNuScenes

TOOLS = Path(__file__).parents[2] / 'tools'
sys.path.insert(0, str(TOOLS))
sys.path.insert(0, str(Path(__file__).parents[1] / 'mmocc' / 'annotation'))

import create_data  # noqa: E402
from mmocc_testing import handmade_roads as roads  # noqa: E402

from dataset_converters.nuscenes_converter import (  # noqa: E402
    ConvertOptions,
    convert_nuscenes,
)
from dataset_converters.nuscenes_tables import TableError  # noqa: E402
from mmocc.annotation import parse_chain_of_thought  # noqa: E402
from mmocc.infos import load_info_file  # noqa: E402

ORIGIN = (300.0, 700.0)
SPEED = 6.0
TRAIN, VAL = 'scene-0061', 'scene-0103'
# The turn begins 60 m into the left lane; the scene begins at 30 m.
HEAD_START = 30.0
# Frame whose pose is exactly the start of the turn.
AT_TURN = 10


def turn_left(time: float) -> tuple[float, float, float]:
    x, y, yaw = roads.left_turn(np.array([HEAD_START + SPEED * time]))[0]
    return float(x) + ORIGIN[0], float(y) + ORIGIN[1], float(yaw)


def cruise(time: float) -> tuple[float, float, float]:
    return ORIGIN[0] + 5.0 * time, ORIGIN[1], 0.0


def make_dataset(root: Path, **kwargs) -> HandmadeNuScenes:
    return HandmadeNuScenes(
        root,
        {TRAIN: turn_left, VAL: cruise},
        frames=20,
        map_tables=roads.map_tables(*ORIGIN),
        **kwargs,
    )


def options(root: Path, **kwargs) -> ConvertOptions:
    chosen = ConvertOptions(root=root, version='v1.0-mini', out=root)
    return replace(chosen, **kwargs)


@pytest.fixture(scope='module')
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('nuscenes')
    dataset = make_dataset(root)
    dataset.write_occ3d()
    dataset.write_questions()
    convert_nuscenes(options(root, occ3d=True, qa=True, can_bus=True))
    return root


@pytest.fixture(scope='module')
def train(root) -> list[dict]:
    return load_info_file(root / 'nuscenes_infos_occ_train.pkl')['data_list']


@pytest.fixture(scope='module')
def val(root) -> list[dict]:
    return load_info_file(root / 'nuscenes_infos_occ_val.pkl')['data_list']


def _module(name: str):
    folder = Path(mmdet3d.__file__).parent / '.mim/tools/dataset_converters'
    spec = importlib.util.spec_from_file_location(
        f'mmdet3d_{name}', folder / f'{name}.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_same(theirs: object, ours: object, where: str) -> None:
    """All that ``theirs`` holds is in ``ours``, with the same values."""
    if isinstance(theirs, dict):
        # mmdet3d leaves some keys of sweeps unset.
        theirs = {k: v for k, v in theirs.items() if v is not None}
        assert set(theirs) <= set(ours), where
        for key, value in theirs.items():
            assert_same(value, ours[key], f'{where}.{key}')
    elif isinstance(theirs, list) and not np.isscalar(theirs[:1]):
        assert len(theirs) == len(ours), where
        for k, (a, b) in enumerate(zip(theirs, ours, strict=True)):
            assert_same(a, b, f'{where}[{k}]')
    elif isinstance(theirs, str):
        if where.endswith('lidar_path'):
            theirs, ours = Path(theirs).name, Path(ours).name
        assert theirs == ours, where
    else:
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-5, atol=1e-5, err_msg=where
        )


def assert_equals_mmdet3d(root: Path, work: Path, monkeypatch) -> dict:
    """Compare with mmdet3d's own converter; returns infos by split."""
    (work / 'data').mkdir(parents=True)
    (work / 'data' / 'nuscenes').symlink_to(root)
    monkeypatch.chdir(work)
    _module('nuscenes_converter').create_nuscenes_infos(
        'data/nuscenes', 'nuscenes', 'v1.0-mini', max_sweeps=10
    )
    upgrade = _module('update_infos_to_v2').update_nuscenes_infos
    splits = {}
    for split in ('train', 'val'):
        upgrade(f'data/nuscenes/nuscenes_infos_{split}.pkl', str(work))
        theirs = load_info_file(work / f'nuscenes_infos_{split}.pkl')
        mine = load_info_file(root / f'nuscenes_infos_occ_{split}.pkl')
        assert theirs['metainfo'] == mine['metainfo']
        for info, reference in zip(
            mine['data_list'], theirs['data_list'], strict=True
        ):
            assert_same(reference, info, reference['token'])
        splits[split] = mine['data_list']
    return splits


def test_equals_the_converter_of_mmdet3d(root, monkeypatch):
    splits = assert_equals_mmdet3d(root, root.parent / 'mmdet3d', monkeypatch)
    for infos in splits.values():
        assert len(infos) == 20
        # The comparison covers boxes in images and sweeps.
        assert any(i['cam_instances']['CAM_FRONT'] for i in infos)
        assert len(infos[-1]['lidar_sweeps']) == 10


def _tilt(quaternion: list, rng: np.random.Generator) -> list:
    """A quaternion near another, as roads and mounts make them."""
    tilted = np.array(quaternion) + rng.normal(0, 0.02, 4)
    return (tilted / np.linalg.norm(tilted)).tolist()


def tilted_dataset(root: Path) -> None:
    """Poses, mounts and boxes tilted; sweeps between key frames; gaps."""
    rng = np.random.default_rng(0)
    dataset = HandmadeNuScenes(root, {TRAIN: turn_left, VAL: cruise}, frames=5)
    tables = dataset.tables
    for table in ('ego_pose', 'calibrated_sensor', 'sample_annotation'):
        for row in tables[table]:
            row['rotation'] = _tilt(row['rotation'], rng)
            row['translation'][2] += float(rng.normal(0, 0.3))
    for row in tables['sample_annotation']:
        row['visibility_token'] = str(rng.integers(1, 5))
        row['num_radar_pts'] = int(rng.integers(0, 3))
    # A track that is lost for two seconds has no velocity at its ends.
    lead = [
        row
        for row in tables['sample_annotation']
        if row['instance_token'] == f'{TRAIN}-lead'
    ]
    for row in lead[1:-1]:
        tables['sample_annotation'].remove(row)
    lead[0]['next'], lead[-1]['prev'] = lead[-1]['token'], lead[0]['token']
    _add_sweeps(dataset, rng)
    dataset.write()


def _add_sweeps(dataset: HandmadeNuScenes, rng: np.random.Generator) -> None:
    """Three LiDAR readings before each key frame but the first."""
    tables = dataset.tables
    poses = {row['token']: row for row in tables['ego_pose']}
    keys = [
        row
        for row in tables['sample_data']
        if row['calibrated_sensor_token'] == 'cal-LIDAR_TOP' and row['prev']
    ]
    by_token = {row['token']: row for row in tables['sample_data']}
    for key in keys:
        last = by_token[key['prev']]
        for k in range(1, 4):
            stamp = last['timestamp'] + 50_000
            pose = poses[key['ego_pose_token']] | dict(
                token=f'{key["token"]}-pose-{k}', timestamp=stamp
            )
            pose['rotation'] = _tilt(pose['rotation'], rng)
            name = Path(key['filename']).name.replace('.', f'-{k}.', 1)
            sweep = key | dict(
                token=f'{key["token"]}-sweep-{k}',
                ego_pose_token=pose['token'],
                filename=f'sweeps/LIDAR_TOP/{name}',
                timestamp=stamp,
                is_key_frame=False,
                prev=last['token'],
            )
            path = dataset.root / sweep['filename']
            path.parent.mkdir(parents=True, exist_ok=True)
            np.zeros((4, 5), np.float32).tofile(path)
            last['next'] = sweep['token']
            tables['ego_pose'].append(pose)
            tables['sample_data'].append(sweep)
            last = sweep
        last['next'], key['prev'] = key['token'], last['token']


def test_tilted_scenes_equal_those_of_mmdet3d(tmp_path, monkeypatch):
    root = tmp_path / 'root'
    tilted_dataset(root)
    convert_nuscenes(options(root))
    splits = assert_equals_mmdet3d(root, tmp_path / 'work', monkeypatch)
    sweeps = splits['train'][2]['lidar_sweeps']
    # Two key frames and three readings before each of them.
    assert len(sweeps) == 8
    stamps = [sweep['timestamp'] for sweep in sweeps]
    assert stamps == sorted(stamps, reverse=True)
    assert any(
        np.isnan(instance['velocity'][0])
        for instance in splits['train'][0]['instances']
    )


def test_left_turn_in_the_canonical_frame_by_hand(train):
    """From the start of a turn of radius 12 m at 6 m/s: 0.25 rad a step."""
    ego = train[AT_TURN]['ego']
    angle = 0.25 * np.arange(1, 7)
    expected = np.stack(
        (12 * np.sin(angle), 12 * (1 - np.cos(angle)), angle), axis=1
    )
    np.testing.assert_allclose(ego['fut_poses'], expected, atol=1e-9)
    assert ego['fut_mask'].all()
    # It came straight, 3 m a step: behind the car, on its x axis.
    np.testing.assert_allclose(
        ego['his_poses'],
        [[-12, 0, 0], [-9, 0, 0], [-6, 0, 0], [-3, 0, 0]],
        atol=1e-9,
    )
    label = train[AT_TURN]['meta_action']
    assert (label['speed'], label['direction']) == (
        'Maintain speed',
        'Turn Left',
    )
    assert label['source'] == 'map'
    # The lead car is 10 m ahead of the ego car at all times.
    lead = next(
        i
        for i in train[AT_TURN]['instances']
        if i['instance_token'].endswith('lead')
    )
    np.testing.assert_allclose(
        lead['fut_box'],
        expected
        + np.stack(
            (10 * np.cos(angle), 10 * np.sin(angle), 0 * angle), axis=1
        ),
        atol=1e-5,
    )
    assert lead['fut_mask'].all()
    assert lead['category_name'] == 'vehicle.car'


def test_scene_ends_are_masked(train):
    first, last = train[0], train[-1]
    assert not first['ego']['his_mask'].any()
    assert not last['ego']['fut_mask'].any()
    assert first['prev'] == '' and last['next'] == ''
    assert first['his_meta_actions'] == []
    assert last['meta_action'] is None and last['cot'] == ''
    assert [i['ego']['fut_mask'].sum() for i in train[-7:]] == [
        6, 5, 4, 3, 2, 1, 0,
    ]  # fmt: skip
    for k, info in enumerate(train):
        assert info['frame_idx'] == info['sample_idx'] == k
        assert info['scene_name'] == TRAIN
    for before, after in pairwise(train):
        assert before['next'] == after['token']
        assert after['prev'] == before['token']


def test_status_comes_from_the_can_bus(train):
    status = train[AT_TURN + 3]['ego']['status']
    assert status['speed'] == pytest.approx(6.0, abs=1e-3)
    assert status['vx'] == pytest.approx(6.0, abs=1e-3)
    assert status['vy'] == pytest.approx(0.0, abs=1e-3)
    assert status['yaw_rate'] == pytest.approx(0.5, abs=1e-3)
    assert status['steer'] == pytest.approx(8.0, abs=1e-2)
    assert (status['ax'], status['ay']) == (0.1, 0.2)
    can_bus = train[AT_TURN + 3]['can_bus']
    assert can_bus.shape == (18,)
    heading = 0.75
    np.testing.assert_allclose(
        can_bus[3:7], [np.cos(heading / 2), 0, 0, np.sin(heading / 2)]
    )
    np.testing.assert_allclose(can_bus[-2:], [heading, np.rad2deg(heading)])


def test_occ_paths_questions_and_text(root, train):
    for info in train:
        assert (root / info['occ_path']).is_file()
    assert train[0]['qa'] == [
        dict(
            question='How many cars are there?',
            answer='2',
            template_type='count',
            num_hop=0,
        )
    ]
    assert train[1]['qa'] == []
    for info in train:
        if info['meta_action'] is not None:
            parsed = parse_chain_of_thought(info['cot'])
            assert parsed.action == (
                info['meta_action']['speed'],
                info['meta_action']['direction'],
            )


def test_future_changes_neither_past_nor_status(root, train, tmp_path):
    """All later poses and CAN messages are others, which a car could have.

    It turns round within a step and goes back, and looks elsewhere.
    """
    cut = AT_TURN + 1
    moment = train[cut]['timestamp']
    start = train[0]['timestamp']
    copy = tmp_path / 'changed'
    shutil.copytree(root, copy)
    path = copy / 'v1.0-mini' / 'ego_pose.json'
    rows = json.loads(path.read_text())
    for row in rows:
        if row['timestamp'] / 1e6 > moment:
            there = row['translation'][:2]
            x, y, _ = next(
                drive(moment - start)
                for drive in (turn_left, cruise)
                if np.allclose(
                    drive(row['timestamp'] / 1e6 - start)[:2], there, atol=1e-3
                )
            )
            row['translation'] = [2 * x - there[0], 2 * y - there[1], 0.0]
            row['rotation'] = [0.0, 0.0, 0.0, 1.0]
    path.write_text(json.dumps(rows))
    for path in (copy / 'can_bus').iterdir():
        rows = json.loads(path.read_text())
        for row in rows:
            if row['utime'] / 1e6 > moment:
                row.update({'value': 9.9, 'vel': [-5.0, 3.0, 0.0]})
        path.write_text(json.dumps(rows))
    convert_nuscenes(options(copy, can_bus=True))
    changed = load_info_file(copy / 'nuscenes_infos_occ_train.pkl')
    for before, after in zip(
        train[: cut + 1], changed['data_list'], strict=False
    ):
        assert before['his_meta_actions'] == after['his_meta_actions']
        np.testing.assert_equal(before['can_bus'], after['can_bus'])
        for key in ('his_poses', 'his_mask', 'status', 'command'):
            np.testing.assert_equal(before['ego'][key], after['ego'][key])
    # The change is not a quiet one: the supervision differs.
    assert not np.allclose(
        train[cut]['ego']['fut_poses'],
        changed['data_list'][cut]['ego']['fut_poses'],
    )


def test_bytes_do_not_depend_on_workers_or_time(root, tmp_path):
    for workers in (1, 2):
        convert_nuscenes(
            options(
                root,
                out=tmp_path / str(workers),
                workers=workers,
                occ3d=True,
                qa=True,
                can_bus=True,
            )
        )
    for split in ('train', 'val'):
        name = f'nuscenes_infos_occ_{split}.pkl'
        one = (tmp_path / '1' / name).read_bytes()
        assert one == (tmp_path / '2' / name).read_bytes()
        assert one == (root / name).read_bytes()
    assert len(list((tmp_path / '1').iterdir())) == 2


def test_without_map_can_bus_and_labels(tmp_path):
    HandmadeNuScenes(tmp_path, {TRAIN: turn_left, VAL: cruise}, frames=20)
    reports = convert_nuscenes(options(tmp_path))
    infos = load_info_file(reports[0].path)['data_list']
    assert reports[0].scenes_without_map == [TRAIN]
    assert infos[AT_TURN]['meta_action']['direction'] == 'Turn Left'
    assert infos[AT_TURN]['meta_action']['source'] == 'motion'
    # Straight at 6 m/s up to here, so that differences are exact.
    status = infos[AT_TURN]['ego']['status']
    assert status['speed'] == pytest.approx(6.0)
    assert status['ax'] == pytest.approx(0.0, abs=1e-9)
    assert np.isnan(status['steer'])
    assert np.isnan(infos[0]['ego']['status']['speed'])
    assert np.isfinite(infos[0]['can_bus']).all()


def test_absent_scenes_are_skipped_and_counted(tmp_path):
    HandmadeNuScenes(tmp_path, {TRAIN: cruise, VAL: cruise}, frames=6)
    for path in (tmp_path / 'samples' / 'CAM_BACK').glob(f'{VAL}*'):
        path.unlink()
    train, val = convert_nuscenes(options(tmp_path))
    assert (train.samples, train.absent_scenes) == (6, [])
    assert (val.samples, val.absent_scenes) == (0, [VAL])


def test_missing_labels_are_counted(tmp_path):
    dataset = HandmadeNuScenes(tmp_path, {TRAIN: cruise}, frames=6)
    dataset.write_occ3d()
    gone = tmp_path / 'gts' / TRAIN / f'{TRAIN}-sample-2' / 'labels.npz'
    gone.unlink()
    train, _ = convert_nuscenes(options(tmp_path, occ3d=True))
    infos = load_info_file(train.path)['data_list']
    assert train.missing_labels == 1
    assert infos[2]['occ_path'] == ''
    assert infos[1]['occ_path'].endswith('sample-1/labels.npz')


def test_test_split_has_no_labels_of_boxes(tmp_path):
    HandmadeNuScenes(
        tmp_path, {'scene-0077': turn_left}, frames=12, version='v1.0-test'
    )
    (report,) = convert_nuscenes(options(tmp_path, version='v1.0-test'))
    assert report.path.name == 'nuscenes_infos_occ_test.pkl'
    infos = load_info_file(report.path)['data_list']
    assert len(infos) == 12
    for info in infos:
        assert info['instances'] == [] and info['cot'] == ''
        assert 'cam_instances' not in info


def _broken(root: Path, name: str, text: str | None) -> None:
    path = root / 'v1.0-mini' / f'{name}.json'
    if text is None:
        path.unlink()
    else:
        path.write_text(text)


@pytest.mark.parametrize(
    ('breakage', 'asked', 'message'),
    [
        (lambda r: _broken(r, 'scene', None), {}, r'scene\.json does not'),
        (lambda r: _broken(r, 'sample', '[{"to'), {}, r'sample\.json, line 1'),
        (lambda r: _broken(r, 'log', '{}'), {}, 'expected a list'),
        (lambda r: _broken(r, 'ego_pose', '[]'), {}, 'has no row'),
        (lambda r: shutil.rmtree(r / 'samples'), {}, 'unpack the sensor'),
        (lambda r: None, {'occ3d': True}, 'gts does not exist'),
        (lambda r: None, {'qa': True}, 'NuScenes_train_questions'),
        (lambda r: None, {'version': 'v1.0-trainval'}, 'does not exist'),
        (lambda r: None, {'version': 'v2'}, 'unknown version'),
        (
            lambda r: (r / 'can_bus' / f'{TRAIN}_pose.json').write_text('[1'),
            {'can_bus': True},
            'CAN bus messages',
        ),
    ],
)
def test_bad_input_is_named(tmp_path, breakage, asked, message):
    HandmadeNuScenes(tmp_path, {TRAIN: cruise, VAL: cruise}, frames=4)
    breakage(tmp_path)
    with pytest.raises(TableError, match=message):
        convert_nuscenes(options(tmp_path, **asked))
    assert not list(tmp_path.glob('*.p*'))


def test_unregistered_scene_names_are_refused(tmp_path):
    HandmadeNuScenes(tmp_path, {'scene-9999': cruise}, frames=4)
    with pytest.raises(TableError, match=r'scene-9999.*split lists'):
        convert_nuscenes(options(tmp_path))


def test_command_line(tmp_path, capsys):
    HandmadeNuScenes(tmp_path, {TRAIN: cruise, VAL: cruise}, frames=4)
    arguments = ['nuscenes', '--root', str(tmp_path), '--version', 'v1.0-mini']
    assert create_data.main(arguments) == 0
    assert '4 samples of 1 scenes' in capsys.readouterr().out
    assert (tmp_path / 'nuscenes_infos_occ_val.pkl').is_file()


def test_command_line_fails_with_one_message(tmp_path, capsys):
    root = str(tmp_path / 'nowhere')
    arguments = ['nuscenes', '--root', root, '--version', 'v1.0-mini']
    assert create_data.main(arguments) == 1
    message = capsys.readouterr().err
    assert message.startswith('error: ') and message.count('\n') == 1
    assert 'nowhere/v1.0-mini does not exist' in message
