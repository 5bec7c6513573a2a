"""Points see what is around them, whichever query they belong to."""

import pytest
import torch
from torch import nn

from mmocc.models.encoders.point_context import PointContext

DIMS = 6
OPTIONS = dict(channels=(4, 8), backend='torch')


def build(**changes):
    torch.manual_seed(0)
    context = PointContext(DIMS, **{**OPTIONS, **changes})
    nn.init.normal_(context.leave.weight)
    return context.eval()


def make(frames=1, seed=1):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(frames, 5, 3, 3, generator=generator) * 6
    return torch.randn(frames, 5, 3, DIMS, generator=generator), points


def test_untrained_it_changes_nothing():
    context = PointContext(DIMS, **OPTIONS)
    x, points = make()
    torch.testing.assert_close(context(x, points), x, rtol=0, atol=0)


def test_a_neighbour_of_another_query_is_seen_and_a_far_one_is_not():
    context = build()
    x, points = make()
    points[0, 0, 0] = torch.tensor([2.0, 2.0, 1.0])
    points[0, 1, 0] = torch.tensor([2.9, 2.0, 1.0])  # the next voxel
    points[0, 2, 0] = torch.tensor([-35.0, -35.0, 1.0])
    before = context(x, points)[0, 0, 0]
    for query, seen in ((1, True), (2, False)):
        changed = x.clone()
        changed[0, query, 0] += 1
        after = context(changed, points)[0, 0, 0]
        assert torch.equal(before, after) != seen, query


def test_points_of_one_voxel_are_averaged():
    context = build()
    x, _ = make()
    points = torch.full((1, 5, 3, 3), 2.1)
    gain = context(x, points) - x
    torch.testing.assert_close(gain, gain[:, :1, :1].expand_as(gain))
    mean = x.mean(dim=(1, 2), keepdim=True).expand_as(x)
    torch.testing.assert_close(context(mean, points) - mean, gain)


def test_points_outside_stay_as_they_are_and_touch_nobody():
    context = build()
    x, points = make()
    points[0, 3] = torch.tensor([0.0, 0.0, 50.0])
    out = context(x, points)
    assert torch.equal(out[0, 3], x[0, 3])
    changed = x.clone()
    changed[0, 3] += 1
    assert torch.equal(context(changed, points)[0, :3], out[0, :3])


def test_a_batch_of_two_is_two_of_one():
    context = build()
    x, points = make(frames=2)
    both = context(x, points)
    for i in range(2):
        torch.testing.assert_close(
            context(x[i : i + 1], points[i : i + 1])[0], both[i]
        )


def test_without_a_point_inside_all_weights_still_have_gradients():
    context = build().train()
    x, points = make()
    out = context(x.requires_grad_(), points + 500)
    out.sum().backward()
    torch.testing.assert_close(out, x)
    for name, weight in context.named_parameters():
        assert weight.grad is not None, name
        assert not weight.grad.any(), name


@pytest.mark.parametrize('seed', [0, 1])
def test_it_learns_through_both_ways(seed):
    context = build().train()
    x, points = make(seed=seed)
    context(x.requires_grad_(), points).square().sum().backward()
    assert all(weight.grad.any() for weight in context.parameters())
    assert x.grad.any()
