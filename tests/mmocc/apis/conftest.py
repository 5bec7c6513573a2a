from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope, init_default_scope
from mmocc_testing import write_tiny_dataset

from mmocc.apis import VLAInferencer
from mmocc.infos import load_info_file
from mmocc.registry import MODELS
from mmocc.utils.config import load_config

CONFIG = Path(__file__).parent / 'small_occvla.py'
SPARSE_CONFIG = Path(__file__).parent / 'small_sparseoccvla.py'


@pytest.fixture(scope='session')
def config():
    """Must not be changed; copy it first."""
    return load_config(CONFIG)


@pytest.fixture(scope='session')
def root(tmp_path_factory):
    return write_tiny_dataset(tmp_path_factory.mktemp('frames'))


@pytest.fixture(scope='session')
def infos(root):
    return load_info_file(root / 'nuscenes_infos_occ_val.pkl')['data_list']


@pytest.fixture(scope='session')
def weights(config, tmp_path_factory):
    """A checkpoint of random weights."""
    with DefaultScope.overwrite_default_scope('mmocc'):
        init_default_scope('mmocc')
        torch.manual_seed(0)
        model = MODELS.build(config.model)
    # Random queries are all alike; make occupancy and plan depend on input.
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save({'state_dict': model.state_dict()}, path)
    return path


@pytest.fixture(scope='session')
def inferencer(config, weights):
    return VLAInferencer(config, weights)


@pytest.fixture(scope='session')
def sparse_config():
    """Must not be changed; copy it first. All candidates are refined."""
    return load_config(SPARSE_CONFIG, {'model.planner.denoise': 'all'})


@pytest.fixture(scope='session')
def sparse_weights(sparse_config, tmp_path_factory):
    """A checkpoint of random weights, with anchors in it."""
    with DefaultScope.overwrite_default_scope('mmocc'):
        init_default_scope('mmocc')
        torch.manual_seed(0)
        model = MODELS.build(sparse_config.model)
    for parameter in model.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    fill_anchors(model.planner.bank)
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save({'state_dict': model.state_dict()}, path)
    return path


@pytest.fixture(scope='session')
def sparse_inferencer(sparse_config, sparse_weights):
    return VLAInferencer(sparse_config, sparse_weights)


def fill_anchors(bank):
    """Straight drives at 2 to 8 m/s."""
    count, steps = bank.anchors.shape[:2]
    forward = torch.linspace(1, 4, count)[:, None] * torch.arange(1, steps + 1)
    bank.anchors.copy_(torch.stack([forward, 0 * forward], dim=-1))
    bank.normalizer.centre.copy_(torch.tensor([2.5, 0.0]))
    bank.normalizer.half_range.copy_(torch.tensor([2.5, 1.5]))


@pytest.fixture(scope='session')
def own_cameras(root, infos):
    """Make what a user with cameras of their own has: arrays and matrices."""

    def make(index=0):
        info = infos[index]
        lidar2ego = np.array(info['lidar_points']['lidar2ego'])
        images, intrinsics, extrinsics = {}, {}, {}
        for name, view in info['images'].items():
            path = root / 'samples' / name / view['img_path']
            images[name] = cv2.imread(str(path))
            intrinsics[name] = np.array(view['cam2img'])
            lidar2cam = np.array(view['lidar2cam'])
            extrinsics[name] = lidar2ego @ np.linalg.inv(lidar2cam)
        return images, intrinsics, extrinsics

    return make


@pytest.fixture(scope='session')
def ego_state(infos):
    """Make the ego state of a frame as a user would give it."""

    def make(index=0):
        ego = infos[index]['ego']
        known = {k: v for k, v in ego['status'].items() if np.isfinite(v)}
        return {
            **known,
            'his_poses': ego['his_poses'],
            'his_mask': ego['his_mask'],
        }

    return make
