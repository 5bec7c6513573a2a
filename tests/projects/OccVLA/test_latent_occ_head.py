"""The latent occupancy head: where queries stand and what they move."""

import pytest
import torch
from mmengine.structures import BaseDataElement

from mmocc.registry import MODELS
from mmocc.structures import OccDataSample, OccGrid

WIDTH = 16


def build(query_shape=(25, 25), **options):
    torch.manual_seed(0)
    return MODELS.build(
        dict(
            type='LatentOccHead',
            embed_dims=WIDTH,
            query_shape=query_shape,
            vqvae=dict(
                type='SceneVQVAE',
                base_channels=4,
                expansion=2,
                latent_channels=8,
                mid_attention=False,
                attention_levels=(),
                num_codes=16,
            ),
            loss_occ=dict(type='OccCrossEntropyLoss'),
            **options,
        )
    )


def make_sample(seed=0):
    generator = torch.Generator().manual_seed(seed)
    sample = OccDataSample(metainfo=dict(token=f'frame{seed}'))
    sample.gt_occ = BaseDataElement(
        semantics=torch.randint(
            18, (200, 200, 16), generator=generator
        ).byte(),
        mask_camera=torch.rand((200, 200, 16), generator=generator) < 0.1,
    )
    return sample


def test_queries_stand_in_the_middle_of_their_cells():
    points = build((2, 2)).query_points()
    # 80 m by 80 m in cells of 40 m; y runs fastest.
    assert points.tolist() == [
        [x, y, 0.0] for x in (-20.0, 20.0) for y in (-20.0, 20.0)
    ]


def test_a_query_moves_only_its_own_cells():
    """Query (x, y) predicts the latent cells, hence the metres, it covers."""
    head = build((25, 25))
    with torch.no_grad():
        before = head.latent(torch.zeros(1, 625, WIDTH))
        hidden = torch.zeros(1, 625, WIDTH)
        hidden[0, 3 * 25 + 20] = 1.0
        after = head.latent(hidden)
    moved = (before != after).any(dim=1)[0].nonzero()
    assert {tuple(cell) for cell in moved.tolist()} == {
        (6, 40), (6, 41), (7, 40), (7, 41)
    }  # fmt: skip
    # The point the query stands for lies in the voxels of these cells.
    voxel, _ = OccGrid().to_index(head.query_points()[3 * 25 + 20].numpy())
    assert 24 <= voxel[0] < 32 and 160 <= voxel[1] < 168


def test_unobserved_voxels_are_not_supervised():
    head = build()
    hidden = torch.randn(1, 625, WIDTH)
    sample = make_sample()
    loss = head.loss(hidden, [sample])['loss_occ']
    unseen = ~sample.gt_occ.mask_camera
    sample.gt_occ.semantics[unseen] = 3
    assert head.loss(hidden, [sample])['loss_occ'] == loss
    sample.gt_occ.semantics[~unseen] = 3
    assert head.loss(hidden, [sample])['loss_occ'] != loss


@pytest.mark.parametrize('supervise', ['voxel', 'latent'])
@pytest.mark.parametrize('quantise', [False, True])
def test_gradients_reach_the_queries(supervise, quantise):
    head = build(supervise=supervise, quantise=quantise)
    hidden = torch.randn(1, 625, WIDTH, requires_grad=True)
    head.loss(hidden, [make_sample()])['loss_occ'].backward()
    assert hidden.grad.abs().sum() > 0
    idle = [
        name
        for name, p in head.named_parameters()
        if p.requires_grad and p.grad is None
    ]
    # Queries are not part of this loss; everything else is.
    assert idle == ['content', 'row_embed', 'column_embed']


def test_lambda_scales_the_loss():
    hidden, sample = torch.randn(1, 625, WIDTH), make_sample()
    one = build().loss(hidden, [sample])['loss_occ']
    head = build()
    head.loss_occ.loss_weight = 0.1
    torch.testing.assert_close(
        head.loss(hidden, [sample])['loss_occ'], 0.1 * one
    )


def test_a_frozen_decoder_trains_the_queries_alike():
    """Frozen weights and a learning rate of zero: the same gradients."""
    grads = []
    for frozen in (False, True):
        head = build(frozen_vqvae=frozen)
        hidden = torch.randn(
            1, 625, WIDTH, generator=torch.Generator().manual_seed(1)
        ).requires_grad_()
        head.loss(hidden, [make_sample()])['loss_occ'].backward()
        grads.append(hidden.grad)
    torch.testing.assert_close(*grads)


def test_misfits_are_refused():
    with pytest.raises(ValueError, match='does not tile'):
        build((20, 25))
    with pytest.raises(ValueError, match=r'occ_head\.supervise'):
        build(supervise='voxels')
    sample = make_sample()
    del sample.gt_occ
    with pytest.raises(KeyError, match=r'frame0 has no gt_occ\.semantics'):
        build().loss(torch.randn(1, 625, WIDTH), [sample])


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_trains_and_predicts_under_autocast_of_the_whole_model(dtype):
    head = build(dtype=dtype)
    hidden = torch.randn(1, 625, WIDTH)
    expected = head.loss(hidden, [make_sample()])['loss_occ']
    with torch.autocast('cpu', torch.bfloat16):
        loss = head.loss(hidden, [make_sample()])['loss_occ']
        [occupancy] = head.predict(hidden, [])
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, atol=0.05, rtol=0)
    assert occupancy.semantics.shape == (200, 200, 16)


def test_quantising_without_a_codebook_is_refused():
    """It would pass unseen: the latent goes on as it is."""
    vqvae = dict(type='SceneVQVAE', base_channels=4, num_codes=None)
    with pytest.raises(ValueError, match=r'vqvae\.num_codes'):
        MODELS.build(
            dict(
                type='LatentOccHead',
                embed_dims=WIDTH,
                vqvae=vqvae,
                loss_occ=dict(type='OccCrossEntropyLoss'),
                quantise=True,
            )
        )
