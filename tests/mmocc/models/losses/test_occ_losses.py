import pytest
import torch
import torch.nn.functional as F

from mmocc.models.losses import IGNORE_INDEX
from mmocc.registry import MODELS

CLASS_WEIGHTS = [0.5 + 0.25 * label for label in range(18)]


def build(**changes):
    return MODELS.build({'type': 'OccCrossEntropyLoss', **changes})


def evaluate(loss, logits, labels, mask=None):
    sample = loss.select(labels, mask)
    return loss(logits.flatten(0, -2)[sample.index], sample)


@pytest.fixture
def case():
    """Logits (2, 4, 5, 3, 18), labels that are free for the most part."""
    torch.manual_seed(0)
    labels = torch.randint(18, (2, 4, 5, 3))
    labels[torch.rand(labels.shape) < 0.7] = 17
    logits = torch.randn(*labels.shape, 18, dtype=torch.double)
    return logits, labels.byte()


@pytest.mark.parametrize('weights', [None, CLASS_WEIGHTS])
def test_of_all_voxels_it_is_the_mean_cross_entropy(case, weights):
    logits, labels = case
    expected = F.cross_entropy(
        logits.flatten(0, -2),
        labels.flatten().long(),
        weight=None if weights is None else torch.tensor(weights).double(),
    )
    loss = evaluate(build(class_weights=weights), logits, labels)
    torch.testing.assert_close(loss, expected.float())


def test_mask_and_ignored_labels_do_not_count(case):
    logits, labels = case
    mask = torch.rand(labels.shape) < 0.5
    ignored = torch.rand(labels.shape) < 0.2
    keep = mask & ~ignored
    expected = F.cross_entropy(logits[keep], labels[keep].long()).float()
    labels[ignored] = IGNORE_INDEX
    torch.testing.assert_close(
        evaluate(build(), logits, labels, mask), expected
    )


@pytest.mark.parametrize('weights', [None, CLASS_WEIGHTS])
def test_expectation_of_sampled_loss_and_gradient_is_the_full_one(
    case, weights
):
    """The mean over draws meets the full loss within 4 standard errors."""
    logits, labels = case
    logits.requires_grad_()
    full = evaluate(build(class_weights=weights), logits, labels)
    (full_gradient,) = torch.autograd.grad(full, logits)
    sampled = build(class_weights=weights, free_ratio=0.2)
    torch.manual_seed(1)
    losses, gradient = [], torch.zeros_like(logits)
    draws = 600
    for _ in range(draws):
        loss = evaluate(sampled, logits, labels)
        gradient += torch.autograd.grad(loss, logits)[0] / draws
        losses.append(loss.detach())
    losses = torch.stack(losses)
    error = losses.std() / draws**0.5
    assert losses.std() > 0.01
    assert (losses.mean() - full).abs() < 4 * error
    assert (gradient - full_gradient).norm() < 0.15 * full_gradient.norm()


def test_sampling_keeps_every_occupied_voxel_and_its_weight(case):
    _, labels = case
    sample = build(free_ratio=0.2).select(labels)
    flat = labels.flatten()
    occupied = sample.index[sample.labels != 17]
    assert torch.equal(occupied, (flat != 17).nonzero().squeeze(1))
    assert 0 < (sample.labels == 17).sum() < (flat == 17).sum()
    assert torch.equal(flat[sample.index].long(), sample.labels)
    share = sample.weights * flat.numel()
    expected = torch.where(sample.labels == 17, 5.0, 1.0)
    torch.testing.assert_close(share, expected)


def test_the_seed_decides_the_draw(case):
    _, labels = case
    loss = build(free_ratio=0.5)
    draws = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        draws.append(loss.select(labels).index.tolist())
    assert draws[0] == draws[1] != draws[2]


def test_nothing_to_look_at_is_zero_with_a_gradient(case):
    logits, labels = case
    logits.requires_grad_()
    nothing = torch.zeros(labels.shape, dtype=torch.bool)
    for weights in (None, CLASS_WEIGHTS):
        loss = evaluate(build(class_weights=weights), logits, labels, nothing)
        loss.backward()
        assert loss == 0
        assert logits.grad.abs().max() == 0


def test_loss_weight_is_a_factor(case):
    logits, labels = case
    torch.testing.assert_close(
        evaluate(build(loss_weight=10.0), logits, labels),
        10 * evaluate(build(), logits, labels),
    )


@pytest.mark.parametrize('ratio', [0.0, -0.5, 1.5])
def test_free_ratio_outside_its_range_is_refused(ratio):
    with pytest.raises(ValueError, match=f'free_ratio={ratio}'):
        build(free_ratio=ratio)


def test_class_weights_stay_out_of_checkpoints():
    assert not build(class_weights=CLASS_WEIGHTS).state_dict()
