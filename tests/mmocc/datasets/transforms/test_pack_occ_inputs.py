import numpy as np
import pytest
import torch

from mmocc.datasets import NuScenesOccDataset, PackOccInputs
from mmocc.structures import CAMERAS, DrivingQA

LOADERS = {
    'gt_occ': [{'type': 'LoadOcc3DFromFile'}],
    'gt_ego': [{'type': 'LoadEgoStatus'}],
    'gt_meta': [{'type': 'LoadMetaAction'}],
    'gt_text': [
        {'type': 'LoadDrivingQA'},
        {'type': 'TokenizeQA', 'tokenizer': 'mmocc://tiny_tokenizer'},
    ],
    'img': [
        {'type': 'LoadSurroundImages', 'size': (28, 42)},
        {'type': 'ComputeLidar2Img'},
    ],
}


def item(root, *parts):
    pipeline = [step for part in parts for step in LOADERS[part]]
    dataset = NuScenesOccDataset(
        'nuscenes_infos_occ_train.pkl',
        str(root),
        [*pipeline, {'type': 'PackOccInputs'}],
    )
    return dataset[1]


def describe(value):
    if isinstance(value, torch.Tensor):
        return tuple(value.shape), value.dtype
    return type(value)


def test_whole_sample_follows_the_contract(tiny_root):
    packed = item(tiny_root, *LOADERS)
    sample = packed['data_samples']
    assert list(packed['inputs']) == ['img']
    assert describe(packed['inputs']['img']) == ((6, 3, 28, 42), torch.uint8)
    grid = (200, 200, 16)
    got = {
        f'{field}.{key}': describe(value)
        for field in ('gt_occ', 'gt_ego', 'gt_meta', 'gt_text')
        for key, value in getattr(sample, field).items()
    }
    assert got == {
        'gt_occ.semantics': (grid, torch.uint8),
        'gt_occ.mask_camera': (grid, torch.bool),
        'gt_occ.mask_lidar': (grid, torch.bool),
        'gt_ego.fut_trajs': ((6, 2), torch.float32),
        'gt_ego.fut_masks': ((6,), torch.bool),
        'gt_ego.his_trajs': ((4, 3), torch.float32),
        'gt_ego.his_masks': ((4,), torch.bool),
        'gt_ego.status': ((7,), torch.float32),
        'gt_ego.command': ((), torch.int64),
        'gt_meta.speed': ((), torch.int64),
        'gt_meta.direction': ((), torch.int64),
        'gt_text.questions': list,
        'gt_text.input_ids': list,
        'gt_text.labels': list,
    }
    text = sample.gt_text
    assert len(text.questions) == len(text.input_ids) == len(text.labels) == 6
    assert all(isinstance(q, DrivingQA) for q in text.questions)
    assert all(ids.dtype == torch.int64 for ids in text.input_ids)
    assert set(sample.metainfo) == {
        'token',
        'scene_token',
        'scene_name',
        'frame_idx',
        'cam2img',
        'cam2ego',
        'lidar2ego',
        'img_shape',
        'cam_names',
        'img_paths',
    }
    assert sample.cam2img.shape == (6, 3, 3)
    assert sample.cam2ego.shape == (6, 4, 4)
    assert sample.img_shape == (28, 42)
    assert sample.cam_names == list(CAMERAS)
    assert sample.frame_idx == 1 and sample.scene_name == 'scene-0001'


@pytest.mark.parametrize('part', LOADERS)
def test_a_part_is_there_iff_its_loader_is(tiny_root, part):
    packed = item(tiny_root, part)
    sample = packed['data_samples']
    fields = {key for key in sample.keys() if key.startswith('gt_')}
    assert fields == ({part} - {'img'})
    assert ('img' in packed['inputs']) == (part == 'img')
    assert ('cam2img' in sample.metainfo) == (part == 'img')


def test_further_meta_keys_go_through():
    results = {'token': 'tok', 'timestamp': 3.5}
    sample = PackOccInputs(meta_keys=['timestamp'])(results)['data_samples']
    assert sample.timestamp == 3.5 and sample.frame_idx == -1


def test_mirrored_arrays_are_packed(tiny_root):
    grid = np.arange(200 * 200 * 16) % 17
    grid = grid.reshape(200, 200, 16).astype(np.uint8)[:, ::-1]
    results = {
        'token': 'tok',
        'voxel_semantics': grid,
        'mask_camera': grid > 3,
        'mask_lidar': grid > 2,
    }
    sample = PackOccInputs()(results)['data_samples']
    np.testing.assert_array_equal(sample.gt_occ.semantics, grid)
