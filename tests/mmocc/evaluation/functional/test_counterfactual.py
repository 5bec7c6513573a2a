"""Counterfactual precision and recall by hand."""

import pytest

from mmocc.evaluation.functional import (
    CATEGORIES,
    counterfactual_counts,
    counterfactual_scores,
    keyword_extractor,
)


@pytest.mark.parametrize(
    ('text', 'names'),
    [
        ('The ego would collide with the truck.', {'collision'}),
        ('It crashes into a barrier, then runs off the road.',
         {'collision', 'out_of_area'}),
        ('You would run a red light.', {'red_light'}),
        ('A red-light violation.', {'red_light'}),
        ('It violates the traffic signal.', {'red_light'}),
        ('The light is red, and you go on.', {'red_light'}),
        ('This leaves the drivable area.', {'out_of_area'}),
        ('The trajectory is safe.', {'safe'}),
        ('This is a safe path with no collision.', {'safe'}),
        ('There is no collision, but you would run the red light.',
         {'red_light'}),
        ('Not a safe choice.', set()),
        ('This is unsafe.', set()),
        ('It stays clear of others without leaving the drivable area. Safe.',
         {'safe'}),
        ("It doesn't collide with anything.", set()),
        ('A safe speed, however you would hit the pedestrian.',
         {'collision'}),
        ('', set()),
        ('I cannot tell.', set()),
    ],
)  # fmt: skip
def test_extractor(text, names):
    assert keyword_extractor(text) == names


def say(text):
    """An extractor for answers that are lists of names."""
    return frozenset(text.split())


ANSWERS = [
    ('safe', ['safe']),
    ('safe', ['collision']),
    ('collision', ['collision', 'red_light']),
    ('', ['collision']),
    ('out_of_area', ['safe']),
]


def test_precision_and_recall_of_each_category():
    scores = counterfactual_scores(counterfactual_counts(ANSWERS, say))
    # Safe: claimed twice, true twice, one hit.
    assert scores['precision_safe'] == scores['recall_safe'] == 50
    # Collision: claimed once and right; true three times.
    assert scores['precision_collision'] == 100
    assert scores['recall_collision'] == pytest.approx(100 / 3)
    # Red light: true once, never claimed.
    assert 'precision_red_light' not in scores
    assert scores['recall_red_light'] == 0
    # Out of area: claimed once, never true; in neither mean.
    assert scores['precision_out_of_area'] == 0
    assert 'recall_out_of_area' not in scores
    assert scores['precision'] == pytest.approx((50 + 100 + 0) / 3)
    assert scores['recall'] == pytest.approx((50 + 100 / 3 + 0) / 3)
    assert (scores['trajectories'], scores['unparsed']) == (5, 1)


def test_truth_as_prediction_is_perfect():
    answers = [(name, [name]) for name in CATEGORIES]
    scores = counterfactual_scores(counterfactual_counts(answers, say))
    assert scores.pop('trajectories') == 4
    assert scores.pop('unparsed') == 0
    assert set(scores.values()) == {100.0}


def test_counts_add_up_in_any_order():
    parts = [counterfactual_counts([answer], say) for answer in ANSWERS]
    total = parts[4] + parts[2] + parts[0] + parts[1] + parts[3]
    expected = counterfactual_counts(ANSWERS, say)
    assert counterfactual_scores(total) == counterfactual_scores(expected)


def test_nothing_asked_has_no_score():
    assert counterfactual_scores(counterfactual_counts([])) == {
        'trajectories': 0,
        'unparsed': 0,
    }


@pytest.mark.parametrize(
    ('answers', 'says'),
    [
        ([('safe', ['fine'])], "the truth names .'fine'"),
        ([('fine', ['safe'])], "the extractor names .'fine'"),
        ([('safe', [])], 'no true category'),
    ],
)
def test_bad_categories_are_refused(answers, says):
    with pytest.raises(ValueError, match=says):
        counterfactual_counts(answers, say)
