"""Other cameras than those of the training: predictions, or an error."""

import copy

import numpy as np
import pytest
import torch
from own_inputs import predict_own

from mmocc.apis import VLAInferencer
from mmocc.apis.camera_choice import for_cameras
from mmocc.datasets import SampleError
from mmocc.infos.plausibility import VARIABLE
from mmocc.structures import CAMERAS
from mmocc.utils.config import ConfigError

FOUR = ('LEFT', 'FRONT', 'RIGHT', 'REAR')
OLD = ('CAM_FRONT_LEFT', 'CAM_FRONT', 'CAM_FRONT_RIGHT', 'CAM_BACK')


def renamed(cameras):
    """Four of the six cameras, under names of one's own."""
    return [
        {new: given[old] for new, old in zip(FOUR, OLD, strict=True)}
        for given in cameras
    ]


def test_sparseoccvla_takes_four_cameras(
    sparse_config, sparse_weights, own_cameras, ego_state
):
    """With its six-camera weights; names and order are one's own."""
    four = VLAInferencer(sparse_config, sparse_weights, cameras=FOUR)
    given = renamed(own_cameras(1))
    got = predict_own(four, *given, ego_state(1), return_datasample=True)
    assert torch.isfinite(got.pred_ego.trajs).all()
    assert got.cam_names[:4] == list(FOUR)
    turned = VLAInferencer(sparse_config, sparse_weights, cameras=FOUR[::-1])
    same = predict_own(turned, *given, ego_state(1), return_datasample=True)
    torch.testing.assert_close(
        same.pred_ego.trajs, got.pred_ego.trajs, rtol=0, atol=1e-5
    )


def test_views_that_show_nothing_are_like_views_that_are_not_there(
    sparse_config, sparse_weights, sparse_inferencer, own_cameras, monkeypatch
):
    """Two more cameras that look up from far above change nothing."""
    monkeypatch.setenv(VARIABLE, 'warn')
    images, intrinsics, extrinsics = own_cameras(1)
    up = np.eye(4)
    up[2, 3] = 29.0  # far above the car, looking up
    for name in set(CAMERAS) - set(OLD):
        extrinsics[name] = up
    six = predict_own(
        sparse_inferencer,
        images,
        intrinsics,
        extrinsics,
        return_datasample=True,
    )
    four = VLAInferencer(sparse_config, sparse_weights, cameras=OLD)
    got = predict_own(
        four, *({name: part[name] for name in OLD} for part in
          (images, intrinsics, extrinsics)),
        return_datasample=True,
    )  # fmt: skip
    torch.testing.assert_close(
        got.pred_ego.trajs, six.pred_ego.trajs, rtol=0, atol=1e-5
    )


def test_occvla_with_a_ray_code_takes_four_cameras(
    config, weights, own_cameras, ego_state
):
    four = VLAInferencer(config, weights, cameras=FOUR)
    result = predict_own(four, *renamed(own_cameras()), ego_state())
    assert np.isfinite(result['trajectory']).all()
    assert result['meta_action']['speed']


def test_occvla_without_a_code_refuses_other_cameras(config):
    plain = copy.deepcopy(config)
    plain.model.pop('position_code')
    with pytest.raises(ConfigError, match=r'place in the sequence.*num_views'):
        for_cameras(plain, FOUR)
    with pytest.raises(ConfigError, match='place in the sequence'):
        for_cameras(plain, CAMERAS[::-1])
    assert for_cameras(plain, CAMERAS).model == plain.model


@pytest.mark.parametrize('cameras', [(), ('FRONT', 'FRONT')])
def test_names_must_differ(config, cameras):
    with pytest.raises(ConfigError, match='one or more different names'):
        for_cameras(config, cameras)


def test_too_few_images_are_refused(
    sparse_config, sparse_weights, own_cameras
):
    four = VLAInferencer(sparse_config, sparse_weights, cameras=FOUR)
    with pytest.raises(SampleError, match=r'CAM_BACK.*LEFT.*FRONT'):
        predict_own(four, *own_cameras())


@pytest.mark.parametrize('model', ['inferencer', 'sparse_inferencer'])
def test_the_order_of_cameras_does_not_matter(model, own_cameras, request):
    inferencer = request.getfixturevalue(model)
    given = own_cameras(1)
    mixed = [
        {name: part[name] for name in order}
        for part, order in zip(
            given, (CAMERAS[::-1], sorted(CAMERAS), CAMERAS), strict=True
        )
    ]
    assert predict_own(inferencer, *mixed) == predict_own(inferencer, *given)


def test_images_of_different_sizes(config, weights, inferencer, own_cameras):
    """Each is scaled to the model's size, with its intrinsics."""
    images, intrinsics, extrinsics = own_cameras()
    images['CAM_BACK'] = np.repeat(np.repeat(images['CAM_BACK'], 2, 0), 2, 1)
    intrinsics['CAM_BACK'] = np.diag([2, 2, 1]) @ intrinsics['CAM_BACK']
    sample = predict_own(
        inferencer, images, intrinsics, extrinsics, return_datasample=True
    )
    same = predict_own(inferencer, *own_cameras(), return_datasample=True)
    np.testing.assert_allclose(sample.cam2img, same.cam2img)

    unsized = copy.deepcopy(config)
    for step in unsized.test_dataloader.dataset.pipeline:
        step.pop('size', None)
    model = VLAInferencer(unsized, weights)
    with pytest.raises(SampleError, match=r'views of different sizes.*`size`'):
        predict_own(model, images, intrinsics, extrinsics)
