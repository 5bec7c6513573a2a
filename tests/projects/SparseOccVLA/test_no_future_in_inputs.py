"""From info file to model input: what is to come changes nothing."""

import pickle

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmocc_testing import write_tiny_dataset
from sparseoccvla_samples import CONFIGS

import mmocc.projects.SparseOccVLA.sparseoccvla  # noqa: F401
from mmocc.models.detectors.base_vla import BaseVLA
from mmocc.registry import DATASETS

STAGE_3 = 'sparseoccvla_tiny_stage3-forecast-planner_synthetic.py'
NOW = 1  # with a frame before it and one after it


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_tiny_dataset(tmp_path_factory.mktemp('data'))


def load(root, pipeline, ann_file, index):
    """A frame of the tiny config of stage 3."""
    init_default_scope('mmocc')
    cfg = Config.fromfile(CONFIGS / 'sparseoccvla' / STAGE_3)
    dataset = DATASETS.build(
        dict(
            cfg.train_dataloader.dataset,
            data_root=str(root),
            ann_file=ann_file,
            pipeline=cfg[pipeline],
        )
    )
    return dataset[index]


def change_the_future(path):
    """Every label of a frame, and all frames behind it."""
    content = pickle.loads(path.read_bytes())
    now, *later = content['data_list'][NOW:]
    ego = now['ego']
    ego['fut_poses'] = ego['fut_poses'] * -3 + 1
    ego['fut_mask'] = ~ego['fut_mask']
    ego['command'] = 2
    now['meta_action'] = dict(
        now['meta_action'], speed='Decelerate', direction='Turn Right'
    )
    now['cot'] = 'Scene: none. Action: Decelerate; Turn Right.'
    for item in now['qa']:
        item['answer'] = 'never'
    for box in now['instances']:
        box['fut_box'] = box['fut_box'] + 5
    for info in later:
        pose = np.array(info['ego2global'])
        pose[:3, 3] += [25, -20, 3]  # more than that no car goes in a step
        info['ego2global'] = pose.tolist()
        info['occ_path'] = now['occ_path']
        for view in info['images'].values():
            view['img_path'] = 'nowhere.jpg'
    path = path.with_name('changed.pkl')
    path.write_bytes(pickle.dumps(content))
    return path.name


def inputs_of(item):
    """All that the model may read of a frame."""
    sample = item['data_samples']
    ego = sample.gt_ego
    return dict(
        img=item['inputs']['img'],
        cam2img=torch.from_numpy(sample.cam2img),
        cam2ego=torch.from_numpy(sample.cam2ego),
        status=ego.status,
        his_trajs=ego.his_trajs,
        his_masks=ego.his_masks,
        prompts=torch.cat(
            list(BaseVLA.prompts(sample, '', others=True).values())
        ),
    )


@pytest.mark.parametrize('pipeline', ['train_pipeline', 'test_pipeline'])
def test_the_future_changes_no_model_input(root, pipeline):
    path = root / 'nuscenes_infos_occ_train.pkl'
    before = load(root, pipeline, path.name, NOW)
    after = load(root, pipeline, change_the_future(path), NOW)
    first, second = inputs_of(before), inputs_of(after)
    for key, value in first.items():
        assert torch.equal(value, second[key]), key
    # Or else the comparison would show nothing.
    truths = [item['data_samples'] for item in (before, after)]
    assert not torch.equal(*(t.gt_ego.fut_trajs for t in truths))
    assert not torch.equal(*(t.gt_occ.future_semantics for t in truths))
    assert truths[0].gt_meta.direction != truths[1].gt_meta.direction
    assert truths[1].gt_ego.command == -1


def test_the_first_frame_of_a_scene_is_its_own_past(root):
    """And seen from where the car is now."""
    item = load(root, 'test_pipeline', 'nuscenes_infos_occ_train.pkl', 0)
    images = item['inputs']['img']
    views = len(images) // 2
    assert torch.equal(images[:views], images[views:])
    np.testing.assert_allclose(
        item['data_samples'].cam2ego[:views],
        item['data_samples'].cam2ego[views:],
        atol=1e-9,
    )
