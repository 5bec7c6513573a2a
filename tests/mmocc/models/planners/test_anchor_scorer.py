"""Scores of anchors, before and after the weights move."""

import torch
from planner_examples import make_sizes, wake

from mmocc.models.planners.anchor_scorer import ReasoningScorer, score_layer


def make(with_ego=False):
    torch.manual_seed(0)
    sizes = make_sizes(num_anchors=4, ego_dims=3)
    return ReasoningScorer(sizes, with_ego)


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator)


def test_a_blind_score_is_one_in_all_anchors():
    layer = score_layer(16, 18)
    chance = layer(torch.zeros(16)).sigmoid()
    torch.testing.assert_close(chance, torch.tensor([1 / 18]))


def test_an_anchor_is_scored_without_the_others():
    scorer, guide, anchors = wake(make()), normal(2, 10), normal(4, 6, 2)
    scores = scorer.compare(guide, anchors)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(
        scorer.compare(guide, anchors[order]), scores[:, order]
    )
    changed = anchors.clone()
    changed[1] += 1
    difference = (scorer.compare(guide, changed) - scores).abs()
    assert difference[:, [0, 2, 3]].max() < 1e-6 < difference[:, 1].min()


def test_one_guide_for_each_anchor():
    scorer, anchors = wake(make()), normal(4, 6, 2)
    guides = normal(2, 4, 10)
    scores = scorer.compare(guides, anchors)
    for k in range(4):
        alone = scorer.compare(guides[:, k], anchors)[:, k]
        torch.testing.assert_close(scores[:, k], alone)


def test_a_half_precision_guide_is_welcome():
    scores = make().compare(normal(2, 10).bfloat16(), normal(4, 6, 2))
    assert scores.dtype == torch.float32 and scores.isfinite().all()


def test_the_ego_status_counts_however_large_the_guide_is():
    scorer = wake(make(with_ego=True))
    guide, anchors, ego = normal(2, 10), normal(4, 6, 2), normal(2, 3, seed=1)
    gaps = []
    for scale in (1, 1000):
        scores = scorer.compare(scale * guide, anchors, ego)
        other = scorer.compare(scale * guide, anchors, ego.flip(0))
        gaps.append((scores - other).abs().max())
    assert gaps[0] > 1e-3
    torch.testing.assert_close(gaps[1], gaps[0], rtol=0.1, atol=0)


def test_one_guide_for_each_anchor_and_one_ego_status():
    scorer = wake(make(with_ego=True))
    guides, anchors, ego = normal(2, 4, 10), normal(4, 6, 2), normal(2, 3)
    scores = scorer.compare(guides, anchors, ego)
    for k in range(4):
        alone = scorer.compare(guides[:, k], anchors, ego)[:, k]
        torch.testing.assert_close(scores[:, k], alone)
