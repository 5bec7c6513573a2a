import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmocc_testing.handmade_nuscenes import IMAGE_SIZE, HandmadeNuScenes

TOOLS = Path(__file__).parents[2] / 'tools'
sys.path.insert(0, str(TOOLS))
sys.path.insert(0, str(Path(__file__).parents[1] / 'mmocc' / 'annotation'))

import check_data  # noqa: E402
from mmocc_testing import handmade_roads as roads  # noqa: E402

from dataset_converters.file_checks import check_label  # noqa: E402
from dataset_converters.geometry_checks import points_in_box  # noqa: E402
from mmocc.infos import load_info_file  # noqa: E402
from mmocc.infos.rigid import (  # noqa: E402
    invert_rigid,
    rigid_transform,
    rotation_matrix,
)

TRAIN, VAL = 'scene-0061', 'scene-0103'
FRAMES = 3
CAR_LENGTH = 4.5


def cruise(time: float) -> tuple[float, float, float]:
    return 300.0 + 5.0 * time, 700.0, 0.0


def whole_root(root: Path) -> HandmadeNuScenes:
    """A root in which every file is as real ones are."""
    dataset = HandmadeNuScenes(
        root,
        {TRAIN: cruise, VAL: cruise},
        frames=FRAMES,
        map_tables=roads.map_tables(300.0, 700.0),
    )
    width, height = IMAGE_SIZE
    image = cv2.imencode('.jpg', np.zeros((height, width, 3), np.uint8))[1]
    for path in (root / 'samples').glob('CAM_*/*.jpg'):
        path.write_bytes(image.tobytes())
    _write_points(dataset)
    dataset.write_questions()
    empty = np.zeros((200, 200, 16), np.uint8)
    for sample in dataset.tables['sample']:
        name = sample['token'].split('-sample-')[0]
        path = root / 'gts' / name / sample['token'] / 'labels.npz'
        path.parent.mkdir(parents=True)
        np.savez_compressed(
            path, semantics=empty + 17, mask_lidar=empty, mask_camera=empty
        )
    return dataset


def _write_points(dataset: HandmadeNuScenes) -> None:
    """As many points at the centre of each box as the tables count."""
    poses = {row['token']: row for row in dataset.tables['ego_pose']}
    mount = next(
        row
        for row in dataset.tables['calibrated_sensor']
        if row['token'] == 'cal-LIDAR_TOP'
    )
    lidar2ego = rigid_transform(mount['rotation'], mount['translation'])
    for row in dataset.tables['sample_data']:
        if not row['filename'].endswith('.bin'):
            continue
        pose = poses[row['ego_pose_token']]
        global2lidar = invert_rigid(
            rigid_transform(pose['rotation'], pose['translation']) @ lidar2ego
        )
        centres = [
            box['translation']
            for box in dataset.tables['sample_annotation']
            if box['sample_token'] == row['sample_token']
            for _ in range(box['num_lidar_pts'])
        ]
        points = np.zeros((len(centres), 5), np.float32)
        points[:, :3] = centres @ global2lidar[:3, :3].T + global2lidar[:3, 3]
        points.tofile(dataset.root / row['filename'])


@pytest.fixture(scope='module')
def whole(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('whole')
    whole_root(root)
    return root


@pytest.fixture
def root(whole, tmp_path) -> Path:
    return shutil.copytree(whole, tmp_path / 'root')


def run(root: Path, *arguments: str) -> int:
    return check_data.main([str(root), '--version', 'v1.0-mini', *arguments])


def rows(root: Path, table: str) -> list[dict]:
    return json.loads((root / 'v1.0-mini' / f'{table}.json').read_text())


def put(root: Path, table: str, content: list[dict]) -> None:
    path = root / 'v1.0-mini' / f'{table}.json'
    path.write_text(json.dumps(content))


def test_a_whole_root_passes_and_its_summary_names_no_path(whole, capsys):
    required = ('map', 'can-bus', 'occ3d', 'qa')
    assert run(whole, '--require', *required, '--deep') == 0
    summary = capsys.readouterr().out.split('\n\n', 1)[1]
    assert str(whole) not in summary
    assert f'| train | 1 | {FRAMES} | 323 |' in summary
    # Six images and one sweep of each frame.
    assert f'| samples | {14 * FRAMES} | {14 * FRAMES} |' in summary
    assert f'| occ3d | {2 * FRAMES} | {2 * FRAMES} |' in summary
    # Lead, parked car and dog with 7 points each, in every frame.
    counted = 2 * FRAMES * 3 * 7
    assert f'boxes: {counted}, the tables count {counted}' in summary
    assert '0 errors, 2 warnings' in summary


def test_counts_are_compared_with_the_official_ones(whole, capsys):
    run(whole)
    out = capsys.readouterr().out
    assert f'v1.0-mini train: {FRAMES} samples, the official' in out
    assert 'have 323' in out and 'have 81' in out


def _delete(path: Path) -> None:
    path.unlink()


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def _scratch(path: Path) -> None:
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + b'\xff' * 9 + content[middle + 9 :])


@pytest.mark.parametrize(
    ('pattern', 'breakage', 'problem', 'source'),
    [
        ('samples/CAM_BACK/*', _delete, 'is missing', 'keyframe blobs'),
        ('samples/CAM_BACK/*', _cut, 'is cut off', 'keyframe blobs'),
        ('gts/*/*/labels.npz', _delete, 'is missing', 'gts.tar.gz'),
        ('gts/*/*/labels.npz', _cut, 'cannot be opened', 'gts.tar.gz'),
        ('can_bus/*_pose.json', _delete, 'is missing', 'CAN bus expansion'),
        ('can_bus/*_pose.json', _scratch, 'CAN bus messages', 'CAN bus'),
        ('can_bus/*_pose.json', _cut, 'CAN bus messages', 'CAN bus'),
        ('maps/expansion/*', _cut, 'boston-seaport', 'map expansion'),
        ('maps/expansion/*', _scratch, 'boston-seaport', 'map expansion'),
        ('NuScenes_QA/*train*', _delete, 'does not exist', 'NuScenes-QA'),
        ('NuScenes_QA/*val*', _cut, 'question file', 'NuScenes-QA'),
        ('v1.0-mini/scene.json', _delete, 'does not exist', 'metadata'),
        ('v1.0-mini/sample.json', _cut, 'is cut off', 'metadata'),
    ],
)
def test_each_bad_file_is_named_with_its_source(
    root, capsys, pattern, breakage, problem, source
):
    path = sorted(root.glob(pattern))[0]
    breakage(path)
    assert run(root) == 1
    out = capsys.readouterr().out
    line = next(text for text in out.splitlines() if str(path) in text)
    assert line.startswith('error: ') and problem in line
    assert source in out
    assert '| --- |' in out


def test_a_scratched_label_is_found_by_reading_it(root, capsys):
    path = next(root.glob('gts/*/*/labels.npz'))
    _scratch(path)
    assert run(root, '--deep') == 1
    assert f'error: occ3d: {path}: cannot be' in capsys.readouterr().out


def test_reading_in_full_finds_what_a_look_finds(root, capsys):
    for path in (root / 'samples' / 'CAM_BACK').iterdir():
        _cut(path)
    for arguments in ((), ('--deep',)):
        assert run(root, *arguments) == 1
        out = capsys.readouterr().out
        assert out.count('is cut off') == FRAMES * 2


def test_wrong_size_of_an_image(root, capsys):
    path = sorted((root / 'samples' / 'CAM_FRONT').iterdir())[1]
    cv2.imwrite(str(path), np.zeros((90, 160, 3), np.uint8))
    assert run(root) == 1
    assert '160 x 90 pixels' in capsys.readouterr().out


def test_absent_parts_are_notes_unless_required(root, capsys):
    shutil.rmtree(root / 'can_bus')
    assert run(root) == 0
    assert 'note: can-bus' in capsys.readouterr().out
    assert run(root, '--require', 'can-bus') == 1
    assert 'error: can-bus' in capsys.readouterr().out


def test_the_data_root_may_be_an_option(tmp_path, capsys):
    version = ('--version', 'v1.0-mini')
    for spelling in ('--data-root', '--root'):
        assert check_data.main([spelling, str(tmp_path), *version]) == 1
        assert str(tmp_path) in capsys.readouterr().out
    with pytest.raises(SystemExit):
        check_data.main([*version])
    assert 'give the data root' in capsys.readouterr().err


def test_missing_sweeps_are_notes_with_their_path(root, capsys):
    content = rows(root, 'sample_data')
    key = next(r for r in content if r['filename'].endswith('.bin'))
    sweep = key | dict(
        token='sweep',
        filename='sweeps/LIDAR_TOP/gone.pcd.bin',
        timestamp=key['timestamp'] - 50_000,
        is_key_frame=False,
    )
    key['prev'] = 'sweep'
    put(root, 'sample_data', [*content, sweep])
    (root / 'sweeps').mkdir()
    assert run(root) == 0
    out = capsys.readouterr().out
    assert 'sweeps/LIDAR_TOP/gone.pcd.bin: is missing' in out
    assert '| sweeps | 1 | 0 |' in out


def test_absent_scenes_take_one_line_each(root, capsys):
    for path in (root / 'samples').glob(f'*/{VAL}*'):
        path.unlink()
    assert run(root) == 1
    out = capsys.readouterr().out
    assert out.count('error: samples') == 1
    assert f'error: samples: {VAL}: none of its {6 * FRAMES} key' in out


def test_list_holds_every_finding(root, tmp_path):
    images = sorted((root / 'samples' / 'CAM_BACK').iterdir())[1:]
    for path in images:
        path.unlink()
    target = tmp_path / 'list.txt'
    assert run(root, '--list', str(target)) == 1
    text = target.read_text()
    assert all(str(path) in text for path in images)


def _jump(root: Path) -> None:
    content = rows(root, 'ego_pose')
    for row in content[7:14]:
        row['translation'][0] += 100.0
    put(root, 'ego_pose', content)


def _swap_cameras(root: Path) -> None:
    content = rows(root, 'calibrated_sensor')
    front = next(r for r in content if r['token'] == 'cal-CAM_FRONT')
    back = next(r for r in content if r['token'] == 'cal-CAM_BACK')
    front['rotation'], back['rotation'] = back['rotation'], front['rotation']
    put(root, 'calibrated_sensor', content)


def _no_number(root: Path) -> None:
    content = rows(root, 'ego_pose')
    content[3]['translation'][1] = float('nan')
    put(root, 'ego_pose', content)


def _backwards(root: Path) -> None:
    content = rows(root, 'sample')
    content[1]['timestamp'], content[2]['timestamp'] = (
        content[2]['timestamp'],
        content[1]['timestamp'],
    )
    put(root, 'sample', content)


def _small_images(root: Path) -> None:
    content = rows(root, 'calibrated_sensor')
    for row in content:
        if row['camera_intrinsic']:
            row['camera_intrinsic'][0][2] = 2000.0
    put(root, 'calibrated_sensor', content)


def _other_calibration(root: Path) -> None:
    content = rows(root, 'calibrated_sensor')
    for row in content:
        if row['token'] == 'cal-LIDAR_TOP':
            row['translation'][0] += CAR_LENGTH
    put(root, 'calibrated_sensor', content)


def _field_gone(root: Path) -> None:
    content = rows(root, 'sample_data')
    del content[4]['width']
    put(root, 'sample_data', content)


def _row_gone(root: Path) -> None:
    put(root, 'ego_pose', rows(root, 'ego_pose')[1:])


def _stranger(root: Path) -> None:
    content = rows(root, 'scene')
    content[0]['name'] = 'scene-9999'
    put(root, 'scene', content)


@pytest.mark.parametrize(
    ('breakage', 'message'),
    [
        (_jump, 'jumps by'),
        (_swap_cameras, 'are cameras swapped'),
        (_no_number, 'not finite'),
        (_backwards, 'time goes on by'),
        (_small_images, 'does not fit an image'),
        (_other_calibration, 'points in boxes'),
        (_field_gone, "lacks ['width']"),
        (_row_gone, 'has no row'),
        (_stranger, 'scene-9999 is in no split'),
    ],
)
def test_tables_that_make_no_sense(root, capsys, breakage, message):
    breakage(root)
    assert run(root) == 1
    assert message in capsys.readouterr().out


def test_text_of_omnidrive_may_be_missing_but_not_broken(root, capsys):
    folder = root / 'omnidrive'
    path = folder / 'conv' / 'train' / f'{TRAIN}-sample-0.json'
    path.parent.mkdir(parents=True)
    (folder / 'conv' / 'val').mkdir()
    path.write_text('[{"question": "a", "answer": "b"}]')
    assert run(root, '--omnidrive', str(folder)) == 0
    path.write_text('[{"question": "a"}]')
    assert run(root, '--omnidrive', str(folder)) == 1
    assert f'error: omnidrive: {path}' in capsys.readouterr().out
    # Mini's training scenes may be of nuScenes' validation split.
    path = path.replace(folder / 'conv' / 'val' / path.name)
    assert run(root, '--omnidrive', str(folder)) == 1
    assert f'error: omnidrive: {path}' in capsys.readouterr().out


def test_worker_count_changes_nothing(root, capsys):
    sorted((root / 'samples' / 'CAM_BACK').iterdir())[0].unlink()
    outputs = []
    for workers in ('1', '2'):
        run(root, '--workers', workers)
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_points_in_a_turned_box_by_hand():
    points = np.array([[1.0, 3.9, 0.5], [1.9, 2.0, 0.5], [1.0, 2.0, 1.1]])
    turn = rotation_matrix([np.sqrt(0.5), 0, 0, np.sqrt(0.5)])
    centre, size = np.array([1.0, 2.0, 0.5]), np.array([4.0, 1.0, 1.0])
    # Turned by 90 degrees, the length lies along y: the first is inside.
    assert points_in_box(points, centre, size, turn) == 1


def test_real_boxes_hold_the_points_that_were_counted(real_data):
    folder = real_data / 'frame'
    (info,) = load_info_file(next(folder.glob('*.pkl')))['data_list']
    points = np.fromfile(next(folder.glob('*.pcd.bin')), np.float32)
    points = points.reshape(-1, 5)[:, :3]
    counted = found = 0
    for instance in info['instances']:
        box = np.array(instance['bbox_3d'])
        turn = rotation_matrix(
            [np.cos(box[6] / 2), 0.0, 0.0, np.sin(box[6] / 2)]
        )
        counted += instance['num_lidar_pts']
        found += points_in_box(points, box[:3], box[3:6], turn)
    assert counted > 0
    assert abs(found - counted) <= 0.02 * counted


def test_the_real_label_passes(real_data, tmp_path):
    assert check_label(real_data / 'occ3d_labels.npz', read=True) is None
    with np.load(real_data / 'occ3d_labels.npz') as content:
        arrays = {name: content[name] for name in content}
    arrays['semantics'] = arrays['semantics'] + 1
    np.savez(tmp_path / 'labels.npz', **arrays)
    problem = check_label(tmp_path / 'labels.npz', read=True)
    assert 'semantics holds' in problem and '18' in problem


def test_labels_one_folder_too_deep_are_named(root, capsys):
    (root / 'gts').rename(root / 'labels')
    (root / 'gts').mkdir()
    (root / 'labels').rename(root / 'gts' / 'gts')
    assert run(root, '--require', 'occ3d') == 1
    message = f'move what is in {root}/gts/gts to {root}/gts'
    assert message in capsys.readouterr().out


@pytest.mark.parametrize('unit', [1e6, 1e-3])
def test_time_stamps_in_another_unit_are_named(root, capsys, unit):
    samples = rows(root, 'sample')
    for row in samples:
        row['timestamp'] = row['timestamp'] / unit
    put(root, 'sample', samples)
    assert run(root) == 1
    name = 'seconds' if unit > 1 else 'nanoseconds'
    assert f'in {name} as it seems, expected micro' in capsys.readouterr().out
