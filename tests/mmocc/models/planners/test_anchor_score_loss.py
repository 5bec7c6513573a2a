"""Losses of scores, against worked examples and other implementations."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmocc.models.planners import (
    AnchorBCELoss,
    AnchorCELoss,
    AnchorFocalLoss,
    AnchorSoftLoss,
)

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 0.0]])
POSITIVE = torch.tensor([0, 2])
DISTANCES = torch.tensor([[0.1, 3.0, 2.0], [5.0, 4.0, 0.2]])
KNOWN = torch.tensor([True, True])


def loss(kind=AnchorBCELoss, known=KNOWN, **options):
    return kind(**options)(LOGITS, POSITIVE, DISTANCES, known)


def softplus(x):
    return math.log1p(math.exp(x))


def test_binary_cross_entropy_is_a_mean_over_anchors():
    first = (softplus(-2.0) + softplus(-1.0) + softplus(0.5)) / 3
    second = math.log(2)
    assert loss().item() == pytest.approx((first + second) / 2)


def test_the_positive_can_weigh_more():
    first = (5 * softplus(-2.0) + softplus(-1.0) + softplus(0.5)) / 3
    second = 7 * math.log(2) / 3
    got = loss(pos_weight=5.0).item()
    assert got == pytest.approx((first + second) / 2)


def test_focal_loss():
    def one(logit, label):
        p = 1 / (1 + math.exp(-logit))
        p, side = (p, 0.25) if label else (1 - p, 0.75)
        return -side * (1 - p) ** 2 * math.log(p)

    first = (one(2.0, 1) + one(-1.0, 0) + one(0.5, 0)) / 3
    second = (2 * one(0.0, 0) + one(0.0, 1)) / 3
    assert loss(AnchorFocalLoss).item() == pytest.approx((first + second) / 2)


def test_cross_entropy_hard_and_soft():
    expected = F.cross_entropy(LOGITS, POSITIVE)
    torch.testing.assert_close(loss(AnchorCELoss), expected)
    # At a low temperature the nearest anchor takes it all.
    torch.testing.assert_close(
        loss(AnchorSoftLoss, temperature=0.01), expected
    )
    target = torch.softmax(-DISTANCES / 0.5, dim=-1)
    expected = -(target * LOGITS.log_softmax(-1)).sum(-1).mean()
    torch.testing.assert_close(loss(AnchorSoftLoss), expected)


@pytest.mark.parametrize(
    'kind', [AnchorBCELoss, AnchorCELoss, AnchorFocalLoss, AnchorSoftLoss]
)
def test_frames_without_a_future_do_not_count(kind):
    only_first = loss(kind, torch.tensor([True, False]))
    alone = kind()(LOGITS[:1], POSITIVE[:1], DISTANCES[:1], KNOWN[:1])
    torch.testing.assert_close(only_first, alone)
    assert loss(kind, KNOWN & False) == 0


def test_a_weight_is_a_factor():
    torch.testing.assert_close(loss(loss_weight=3.0), 3 * loss())
