import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseDataPreprocessor
from mmengine.optim import OptimWrapper
from mmengine.structures import BaseDataElement

from mmocc.models.detectors.occ_autoencoder import apply_symmetry
from mmocc.registry import MODELS
from mmocc.structures import FREE, OccDataSample

GRID = (16, 16, 4)
VQVAE = {
    'type': 'SceneVQVAE',
    'grid_shape': GRID,
    'expansion': 4,
    'base_channels': 8,
    'num_res_blocks': 1,
    'attention_levels': (),
    'latent_channels': 16,
    'num_codes': 32,
}
OCCWORLD_LOSSES = {
    'loss_ce': {'type': 'OccCrossEntropyLoss', 'loss_weight': 10.0},
    'loss_lovasz': {'type': 'OccLovaszLoss'},
}


def build(vqvae=VQVAE, **changes):
    torch.manual_seed(0)
    return MODELS.build(
        ConfigDict(
            type='OccAutoEncoder',
            vqvae=vqvae,
            **{**OCCWORLD_LOSSES, **changes},
        )
    )


def street(seed, grid=GRID):
    """A frame with a road, a verge and two boxes that stand on it."""
    generator = torch.Generator().manual_seed(seed)
    semantics = torch.full(grid, FREE, dtype=torch.uint8)
    edge = int(torch.randint(4, 12, (), generator=generator))
    semantics[:, :edge, 0] = 11
    semantics[:, edge:, 0] = 14
    for label in (4, 15):
        x, y = torch.randint(0, grid[0] - 4, (2,), generator=generator)
        semantics[x : x + 4, y : y + 3, 1:3] = label
    return semantics


def sample_of(semantics):
    sample = OccDataSample(metainfo={'token': 'frame-a'})
    sample.gt_occ = BaseDataElement(
        semantics=semantics,
        mask_camera=torch.arange(semantics.numel()).view(semantics.shape) % 3
        == 0,
    )
    return sample


@pytest.fixture
def batch():
    """What the data loader hands over: frames without images."""
    return pseudo_collate(
        [{'inputs': {}, 'data_samples': sample_of(street(i))} for i in (1, 2)]
    )


def test_losses_are_occworlds_three_with_their_weights(batch):
    model = build()
    losses = model(**batch, mode='loss')
    assert set(losses) == {
        'loss_ce',
        'loss_lovasz',
        'loss_embed',
        'used_codes',
    }
    semantics = torch.stack([street(1), street(2)])
    latent = model.vqvae.encode(semantics)
    code, embed, indices = model.vqvae.quantise(latent)
    logits = model.vqvae.logits(model.vqvae.decode(code))
    expected = 10 * torch.nn.functional.cross_entropy(
        logits.flatten(0, 3), semantics.flatten().long()
    )
    torch.testing.assert_close(losses['loss_ce'], expected)
    torch.testing.assert_close(losses['loss_embed'], embed)
    assert losses['used_codes'] == len(set(indices.flatten().tolist()))


def test_training_step_moves_every_parameter(batch):
    model = build()
    wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    before = {name: p.clone() for name, p in model.named_parameters()}
    logs = model.train_step(batch, wrapper)
    total = logs['loss_ce'] + logs['loss_lovasz'] + logs['loss_embed']
    torch.testing.assert_close(logs['loss'], total)
    still = {
        name
        for name, p in model.named_parameters()
        if torch.equal(p, before[name])
    }
    # A key's bias adds the same to all scores of a query: no effect.
    assert still <= {
        'vqvae.encoder.mid.attn_1.k.bias',
        'vqvae.decoder.mid.attn_1.k.bias',
    }


def test_two_frames_are_learnt_by_heart(batch):
    model = build({**VQVAE, 'num_codes': None})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        losses = model(**batch, mode='loss')
        (losses['loss_ce'] + losses['loss_lovasz']).backward()
        optimizer.step()
    for sample in model(**batch, mode='predict'):
        right = sample.pred_occ.semantics == sample.gt_occ.semantics
        assert right.float().mean() > 0.995
        assert right[sample.gt_occ.semantics != FREE].float().mean() > 0.97


def test_the_codebook_takes_part_in_learning(batch):
    model = build()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    history = []
    for _ in range(80):
        optimizer.zero_grad()
        losses = model(**batch, mode='loss')
        history.append(losses['loss_ce'].item())
        sum(v for k, v in losses.items() if k.startswith('loss')).backward()
        optimizer.step()
    assert losses['used_codes'] > 1
    assert history[-1] < 0.1 * history[0]


def test_prediction_is_the_most_likely_class_in_every_mode(batch):
    model = build()
    logits = model(**batch)
    assert logits.shape == (2, *GRID, 18)
    for mode in (True, False):
        with torch.no_grad():
            samples = model.train(mode)(**batch, mode='predict')
        for sample, expected in zip(samples, logits, strict=True):
            assert sample.pred_occ.semantics.dtype == torch.uint8
            assert torch.equal(
                sample.pred_occ.semantics, expected.argmax(-1).byte()
            )


def test_mask_limits_the_losses_but_not_the_input(batch):
    model = build(mask='mask_camera')
    index = []
    model.vqvae.logits_at = lambda features, chosen: (
        index.append(chosen)
        or model.vqvae.logits(features.flatten(0, -2)[chosen])
    )
    seen = []
    encode = model.vqvae.encode
    model.vqvae.encode = lambda grid: seen.append(grid) or encode(grid)
    model(**batch, mode='loss')
    assert torch.equal(seen[0], torch.stack([street(1), street(2)]))
    masks = [s.gt_occ.mask_camera for s in batch['data_samples']]
    assert torch.equal(
        index[0], torch.stack(masks).flatten().nonzero().squeeze(1)
    )


def test_without_codebook_there_is_no_embedding_loss(batch):
    model = build({**VQVAE, 'num_codes': None}, loss_lovasz=None)
    assert set(model(**batch, mode='loss')) == {'loss_ce'}


def test_symmetries_are_the_eight_of_the_square():
    grid = torch.arange(3 * 3 * 2).view(3, 3, 2)
    turned = [apply_symmetry(grid, i) for i in range(8)]
    assert torch.equal(turned[0], grid)
    assert len({tuple(g.flatten().tolist()) for g in turned}) == 8
    for image in turned:
        # Columns stay whole and upright; neighbours stay neighbours.
        assert torch.equal(image[1, 1], grid[1, 1])
        steps = (image[1, 1] - image[0, 1]).abs()
        assert steps.tolist() in ([2, 2], [6, 6])


def test_random_symmetry_turns_input_and_labels_alike(batch):
    model = build(random_symmetry=True, mask='mask_camera')
    pairs = []
    encode, select = model.vqvae.encode, model.loss_ce.select
    model.vqvae.encode = lambda grid: pairs.append([grid]) or encode(grid)
    model.loss_ce.select = lambda grid: pairs[-1].append(grid) or select(grid)
    torch.manual_seed(0)
    for _ in range(20):
        model(**batch, mode='loss')
    original = torch.stack([street(1), street(2)])
    masks = torch.stack([s.gt_occ.mask_camera for s in batch['data_samples']])
    hidden = original.masked_fill(~masks, 255)
    used = set()
    for grid, labels in pairs:
        (symmetry,) = [
            i
            for i in range(8)
            if torch.equal(apply_symmetry(original, i), grid)
        ]
        assert torch.equal(labels, apply_symmetry(hidden, symmetry))
        used.add(symmetry)
    assert len(used) > 4


def test_crops_are_squares_of_the_grid_with_their_own_labels(batch):
    model = build(crop_size=7, mask='mask_camera')
    pairs = []
    encode, select = model.vqvae.encode, model.loss_ce.select
    model.vqvae.encode = lambda grid: pairs.append([grid]) or encode(grid)
    model.loss_ce.select = lambda grid: pairs[-1].append(grid) or select(grid)
    torch.manual_seed(0)
    for _ in range(30):
        assert model(**batch, mode='loss')['loss_ce'].isfinite()
    original = torch.stack([street(1), street(2)])
    masks = torch.stack([s.gt_occ.mask_camera for s in batch['data_samples']])
    hidden = original.masked_fill(~masks, 255)
    starts = set()
    for grid, labels in pairs:
        assert grid.shape == (2, 7, 7, 4)
        places = [
            (x, y)
            for x in range(10)
            for y in range(10)
            if torch.equal(grid, original[:, x : x + 7, y : y + 7])
            and torch.equal(labels, hidden[:, x : x + 7, y : y + 7])
        ]
        assert places
        starts.add(places[0])
    assert len(starts) > 10


@pytest.mark.parametrize('crop_size', [0, 17])
def test_crops_that_do_not_fit_are_refused(crop_size):
    with pytest.raises(ValueError, match=f'crop_size is {crop_size}.*1 to 16'):
        build(crop_size=crop_size)


def test_symmetries_of_the_square_need_a_square():
    with pytest.raises(ValueError, match='16 x 12 voxels'):
        build({**VQVAE, 'grid_shape': (16, 12, 4)}, random_symmetry=True)


def test_default_preprocessor_is_mmengines_and_keeps_the_samples(batch):
    model = build()
    assert type(model.data_preprocessor) is BaseDataPreprocessor
    data = model.data_preprocessor(batch, training=True)
    sample = data['data_samples'][0]
    assert isinstance(sample, OccDataSample)
    assert sample.token == 'frame-a'
    assert torch.equal(sample.gt_occ.semantics, street(1))


def test_missing_labels_name_the_sample():
    with pytest.raises(KeyError, match=r'frame-b.*gt_occ\.semantics'):
        build()(
            data_samples=[OccDataSample(metainfo={'token': 'frame-b'})],
            mode='loss',
        )


def test_unknown_mode_is_refused(batch):
    with pytest.raises(ValueError, match="mode='train'"):
        build()(**batch, mode='train')


def test_a_real_label_goes_through_at_full_size(real_data):
    labels = np.load(real_data / 'occ3d_labels.npz')
    sample = OccDataSample(metainfo={'token': 'real'})
    sample.gt_occ = BaseDataElement(
        **{name: torch.from_numpy(labels[name]) for name in labels.files}
    )
    full = (200, 200, 16)
    model = build({**VQVAE, 'grid_shape': full}, mask='mask_camera')
    losses = model(data_samples=[sample], mode='loss')
    assert all(value.isfinite() for value in losses.values())
    model(data_samples=[sample], mode='predict')
    assert sample.pred_occ.semantics.shape == full
