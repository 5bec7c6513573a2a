"""``tools/misc/browse_dataset.py``: ground truth in pictures."""

import pickle
import shutil
import sys
from pathlib import Path

import cv2
import pytest
from mmocc_testing import write_tiny_dataset
from plyfile import PlyData

from mmocc.infos import load_info_file

CONFIG = """
default_scope = 'mmocc'
_dataset = dict(
    type='NuScenesOccDataset',
    data_root={root!r},
    ann_file='nuscenes_infos_occ_{{split}}.pkl',
    num_history=1,
    pipeline=[
        dict(type='LoadSurroundImages', size=(27, 48)),
        dict(type='LoadHistoryImages', size=(27, 48)),
        dict(type='LoadOcc3DFromFile'),
        dict(type='LoadEgoStatus'),
        dict(type='LoadMetaAction'),
        dict(type='RandomMirror', prob=1.0),
        dict(type='ComputeLidar2Img'),
        dict(type='PackOccInputs'),
    ],
)
val_dataloader = dict(
    dataset=dict(_dataset, ann_file='nuscenes_infos_occ_val.pkl')
)
train_dataloader = dict(
    dataset=dict(_dataset, ann_file='nuscenes_infos_occ_train.pkl')
)
"""


@pytest.fixture(scope='module')
def tool(load_tool):
    return load_tool('misc/browse_dataset.py')


@pytest.fixture
def root(tmp_path):
    return write_tiny_dataset(tmp_path / 'data')


@pytest.fixture
def config(root, tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG.format(root=f'{root}/'))
    return str(path)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_frames_are_drawn_and_a_missing_one_is_skipped(
    tool, config, root, tmp_path, capsys
):
    infos = load_info_file(root / 'nuscenes_infos_occ_val.pkl')['data_list']
    gone = infos[1]['images']['CAM_BACK']['img_path']
    (root / 'samples' / 'CAM_BACK' / gone).unlink()
    out = tmp_path / 'out'
    # A frame whose past is gone cannot be loaded either.
    tool.main([config, '--out', str(out), '--video', '--ply'])
    frame = f'scene-0002_000_{infos[0]["token"]}'
    assert names(out) == sorted(
        [f'{frame}.png', f'{frame}.ply', 'scene.gif', 'scene.mp4']
    )
    assert '1 frames drawn, 2 skipped' in capsys.readouterr().out
    page = cv2.imread(str(out / f'{frame}.png'))
    assert page.shape[1] == 1528
    assert len(PlyData.read(out / f'{frame}.ply')['face'].data) > 1000


def test_random_transforms_are_left_out(tool, config):
    cfg = tool.load_config(config)
    dataset = tool.build_dataset(cfg, 'val')
    kinds = [type(each).__name__ for each in dataset.pipeline.transforms]
    assert 'RandomMirror' not in kinds
    assert kinds[0] == 'LoadSurroundImages'
    assert 'OptionalLoader' in kinds


def test_frame_holds_truth_alone(tool, config):
    dataset = tool.build_dataset(tool.load_config(config), 'train')
    frame = tool.read_picture(dataset, 1)
    assert len(frame.images) == 6  # not those of the past
    assert frame.images[0].shape == (54, 96, 3)  # as on disk
    assert frame.gt_occ is not None and frame.pred_occ is None
    assert len(frame.overlays.agents.boxes) == 1


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ((), [0, 1, 2]),
        (('--num', '2'), [0, 1]),
        (('--start', '1', '--every', '2'), [1]),
        (('--scene', 'scene-0002'), [0, 1, 2]),
    ],
)
def test_frames_are_chosen(tool, config, options, expected):
    dataset = tool.build_dataset(tool.load_config(config), 'val')
    args = tool.parse_args([config, '--out', 'x', *options])
    assert list(tool.choose_frames(dataset, args).values()) == expected


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (['--scene', 'scene-0009'], "no frame of the scene 'scene-0009'"),
        (['--start', '3'], 'none from --start 3 on'),
        (['--split', 'test'], 'has no test_dataloader'),
    ],
)
def test_what_is_not_there_is_named(tool, config, options, words, tmp_path):
    with pytest.raises(SystemExit, match=words):
        tool.main([config, '--out', str(tmp_path / 'out'), *options])


def test_poses_that_are_not_finite_leave_the_frame_out(
    tool, config, root, tmp_path, capsys
):
    path = root / 'nuscenes_infos_occ_val.pkl'
    content = load_info_file(path)
    content['data_list'][0]['images']['CAM_BACK']['lidar2cam'][0][3] = float(
        'nan'
    )
    path.write_bytes(pickle.dumps(content))
    tool.main([config, '--out', str(tmp_path / 'out'), '--num', '3'])
    assert '1 frames drawn, 2 skipped' in capsys.readouterr().out


def test_frames_without_occupancy_are_drawn(tool, config, root, tmp_path):
    """With all that there is; a config may ask for Occ3D."""
    shutil.rmtree(root / 'gts')
    path = root / 'nuscenes_infos_occ_val.pkl'
    content = load_info_file(path)
    content['data_list'][0]['occ_path'] = ''
    path.write_bytes(pickle.dumps(content))
    text = Path(config).read_text()
    Path(config).write_text(
        text + "val_dataloader['dataset']['filter_cfg'] = "
        "dict(require=['occ'])\n"
    )
    out = tmp_path / 'out'
    tool.main([config, '--out', str(out), '--ply'])
    assert [name[-4:] for name in names(out)] == ['.png'] * 3


def test_a_missing_viewer_is_named_before_anything_is_drawn(
    tool, config, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, 'rerun', None)
    with pytest.raises(SystemExit, match='pip install rerun-sdk'):
        tool.main([config, '--out', str(tmp_path / 'out'), '--rrd'])
    assert not (tmp_path / 'out').exists()
