"""Planning errors against sums worked out by hand."""

import numpy as np
import pytest
import torch

from mmocc.evaluation.functional import planning_scores, planning_sums

STRAIGHT = np.stack([np.arange(1.0, 7.0), np.zeros(6)], axis=-1)[None]
ALL = np.ones((1, 6), dtype=bool)


def test_truth_as_prediction_has_no_error():
    scores = planning_scores(planning_sums(STRAIGHT, STRAIGHT, ALL))
    errors = [v for name, v in scores.items() if name.startswith('L2')]
    assert len(errors) == 3 + 3 + 3 + 2
    assert set(errors) == {0.0}
    assert scores['samples'] == scores['frames'] == 1


def test_both_read_outs_of_one_growing_error():
    # Errors of 1, 2, 3, 4, 5, 6 m at 0.5 .. 3.0 s, sideways.
    pred = STRAIGHT + np.stack([np.zeros(6), np.arange(1.0, 7.0)], axis=-1)
    scores = planning_scores(planning_sums(pred, STRAIGHT, ALL))
    assert [scores[f'L2_at_{t}s'] for t in (1, 2, 3)] == [2, 4, 6]
    assert [scores[f'L2_mean_{t}s'] for t in (1, 2, 3)] == [1.5, 2.5, 3.5]
    assert [scores[f'L2_band_{t}s'] for t in (1, 2, 3)] == [1.5, 3.5, 5.5]
    assert scores['L2_at_avg'] == 4
    assert scores['L2_mean_avg'] == 2.5


def test_error_is_the_euclidean_distance():
    scores = planning_scores(
        planning_sums(STRAIGHT + np.array([3, -4]), STRAIGHT, ALL)
    )
    assert scores['L2_at_1s'] == 5.0


def test_bands_undo_the_running_mean():
    rng = np.random.default_rng(0)
    pred, truth = rng.normal(size=(2, 5, 6, 2))
    scores = planning_scores(planning_sums(pred, truth, np.ones((5, 6))))
    mean = [0.0] + [scores[f'L2_mean_{t}s'] for t in (1, 2, 3)]
    for t in (1, 2, 3):
        expected = t * mean[t] - (t - 1) * mean[t - 1]
        assert scores[f'L2_band_{t}s'] == pytest.approx(expected, abs=1e-12)


def two_frames():
    """Frame one: complete, 1 m off. Frame two: 3 steps, 4 m off, then NaN."""
    truth = np.concatenate([STRAIGHT, STRAIGHT])
    pred = truth + np.array([1.0, 0.0])
    pred[1, :, 0] += 3
    mask = np.ones((2, 6), dtype=bool)
    mask[1, 3:] = False
    truth[1, 3:] = np.nan
    return planning_sums(pred, truth, mask)


def test_complete_only_leaves_short_futures_out():
    scores = planning_scores(two_frames(), 'complete_only')
    assert scores['L2_at_1s'] == scores['L2_mean_3s'] == 1.0
    assert (scores['samples'], scores['frames']) == (1, 2)


def test_all_masked_counts_missing_steps_as_no_error():
    scores = planning_scores(two_frames(), 'all_masked')
    assert (scores['samples'], scores['frames']) == (2, 2)
    # At 1 s (1 + 4) / 2; at 2 and 3 s (1 + 0) / 2.
    assert scores['L2_at_1s'] == 2.5
    assert scores['L2_at_2s'] == scores['L2_at_3s'] == 0.5
    # Steps 2.5, 2.5, 2.5, 0.5, 0.5, 0.5: running means at 4 and 6.
    assert scores['L2_mean_2s'] == 2.0
    assert scores['L2_mean_3s'] == 1.5


def test_no_future_at_all_still_counts_in_the_all_masked_denominator():
    nothing = planning_sums(STRAIGHT, STRAIGHT * np.nan, ~ALL)
    assert planning_scores(nothing) == {'samples': 0, 'frames': 1}
    assert planning_scores(nothing, 'all_masked')['L2_at_3s'] == 0.0


def test_stationary_ego_is_an_ordinary_sample():
    still = np.zeros((1, 6, 2))
    assert planning_scores(planning_sums(still, still, ALL))['samples'] == 1
    moved = planning_scores(planning_sums(STRAIGHT, still, ALL))
    assert moved['L2_at_3s'] == 6.0


def test_far_plans_are_not_clipped():
    far = planning_sums(STRAIGHT + np.array([1000, 0]), STRAIGHT, ALL)
    assert planning_scores(far)['L2_mean_avg'] == 1000.0


def test_sums_of_parts_equal_the_whole_in_any_order():
    rng = np.random.default_rng(1)
    pred, truth = rng.normal(size=(2, 7, 6, 2))
    mask = rng.random((7, 6)) < 0.8
    mask[:2] = True
    parts = [
        planning_sums(pred[i : i + 1], truth[i : i + 1], mask[i : i + 1])
        for i in rng.permutation(7)
    ]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    whole = planning_sums(pred, truth, mask)
    assert (total.steps == mask.sum(0)).all()
    for rule in ('complete_only', 'all_masked'):
        assert planning_scores(total, rule) == pytest.approx(
            planning_scores(whole, rule), abs=1e-12
        )


def test_tensors_are_read():
    sums = planning_sums(
        torch.tensor(STRAIGHT, dtype=torch.float32, requires_grad=True),
        torch.tensor(STRAIGHT),
        torch.tensor(ALL),
    )
    assert planning_scores(sums)['L2_at_avg'] == 0.0


def test_nan_plan_is_refused():
    with pytest.raises(ValueError, match='NaN or infinite'):
        planning_sums(STRAIGHT * np.nan, STRAIGHT, ALL)


def test_nan_truth_at_a_valid_step_is_refused():
    with pytest.raises(ValueError, match='mask declares valid'):
        planning_sums(STRAIGHT, STRAIGHT * np.nan, ALL)


@pytest.mark.parametrize(
    ('pred', 'mask', 'says'),
    [
        (STRAIGHT[:, :5], ALL, r'shape \(1, 5, 2\)'),
        (STRAIGHT[..., :1], ALL, r'shape \(1, 6, 1\)'),
        (STRAIGHT[0], ALL, r'shape \(6, 2\)'),
        (STRAIGHT, ALL[0], r'mask has shape \(6,\)'),
    ],
)
def test_wrong_shapes_are_refused(pred, mask, says):
    with pytest.raises(ValueError, match=says):
        planning_sums(pred, STRAIGHT, mask)


def test_unknown_sample_rule_is_refused():
    with pytest.raises(ValueError, match="samples is 'all'"):
        planning_scores(two_frames(), 'all')
