"""Meta-action accuracies worked out by hand."""

import numpy as np
import pytest

from mmocc.evaluation.functional import (
    meta_action_indices,
    meta_action_scores,
    meta_action_table,
)
from mmocc.structures import META_ACTIONS, MetaAction, parse_meta_action

KEEP, FASTER, SLOWER = 0, 1, 2
STRAIGHT, LEFT, RIGHT = 0, 1, 2
UNKNOWN = -1


def scores(pred, truth):
    return meta_action_scores(
        meta_action_table(np.array(pred), np.array(truth))
    )


def test_truth_as_prediction_scores_100():
    pairs = meta_action_indices(META_ACTIONS)
    result = scores(pairs, pairs)
    assert result.pop('unparsable') == 0
    assert result.pop('frames') == 18
    assert set(result.values()) == {100.0}
    assert len(result) == 4 + 3 + 6


def test_components_mean_and_joint():
    truth = [(KEEP, STRAIGHT), (FASTER, LEFT), (SLOWER, LEFT), (KEEP, RIGHT)]
    pred = [(KEEP, STRAIGHT), (FASTER, RIGHT), (KEEP, LEFT), (KEEP, LEFT)]
    result = scores(pred, truth)
    # Speed right in 1, 2, 4; direction in 1, 3; both in 1.
    assert result['speed'] == 75.0
    assert result['direction'] == 50.0
    assert result['mean'] == 62.5
    assert result['joint'] == 25.0
    assert result['recall_maintain_speed'] == 100.0
    assert result['recall_accelerate'] == 100.0
    assert result['recall_decelerate'] == 0.0
    assert result['recall_turn_left'] == 50.0
    assert result['recall_turn_right'] == 0.0
    assert 'recall_stop' not in result


def test_unparsable_is_wrong_and_stays_in_the_denominator():
    truth = [(KEEP, STRAIGHT)] * 4
    pred = [(KEEP, STRAIGHT), (UNKNOWN, UNKNOWN), (KEEP, UNKNOWN), (KEEP, 1)]
    result = scores(pred, truth)
    assert result['frames'] == 4
    assert result['speed'] == 75.0
    assert result['direction'] == 25.0
    assert result['joint'] == 25.0
    assert result['unparsable'] == 50.0


def test_frames_without_label_are_left_out():
    truth = [(KEEP, STRAIGHT), (UNKNOWN, UNKNOWN), (UNKNOWN, LEFT)]
    result = scores([(KEEP, STRAIGHT), (KEEP, LEFT), (KEEP, LEFT)], truth)
    assert result['frames'] == 1
    assert result['joint'] == 100.0
    nothing = scores([(KEEP, LEFT)], [(UNKNOWN, UNKNOWN)])
    assert nothing == {'frames': 0}


def test_joint_lies_between_its_bounds():
    rng = np.random.default_rng(0)
    truth, pred = (
        np.stack([rng.integers(0, 3, 99), rng.integers(0, 6, 99)], axis=1)
        for _ in range(2)
    )
    result = scores(pred, truth)
    speed, direction = result['speed'], result['direction']
    assert max(0, speed + direction - 100) <= result['joint']
    assert result['joint'] <= min(speed, direction)
    assert result['joint'] == pytest.approx(
        (pred == truth).all(axis=1).mean() * 100
    )


def test_published_mean_of_the_first_row_of_table_4_is_reproduced():
    # 10^8 frames with the row's two accuracies, independent of
    # each other: 53.77 and 77.24 give Avg. 65.505.
    table = np.zeros((3, 6, 4, 7), dtype=np.int64)
    table[0, 0, 0, 0] = 5377 * 7724
    table[0, 0, 0, 1] = 5377 * 2276
    table[0, 0, 1, 0] = 4623 * 7724
    table[0, 0, 1, 1] = 4623 * 2276
    result = meta_action_scores(table)
    assert result['mean'] == pytest.approx(65.50, abs=0.006)
    assert result['joint'] == pytest.approx(41.53, abs=0.006)


def test_answers_reach_the_table_through_the_parser():
    answers = [
        'Scene: a road. Action: accelerate, turn left.',
        'I would rather not say.',
        '',
    ]
    indices = meta_action_indices([parse_meta_action(a) for a in answers])
    assert indices.tolist() == [[FASTER, LEFT], [-1, -1], [-1, -1]]
    label = meta_action_indices([MetaAction('Accelerate', 'Turn Left')] * 3)
    assert meta_action_scores(meta_action_table(indices, label))[
        'joint'
    ] == pytest.approx(100 / 3)


def test_tables_add_up():
    rng = np.random.default_rng(1)
    pairs = rng.integers(-1, 3, (2, 20, 2))
    halves = meta_action_table(pairs[0, :7], pairs[1, :7])
    halves = halves + meta_action_table(pairs[0, 7:], pairs[1, 7:])
    assert (halves == meta_action_table(pairs[0], pairs[1])).all()


@pytest.mark.parametrize(
    ('pred', 'truth', 'error', 'says'),
    [
        ([(3, 0)], [(0, 0)], ValueError, 'a predicted meta-action'),
        ([(0, 6)], [(0, 0)], ValueError, 'a predicted meta-action'),
        ([(0, 0)], [(0, -2)], ValueError, 'a labelled meta-action'),
        ([(0, 0)], [(0, 0), (0, 0)], ValueError, r'expected \(N, 2\)'),
        ([(0.5, 0.0)], [(0, 0)], TypeError, 'float64'),
    ],
)
def test_bad_indices_are_refused(pred, truth, error, says):
    with pytest.raises(error, match=says):
        scores(pred, truth)
