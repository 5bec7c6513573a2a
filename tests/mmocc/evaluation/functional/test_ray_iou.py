"""RayIoU against counts worked out by hand."""

import numpy as np
import pytest
import torch

from mmocc.evaluation.functional import (
    RayHits,
    count_hits,
    ray_counts,
    ray_scores,
)

CAR, TRUCK, ROAD, FREE, ODD = 4, 10, 11, 17, 255
ORIGIN = np.array([[0.9, 0.0, 1.8]])


def hits(pred, truth):
    """Pairs (depth, label) of each ray."""
    pairs = np.array([pred, truth], dtype=object)
    return RayHits(
        pairs[..., 0].astype(np.float32)[:, None],
        pairs[..., 1].astype(np.uint8)[:, None],
    )


def test_counts_of_five_rays():
    counts = count_hits(
        hits(
            # Right within 1 m; within 2; within 4; too far; wrong class.
            [(5.9, CAR), (6.5, CAR), (8.9, CAR), (9.0, CAR), (5, TRUCK)],
            [(5.0, CAR)] * 5,
        )
    )
    assert counts.shape == (5, 17)
    assert counts[:, CAR].tolist() == [5, 4, 1, 2, 3]
    assert counts[:, TRUCK].tolist() == [0, 1, 0, 0, 0]
    scores = ray_scores(counts)
    # Cars: 1/8, 2/7, 3/6. Trucks: predicted only, 0.
    assert scores['RayIoU@1_car'] == pytest.approx(100 / 8)
    assert scores['RayIoU@2_car'] == pytest.approx(200 / 7)
    assert scores['RayIoU@4_car'] == pytest.approx(300 / 6)
    assert scores['RayIoU@1_truck'] == 0
    assert scores['RayIoU@1'] == pytest.approx(100 / 8 / 2)
    assert scores['RayIoU'] == pytest.approx(100 * (1 / 8 + 2 / 7 + 3 / 6) / 6)
    assert 'RayIoU@1_bus' not in scores


def test_the_threshold_itself_is_too_far():
    counts = count_hits(hits([(6.0, CAR)], [(5.0, CAR)]))
    assert counts[2:, CAR].tolist() == [0, 1, 1]


def test_rays_that_meet_nothing_in_truth_are_not_counted():
    counts = count_hits(
        hits([(5, CAR), (5, CAR), (40, FREE)], [(40, FREE)] * 2 + [(5, CAR)])
    )
    # The third ray: a car missed; free space is no class.
    assert counts[:, CAR].tolist() == [1, 0, 0, 0, 0]
    assert counts.sum() == 1


def test_unlabelled_truth_is_occupied_but_of_no_class():
    counts = count_hits(hits([(5, CAR), (5, CAR)], [(5, ODD), (5, CAR)]))
    assert counts[:, CAR].tolist() == [1, 2, 1, 1, 1]
    assert counts[0].sum() == 1


def test_nothing_to_measure_gives_no_score():
    grid = np.full((200, 200, 16), FREE, np.uint8)
    counts = ray_counts(grid, grid, ORIGIN)
    assert counts.sum() == 0
    assert ray_scores(counts) == {}


@pytest.fixture(scope='module')
def room():
    """A wall of cars 10 m ahead, 20 m wide, on a road."""
    grid = np.full((200, 200, 16), FREE, np.uint8)
    grid[:, :, 0] = ROAD
    grid[125, 75:125, 1:] = CAR
    return grid


def test_truth_as_prediction_scores_100(room):
    counts = ray_counts(room, room, ORIGIN)
    assert (counts == counts[0]).all()
    scores = ray_scores(counts)
    assert set(scores.values()) == {100.0}
    assert len(scores) == 1 + 3 + 3 * 2


def test_a_shifted_wall_is_right_at_4_m_only(room):
    pred = np.full_like(room, FREE)
    pred[:, :, 0] = ROAD
    # 3.2 m behind; its rays end 3.2 m later, at most 4 times that where
    # they graze, so most of them are right at 4 m and none at 2 m.
    pred[133, 75:125, 1:] = CAR
    scores = ray_scores(ray_counts(pred, room, ORIGIN))
    assert scores['RayIoU@1_car'] == scores['RayIoU@2_car'] == 0
    assert scores['RayIoU@4_car'] > 50
    assert scores['RayIoU@1_driveable_surface'] > 50


def test_counts_add_up_and_origins_are_independent(room):
    pred = np.roll(room, 3, axis=0)
    origins = np.array([[0.9, 0, 1.8], [-5, 2, 1.8], [12, -1, 1.9]])
    parts = [ray_counts(pred, room, o[None]) for o in origins]
    assert (ray_counts(pred, room, origins) == sum(parts)).all()


def test_tensors_and_wider_ids_are_read(room):
    pred = np.roll(room, 3, axis=0)
    wide = ray_counts(
        torch.from_numpy(pred).long(),
        torch.from_numpy(room),
        torch.from_numpy(ORIGIN),
    )
    assert (wide == ray_counts(pred, room, ORIGIN)).all()


@pytest.mark.parametrize(
    ('change', 'error', 'says'),
    [
        (lambda g: g[:10], ValueError, r'has shape \(10, 200, 16\)'),
        (lambda g: g[0], ValueError, r'both must be \(X, Y, Z\)'),
        (lambda g: g + 1, ValueError, 'the prediction has ids from 5 to 18'),
        (lambda g: g.astype(np.int16) - 9, ValueError, 'ids from -5 to 8'),
        (lambda g: g / 1.0, TypeError, 'float64'),
    ],
)
def test_bad_predictions_are_refused(room, change, error, says):
    with pytest.raises(error, match=says):
        ray_counts(change(room), room, ORIGIN)


def test_bad_truth_is_refused(room):
    with pytest.raises(ValueError, match='the ground truth has ids from 24'):
        ray_counts(room, room + np.uint8(20), ORIGIN)
