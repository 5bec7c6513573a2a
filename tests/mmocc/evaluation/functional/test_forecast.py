"""Forecasting scores against histograms worked out by hand."""

import numpy as np
import pytest

from mmocc.evaluation.functional import (
    copy_and_paste,
    forecast_frames,
    forecast_histograms,
    forecast_scores,
)

CAR, ROAD, FREE = 4, 11, 17
TIMES = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)


def grids(*frames):
    """One row of voxels per frame."""
    return np.array(frames, dtype=np.uint8)[:, :, None, None]


def score(pred, truth, convention, times=(1.0, 2.0, 3.0)):
    return forecast_scores(
        forecast_histograms(grids(*pred), grids(*truth)), times, convention
    )


def test_horizons_are_scored_apart_and_averaged():
    truth = [[CAR, CAR, ROAD, FREE]] * 3
    pred = [
        [CAR, CAR, ROAD, FREE],  # car 2/2, road 1/1; occupied 3/3
        [CAR, FREE, ROAD, FREE],  # car 1/2, road 1/1; occupied 2/3
        [FREE, FREE, CAR, FREE],  # car 0/3, road 0/1; occupied 1/3
    ]
    scores = score(pred, truth, 'sparseworld')
    assert scores['mIoU_1s'] == scores['IoU_1s'] == 100
    assert scores['mIoU_2s'] == 75
    assert scores['IoU_2s'] == pytest.approx(200 / 3)
    assert scores['mIoU_3s'] == 0
    assert scores['IoU_3s'] == pytest.approx(100 / 3)
    assert scores['mIoU_avg'] == pytest.approx(175 / 3)
    assert scores['IoU_avg'] == pytest.approx(200 / 3)


def test_occworld_gives_absent_classes_full_marks():
    truth = [[CAR, CAR, FREE]] * 3
    pred = [[CAR, ROAD, FREE]] * 3
    # Cars 1/2; the other sixteen classes have no truth.
    occworld = score(pred, truth, 'occworld')
    assert occworld['mIoU_1s'] == pytest.approx(100 * 16.5 / 17)
    # Cars 1/2; the road was invented: 0.
    assert score(pred, truth, 'sparseworld')['mIoU_1s'] == 25


def test_truth_as_prediction_scores_100_under_both():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 18, (6, 200))
    for convention in ('occworld', 'sparseworld'):
        scores = score(truth, truth, convention, TIMES)
        assert set(scores.values()) == {100.0}
        assert len(scores) == 2 * 6 + 2


def test_halves_of_seconds_and_the_present_are_in_no_average():
    truth = [[CAR]] * 7
    pred = [[FREE], [FREE], [CAR], [FREE], [CAR], [FREE], [CAR]]
    scores = score(pred, truth, 'sparseworld', (0.0, *TIMES))
    assert scores['mIoU_0s'] == scores['mIoU_0.5s'] == 0
    assert scores['mIoU_avg'] == scores['IoU_avg'] == 100


def test_windows_of_a_scene():
    assert forecast_frames(12, 'occworld') == []
    assert forecast_frames(13, 'occworld') == [(4, (6, 8, 10))]
    assert forecast_frames(14, 'sparseworld') == [
        (5, (7, 9, 11)),
        (6, (8, 10, 12)),
    ]
    # nuScenes val: 150 scenes, 6019 key frames, none shorter than a window.
    lengths = [40] * 131 + [41] * 19
    assert sum(lengths) == 6019
    for convention in ('occworld', 'sparseworld'):
        windows = sum(len(forecast_frames(n, convention)) for n in lengths)
        assert windows == 4219


def test_copy_and_paste_repeats_the_present():
    present = np.array([[[CAR]], [[ROAD]]], dtype=np.uint8)
    pasted = copy_and_paste(present, 3)
    assert pasted.shape == (3, 2, 1, 1)
    assert (pasted == present).all()
    truth = grids([CAR, ROAD], [CAR, FREE], [FREE, FREE])
    scores = forecast_scores(
        forecast_histograms(pasted, truth), (1, 2, 3), 'sparseworld'
    )
    # At 2 s cars 1/1, road 0/1; at 3 s both 0.
    assert scores['mIoU_1s'] == 100
    assert scores['mIoU_2s'] == 50
    assert scores['mIoU_3s'] == 0


def test_everything_free_has_no_score():
    empty = [[FREE]] * 3
    assert score(empty, empty, 'sparseworld') == {}
    # OccWorld's rule still scores the classes.
    assert set(score(empty, empty, 'occworld')) == {
        'mIoU_1s',
        'mIoU_2s',
        'mIoU_3s',
        'mIoU_avg',
    }


@pytest.mark.parametrize(
    ('figure', 'columns', 'average'),
    [
        # OccWorld-O and Copy&Paste, Tables 1 of OccWorld; SparseWorld.
        ('mIoU', (25.78, 15.14, 10.51), 17.14),
        ('IoU', (34.63, 25.07, 20.18), 26.63),
        ('mIoU', (14.91, 10.54, 8.52), 11.33),
        ('IoU', (24.47, 19.77, 17.31), 20.52),
        ('mIoU', (14.93, 13.15, 11.51), 13.20),
        ('IoU', (22.96, 22.10, 21.05), 22.03),
    ],
)
def test_published_averages_are_the_mean_of_three(figure, columns, average):
    # 10^6 voxels each, cut to the published share of hits. One class makes
    # the mean over classes that class's IoU.
    histograms = np.zeros((3, 18, 18), dtype=np.int64)
    for histogram, column in zip(histograms, columns, strict=True):
        hits = round(column * 1e4)
        histogram[CAR, CAR], histogram[CAR, FREE] = hits, 10**6 - hits
    scores = forecast_scores(histograms, (1, 2, 3), 'sparseworld')
    assert scores[f'{figure}_avg'] == pytest.approx(average, abs=0.011)


@pytest.mark.parametrize(
    ('call', 'says'),
    [
        (lambda: score([[CAR]] * 3, [[CAR]] * 3, 'uniad'), "'uniad'"),
        (
            lambda: score([[CAR]] * 3, [[CAR]] * 3, 'occworld', (1, 2, 4)),
            'times_s is',
        ),
        (
            lambda: score([[CAR]] * 3, [[CAR]] * 3, 'occworld', (3, 2, 1)),
            'rising',
        ),
        (lambda: score([[CAR]] * 2, [[CAR]] * 3, 'occworld'), 'expected'),
        (
            lambda: score([[CAR]] * 4, [[CAR]] * 4, 'occworld'),
            'for 3 times',
        ),
        (lambda: forecast_histograms([CAR], [CAR]), r'\(T, X, Y, Z\)'),
    ],
)
def test_bad_input_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_a_mask_leaves_voxels_out_frame_by_frame():
    truth = np.array([[[[CAR, FREE]]], [[[CAR, CAR]]]])
    pred = np.array([[[[CAR, CAR]]], [[[FREE, CAR]]]])
    first = np.array([[[[1, 0]]], [[[0, 1]]]])
    seen = forecast_histograms(pred, truth, first)
    assert seen.sum() == 2 and (seen[:, CAR, CAR] == 1).all()
    assert forecast_histograms(pred, truth, 1 - first)[1, CAR, FREE] == 1
