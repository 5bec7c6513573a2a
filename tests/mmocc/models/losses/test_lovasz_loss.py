from itertools import pairwise

import pytest
import torch

from mmocc.models.losses import lovasz_softmax
from mmocc.registry import MODELS


def jaccard_loss(wrong, truth):
    """1 - IoU of a class when the voxels ``wrong`` are wrong."""
    predicted = truth ^ wrong
    return 1 - len(truth & predicted) / len(truth | predicted)


def brute_force(logits, labels):
    """The Lovász extension by its definition: an integral over thresholds.

    For each level t, the voxels whose error exceeds t are wrong; the
    extension is the integral of the set function over t from 0 to 1.
    """
    probabilities = logits.softmax(-1).double()
    losses = []
    for label in sorted(set(labels.tolist())):
        truth = {i for i, found in enumerate(labels) if found == label}
        errors = [
            1 - p if i in truth else p
            for i, p in enumerate(probabilities[:, label].tolist())
        ]
        levels = sorted({0.0, 1.0, *errors})
        integral = 0.0
        for low, high in pairwise(levels):
            wrong = {i for i, e in enumerate(errors) if e > low}
            integral += (high - low) * jaccard_loss(wrong, truth)
        losses.append(integral)
    return sum(losses) / len(losses)


@pytest.mark.parametrize('seed', range(5))
def test_equals_the_integral_that_defines_it(seed):
    torch.manual_seed(seed)
    logits = 2 * torch.randn(9, 4)
    labels = torch.randint(3, (9,))  # class 3 is never present
    assert lovasz_softmax(logits, labels).item() == pytest.approx(
        brute_force(logits, labels), abs=1e-6
    )


def test_gradient_equals_finite_differences():
    torch.manual_seed(0)
    logits = torch.randn(7, 3, requires_grad=True)
    labels = torch.tensor([0, 1, 1, 2, 0, 0, 2])
    lovasz_softmax(logits, labels).backward()
    step = 1e-4
    for i in range(7):
        for c in range(3):
            moved = logits.detach().clone()
            moved[i, c] += step
            upper = brute_force(moved, labels)
            moved[i, c] -= 2 * step
            slope = (upper - brute_force(moved, labels)) / (2 * step)
            assert logits.grad[i, c].item() == pytest.approx(slope, abs=1e-3)


def test_of_a_hard_prediction_it_is_one_minus_iou():
    # Truth 0 0 0 1, prediction 0 0 1 1: IoU 2/3 and 1/2.
    labels = torch.tensor([0, 0, 0, 1])
    logits = torch.tensor([[50.0, 0], [50, 0], [0, 50], [0, 50]])
    assert lovasz_softmax(logits, labels).item() == pytest.approx(
        (1 / 3 + 1 / 2) / 2
    )


def test_perfect_is_zero_and_absent_classes_do_not_count():
    labels = torch.tensor([2, 2, 5])
    logits = torch.zeros(3, 18)
    logits[torch.arange(3), labels] = 80.0
    assert lovasz_softmax(logits, labels).item() == pytest.approx(0, abs=1e-6)


def test_no_voxels_is_zero_with_a_gradient():
    logits = torch.zeros(0, 18, requires_grad=True)
    loss = lovasz_softmax(logits, torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss == 0
    assert logits.grad.shape == (0, 18)


def test_half_precision_logits_are_ranked_in_fp32():
    torch.manual_seed(0)
    logits = torch.randn(50, 4).bfloat16()
    labels = torch.randint(4, (50,))
    low = lovasz_softmax(logits, labels)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, lovasz_softmax(logits.float(), labels))


def test_module_weighs_the_loss():
    torch.manual_seed(0)
    logits, labels = torch.randn(9, 4), torch.randint(4, (9,))
    loss = MODELS.build({'type': 'OccLovaszLoss', 'loss_weight': 3.0})
    torch.testing.assert_close(
        loss(logits, labels), 3 * lovasz_softmax(logits, labels)
    )
