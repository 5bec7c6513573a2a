"""Labels of forecasts: the next frames' own, and nothing beyond the scene."""

import pytest
import torch

from mmocc.datasets import NuScenesOccDataset
from mmocc.structures import FREE


def dataset(root, num_future=2, mirror=False):
    pipeline = [
        dict(type='LoadOcc3DFromFile'),
        dict(type='LoadFutureOcc3D'),
        *([dict(type='RandomMirror', prob=1.0)] if mirror else []),
        dict(type='PackOccInputs'),
    ]
    return NuScenesOccDataset(
        ann_file='nuscenes_infos_occ_train.pkl',
        data_root=str(root),
        pipeline=pipeline,
        num_future=num_future,
    )


def test_future_labels_are_those_of_the_next_frames(tiny_root):
    data = dataset(tiny_root)
    here = data[0]['data_samples'].gt_occ
    assert here.future_valid.tolist() == [True, True]
    for step in (1, 2):
        then = data[step]['data_samples'].gt_occ
        assert torch.equal(here.future_semantics[step - 1], then.semantics)
        assert torch.equal(here.future_mask_camera[step - 1], then.mask_camera)


def test_beyond_the_scene_there_is_nothing(tiny_root):
    # Three frames a scene: the last one has no future, even though the file
    # goes on with another scene.
    here = dataset(tiny_root)[2]['data_samples'].gt_occ
    assert here.future_valid.tolist() == [False, False]
    assert (here.future_semantics == FREE).all()
    assert not here.future_mask_camera.any()


def test_the_mirror_mirrors_the_future(tiny_root):
    plain = dataset(tiny_root)[0]['data_samples'].gt_occ
    mirrored = dataset(tiny_root, mirror=True)[0]['data_samples'].gt_occ
    for key in ('future_semantics', 'future_mask_camera'):
        assert torch.equal(mirrored.get(key), plain.get(key).flip(2)), key


def test_a_data_set_that_does_not_look_ahead_is_named(tiny_root):
    with pytest.raises(KeyError, match='num_future'):
        dataset(tiny_root, num_future=0)[0]
