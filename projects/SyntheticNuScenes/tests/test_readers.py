"""mmdet3d and our own converter read the generated set like real data."""

import importlib.util
import sys
from pathlib import Path

import mmdet3d
import numpy as np
import pytest
from mmdet3d.datasets import NuScenesDataset
from mmdet3d.models import Det3DDataPreprocessor
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope

from mmocc.datasets import NuScenesOccDataset
from mmocc.datasets.nuscenes_occ_dataset import NUSCENES_PREFIX
from mmocc.infos import load_info_file
from mmocc.structures import CAMERAS

sys.path.insert(0, str(Path(__file__).parents[3] / 'tools'))

from dataset_converters.nuscenes_converter import (
    ConvertOptions,
    convert_nuscenes,
)

SPLITS = {'train': 16, 'val': 8}
# mmdet3d cuts the boxes of images at 1600 x 900, ours at the image's size.
CUT_ELSEWHERE = {'cam_instances'}
PIPELINE = [
    {'type': 'LoadMultiViewImageFromFiles', 'num_views': 6},
    {
        'type': 'LoadPointsFromFile',
        'coord_type': 'LIDAR',
        'load_dim': 5,
        'use_dim': 5,
    },
    {'type': 'Pack3DDetInputs', 'keys': ['img', 'points']},
]


def _script(name):
    folder = Path(mmdet3d.__file__).parent / '.mim/tools/dataset_converters'
    spec = importlib.util.spec_from_file_location(
        f'_theirs_{name}', folder / f'{name}.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def theirs(unit_root, tmp_path_factory):
    """Info files of mmdet3d's own converter."""
    work = tmp_path_factory.mktemp('mmdet3d')
    (work / 'data').mkdir()
    (work / 'data' / 'nuscenes').symlink_to(unit_root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)  # its second step has this path written into it
        _script('nuscenes_converter').create_nuscenes_infos(
            'data/nuscenes', 'nuscenes', 'v1.0-mini', max_sweeps=2
        )
        for split in SPLITS:
            name = f'nuscenes_infos_{split}.pkl'
            _script('update_infos_to_v2').update_nuscenes_infos(
                f'data/nuscenes/{name}', str(work)
            )
            (unit_root / name).unlink()
    return work


@pytest.fixture(scope='module')
def ours(unit_root, tmp_path_factory):
    """Info files of our converter, with all that it can join."""
    out = tmp_path_factory.mktemp('ours')
    convert_nuscenes(
        ConvertOptions(
            unit_root, 'v1.0-mini', out, occ3d=True, qa=True, can_bus=True
        )
    )
    return out


def assert_holds(ours, theirs, where=''):
    """All that ``theirs`` holds is in ``ours``, with the same values."""
    if isinstance(theirs, dict):
        for key, value in theirs.items():
            if value is not None and key not in CUT_ELSEWHERE:
                assert_holds(ours[key], value, f'{where}.{key}')
    elif isinstance(theirs, str):
        assert Path(ours).name == Path(theirs).name, where
    elif theirs and isinstance(theirs, list) and isinstance(theirs[0], dict):
        for k, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            assert_holds(one, other, f'{where}[{k}]')
        assert len(ours) >= len(theirs), where
    else:
        np.testing.assert_allclose(
            ours, theirs, rtol=1e-5, atol=1e-5, err_msg=where
        )


@pytest.mark.parametrize('split', SPLITS)
def test_our_converter_writes_what_mmdet3d_writes(theirs, ours, split):
    wanted = load_info_file(theirs / f'nuscenes_infos_{split}.pkl')
    found = load_info_file(ours / f'nuscenes_infos_occ_{split}.pkl')
    assert found['metainfo'] == wanted['metainfo']
    assert len(found['data_list']) == SPLITS[split]
    assert_holds(found['data_list'], wanted['data_list'], split)
    boxes = [len(info['instances']) for info in wanted['data_list']]
    assert boxes == [len(info['instances']) for info in found['data_list']]
    assert min(boxes) >= 8


@pytest.mark.parametrize('split', SPLITS)
def test_infos_are_complete(ours, split):
    infos = load_info_file(ours / f'nuscenes_infos_occ_{split}.pkl')
    for info in infos['data_list']:
        assert info['occ_path'] and len(info['qa']) >= 8
        assert np.isfinite(info['ego']['status']['steer'])
        labelled = info['meta_action'] is not None
        assert labelled == bool(info['cot'])
        if labelled:
            assert info['meta_action']['source'] == 'map'


def load(root, ann_file, prefix):
    """A batch of one through mmdet3d's classes alone."""
    init_default_scope('mmdet3d')
    dataset = NuScenesDataset(
        data_root=str(root),
        ann_file=str(ann_file),
        data_prefix=prefix,
        modality={'use_camera': True, 'use_lidar': True},
        pipeline=PIPELINE,
        test_mode=True,
    )
    batch = pseudo_collate([dataset[0]])
    preprocessor = Det3DDataPreprocessor(
        mean=[0.0] * 3, std=[1.0] * 3, pad_size_divisor=32
    )
    return preprocessor(batch, False)


def test_mmdet3d_loads_it_and_a_real_frame_alike(unit_root, theirs, real_data):
    made = load(
        unit_root, theirs / 'nuscenes_infos_val.pkl', dict(NUSCENES_PREFIX)
    )
    frame = next((real_data / 'frame').glob('*.pkl'))
    real = load(
        frame.parent, frame, dict.fromkeys([*CAMERAS, 'pts', 'sweeps'], '')
    )
    for batch, size in ((made, (256, 416)), (real, (928, 1600))):
        assert batch['inputs']['imgs'].shape == (1, 6, 3, *size)
        points = batch['inputs']['points'][0].numpy()
        assert points.shape[1] == 5 and len(points) > 1000
        assert points[:, 4].max() == 31
        # Above the road there is nothing lower than the sensor is high.
        assert -3.0 < np.percentile(points[:, 2], 5) < -1.5
        meta = batch['data_samples'][0].metainfo
        assert np.shape(meta['lidar2cam']) == (6, 4, 4)
    assert set(made['inputs']) == set(real['inputs'])
    keys = [set(b['data_samples'][0].metainfo) for b in (made, real)]
    assert keys[0] == keys[1]


def test_our_data_set_loads_it_and_a_real_frame_alike(
    unit_root, ours, real_data
):
    init_default_scope('mmocc')
    pipeline = [
        {'type': 'LoadSurroundImages', 'size': (56, 98)},
        {'type': 'ComputeLidar2Img'},
        {'type': 'PackOccInputs', 'meta_keys': ['lidar2img']},
    ]
    frame = next((real_data / 'frame').glob('*.pkl'))
    made, real = (
        NuScenesOccDataset(
            str(path), str(root), pipeline, data_prefix=prefix, test_mode=True
        )[0]
        for path, root, prefix in (
            (ours / 'nuscenes_infos_occ_val.pkl', unit_root, None),
            (frame, frame.parent, {'img': ''}),
        )
    )
    assert made['inputs']['img'].shape == real['inputs']['img'].shape
    ahead = np.array([0.0, 20.0, -1.0, 1.0])  # LiDAR frame: 20 m in front
    for item in (made, real):
        u, v, depth = (item['data_samples'].lidar2img[0] @ ahead)[:3]
        assert 0.4 < u / depth / 98 < 0.6 and 0.4 < v / depth / 56 < 0.8
