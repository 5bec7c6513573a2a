"""Occupancy scores against histograms worked out by hand."""

import numpy as np
import pytest
import torch

from mmocc.evaluation.functional import (
    class_iou,
    geometric_iou,
    occ_histogram,
    occ_report,
    occ_scores,
)

CAR, TRUCK, ROAD, FREE, IGNORED = 4, 10, 11, 17, 255


def histogram(truth, pred, mask=None):
    return occ_histogram(
        np.array(pred, dtype=np.uint8), np.array(truth, dtype=np.uint8), mask
    )


def test_histogram_has_the_truth_in_its_rows():
    counts = histogram([CAR, CAR, FREE], [CAR, FREE, TRUCK])
    assert counts.shape == (18, 18)
    assert counts.dtype == np.int64
    assert counts[CAR, CAR] == counts[CAR, FREE] == counts[FREE, TRUCK] == 1
    assert counts.sum() == 3


def test_histogram_leaves_masked_and_unlabelled_voxels_out():
    truth = [CAR, CAR, IGNORED, ROAD]
    pred = [CAR, ROAD, CAR, ROAD]
    counts = histogram(truth, pred, np.array([1, 0, 1, 1], dtype=np.uint8))
    assert counts[CAR, CAR] == counts[ROAD, ROAD] == 1
    assert counts.sum() == 2


def test_histogram_ignores_bad_predictions_outside_the_mask_only():
    truth, pred = [CAR, IGNORED, CAR], [CAR, 200, 200]
    assert histogram(truth, pred, np.array([1, 1, 0])).sum() == 1
    with pytest.raises(ValueError, match=r'the prediction has ids from 4 to '):
        histogram(truth, pred, np.array([1, 1, 1]))


@pytest.mark.parametrize(
    ('truth', 'pred', 'error', 'says'),
    [
        ([CAR], [18], ValueError, 'the prediction has ids from 18'),
        ([CAR], [-1], ValueError, 'the prediction has ids from -1'),
        ([18], [CAR], ValueError, 'the ground truth has ids from 18'),
        ([CAR], [CAR, CAR], ValueError, 'same shape'),
        ([CAR], [4.0], TypeError, 'float64'),
    ],
)
def test_histogram_refuses_bad_input(truth, pred, error, says):
    with pytest.raises(error, match=says):
        occ_histogram(np.array(pred), np.array(truth))


def test_histogram_refuses_a_mask_of_another_shape():
    with pytest.raises(ValueError, match='mask has shape'):
        histogram([CAR, CAR], [CAR, CAR], np.ones(3, dtype=bool))


def test_histogram_reads_tensors_and_leaves_its_input_alone():
    truth = torch.tensor([[CAR, IGNORED], [FREE, ROAD]], dtype=torch.uint8)
    pred = torch.tensor([[CAR, CAR], [CAR, ROAD]])
    mask = torch.tensor([[True, True], [True, False]])
    copies = truth.clone(), pred.clone()
    counts = occ_histogram(pred, truth, mask)
    assert counts[CAR, CAR] == counts[FREE, CAR] == 1
    assert counts.sum() == 2
    assert torch.equal(truth, copies[0])
    assert torch.equal(pred, copies[1])


def test_truth_as_prediction_scores_100():
    grid = np.arange(18, dtype=np.uint8).repeat(3)
    scores = occ_scores(occ_histogram(grid, grid))
    assert set(scores.values()) == {100.0}
    assert len(scores) == 4 + 17


def test_free_voxels_count_as_misses_and_false_alarms():
    # Cars: 2 hits, 1 missed (said free), 1 invented (was free): 2 / 4.
    counts = histogram([CAR, CAR, CAR, FREE], [CAR, CAR, FREE, CAR])
    assert class_iou(counts)[CAR] == 0.5
    assert geometric_iou(counts) == 0.5


def test_geometric_iou_does_not_care_for_the_class():
    # Occupied in both: 2 (one of the wrong class); missed: 1; free: 1.
    counts = histogram([CAR, CAR, ROAD, FREE], [CAR, TRUCK, FREE, FREE])
    assert geometric_iou(counts) == pytest.approx(2 / 3, abs=1e-12)


def test_everything_free_has_no_geometric_iou():
    assert np.isnan(geometric_iou(histogram([FREE], [FREE])))
    assert occ_scores(histogram([FREE], [FREE])) == {}


# Cars: 1 of 2 found, IoU 1/2. Trucks: predicted once, none there.
# All other classes are in neither.
ONE_INVENTED = ([CAR, CAR, FREE], [CAR, FREE, TRUCK])


def test_class_without_truth_scores_0_in_the_official_rule():
    iou = class_iou(histogram(*ONE_INVENTED))
    assert iou[TRUCK] == 0.0
    assert np.isnan(iou[ROAD])
    assert occ_scores(histogram(*ONE_INVENTED))['mIoU'] == 25.0


def test_class_without_truth_is_left_out_by_the_drop_rule():
    iou = class_iou(histogram(*ONE_INVENTED), absent='drop')
    assert np.isnan(iou[TRUCK])
    assert np.isnan(iou[ROAD])
    assert occ_scores(histogram(*ONE_INVENTED), 'drop')['mIoU'] == 50.0


def test_class_without_truth_scores_1_in_the_occworld_rule():
    iou = class_iou(histogram(*ONE_INVENTED), absent='occworld')
    assert iou[TRUCK] == iou[ROAD] == 1.0
    # 16 classes at 1, cars at 1/2.
    expected = 100 * 16.5 / 17
    scores = occ_scores(histogram(*ONE_INVENTED), 'occworld')
    assert scores['mIoU'] == pytest.approx(expected, abs=1e-9)


def test_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="absent is 'zero'"):
        class_iou(np.zeros((18, 18)), absent='zero')


def test_flat_and_other_classes_have_their_own_means():
    # Road: 1 of 2 found. Car: all. Free is in no mean.
    scores = occ_scores(
        histogram([ROAD, ROAD, CAR, FREE], [ROAD, FREE, CAR, FREE])
    )
    assert scores['mIoU_flat'] == 50.0
    assert scores['mIoU_non_flat'] == 100.0
    assert scores['mIoU'] == 75.0
    assert scores['IoU_car'] == 100.0
    assert 'IoU_truck' not in scores
    assert 'IoU_free' not in scores


def test_others_is_in_the_mean():
    scores = occ_scores(histogram([0, CAR], [CAR, CAR]))
    assert scores['mIoU'] == pytest.approx((0 + 50) / 2)


def test_frames_may_come_in_any_order_and_any_number_of_parts():
    rng = np.random.default_rng(0)
    pred, truth = rng.integers(0, 18, (2, 6, 50))
    parts = [occ_histogram(p, t) for p, t in zip(pred, truth, strict=True)]
    assert (sum(parts) == occ_histogram(pred, truth)).all()
    assert (sum(parts[::-1]) == sum(parts)).all()


def test_report_names_the_voxels_that_were_measured():
    camera, everywhere = histogram([CAR], [CAR]), histogram([CAR], [FREE])
    report = occ_report({'camera': camera, 'none': everywhere})
    assert report['mIoU'] == 100.0
    assert report['mIoU_all_voxels'] == 0.0
    assert report['IoU_car'] == 100.0
    assert 'IoU_car_all_voxels' not in report
    lidar = occ_report({'lidar': camera})
    assert lidar['mIoU_lidar_mask'] == lidar['IoU_car_lidar_mask'] == 100.0
    assert 'mIoU' not in lidar
