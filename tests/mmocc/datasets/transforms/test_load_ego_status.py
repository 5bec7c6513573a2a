import numpy as np
import pytest
from mmocc_testing import make_occ_info

from mmocc.datasets import LoadEgoStatus, SampleError
from mmocc.structures import EGO_STATUS


def test_missing_steps_are_zero_and_masked():
    # Third of four frames: two steps back, one step ahead; 6 m/s.
    info = make_occ_info(frame_idx=2, num_frames=4)
    ego = LoadEgoStatus()(info)['gt_ego']
    assert ego['his_masks'].tolist() == [False, False, True, True]
    assert ego['fut_masks'].tolist() == [True] + [False] * 5
    assert ego['his_trajs'].shape == (4, 3)
    assert ego['fut_trajs'].shape == (6, 2)
    np.testing.assert_allclose(ego['his_trajs'][2:, 0], [-6.0, -3.0])
    np.testing.assert_allclose(ego['fut_trajs'][0, 0], 3.0)
    assert not ego['his_trajs'][:2].any() and not ego['fut_trajs'][1:].any()


def test_unknown_status_is_zero_and_the_order_is_fixed():
    info = make_occ_info(speed=5.0)
    status = LoadEgoStatus()(info)['gt_ego']['status']
    named = dict(zip(EGO_STATUS, status, strict=True))
    assert named['steer'] == 0.0  # NaN in the info file
    assert named['speed'] == 5.0
    assert named['ay'] == pytest.approx(-0.3)


def test_future_does_not_reach_inputs():
    info, other = make_occ_info(), make_occ_info()
    other['ego']['fut_poses'] = other['ego']['fut_poses'] + 5.0
    one, two = (LoadEgoStatus()(i)['gt_ego'] for i in (info, other))
    for key in ('status', 'his_trajs', 'his_masks', 'command'):
        np.testing.assert_array_equal(one[key], two[key])


def test_command_is_off_by_default():
    info = make_occ_info()
    info['ego']['command'] = 1
    assert LoadEgoStatus()(info)['gt_ego']['command'] == -1
    loader = LoadEgoStatus(with_command=True)
    assert loader(info)['gt_ego']['command'] == 1


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('fut_poses', np.zeros((5, 3)), r'shape \(5, 3\)'),
        ('his_mask', np.ones(3, bool), r'his_mask \(3,\)'),
        ('fut_poses', np.full((6, 3), np.nan), 'not finite'),
    ],
)
def test_malformed_poses_are_named(key, value, message):
    info = make_occ_info(num_frames=9)
    info['ego'][key] = value
    with pytest.raises(SampleError, match=message) as error:
        LoadEgoStatus()(info)
    assert info['token'] in str(error.value)


def test_unknown_motion_is_an_error_unless_allowed():
    info = make_occ_info()
    del info['ego']
    with pytest.raises(SampleError, match='no fut_mask, fut_poses'):
        LoadEgoStatus()(info)
    ego = LoadEgoStatus(allow_missing=True)(info)['gt_ego']
    assert not ego['fut_masks'].any() and not ego['his_masks'].any()
    assert not ego['status'].any()


def test_inference_may_give_the_past_alone():
    info = make_occ_info(frame_idx=4, num_frames=5)
    for key in ('fut_poses', 'fut_mask'):
        del info['ego'][key]
    ego = LoadEgoStatus(allow_missing=True)(info)['gt_ego']
    assert ego['his_masks'].all() and ego['status'][0] == 6.0
