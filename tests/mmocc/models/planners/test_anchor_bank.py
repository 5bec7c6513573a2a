"""The vocabulary: which anchor is nearest, and whose anchors they are."""

import copy

import numpy as np
import pytest
import torch
from planner_examples import (
    ANCHORS,
    anchor_file,
    drive,
    example_anchors,
    make_truth,
)

from mmocc.models.planners.anchor_bank import AnchorBank
from mmocc.models.planners.anchor_set import AnchorError


def nearest(bank, future, mask=None):
    future = torch.from_numpy(future).float()[None]
    if mask is None:
        mask = torch.ones(1, 6, dtype=torch.bool)
    return bank.nearest(future, mask).item()


@pytest.fixture
def bank(tmp_path):
    return AnchorBank(anchor_file(tmp_path), num_anchors=6)


@pytest.mark.parametrize(
    'future, expected',
    [
        (drive(0.1), 0),  # stationary
        (drive(3.3, 0.05), 1),
        (drive(8.0), 2),  # straight
        (drive(4.5, 0.35), 3),  # a left turn
        (drive(4.5, -0.35), 4),  # a right turn
    ],
)
def test_nearest_anchor_of_worked_examples(bank, future, expected):
    assert nearest(bank, future) == expected


def test_distance_is_the_mean_over_steps_that_exist(bank):
    future = torch.from_numpy(drive(3.0)).float()[None]
    mask = torch.tensor([[True, True, False, False, False, False]])
    # 9 m/s against 3 m/s: 3 m apart after 0.5 s, 6 m after 1 s.
    distances = bank.distances(future, mask)[0]
    torch.testing.assert_close(distances[2], torch.tensor(4.5))
    assert distances[1] == 0
    assert bank.distances(future, mask & False).abs().max() == 0


def test_steps_that_do_not_exist_have_no_say(bank):
    future, mask = drive(5.0, 0.4), torch.ones(1, 6, dtype=torch.bool)
    future[3:] = 1000.0
    mask[:, 3:] = False
    assert nearest(bank, future, mask) == 3


def test_only_allowed_anchors_are_nearest(bank):
    future = torch.from_numpy(drive(9.0)).float()[None]
    allowed = torch.tensor([[True, True, False, True, True, False]])
    mask = torch.ones(1, 6, dtype=torch.bool)
    assert bank.nearest(future, mask, allowed).item() == 3


def test_anchors_of_a_command(tmp_path):
    file = anchor_file(tmp_path, mode='per_command')
    bank = AnchorBank(file, num_anchors=6, mode='per_command')
    chosen = bank.of_command(torch.tensor([0, 1, 2]))
    assert [row.nonzero().flatten().tolist() for row in chosen] == [
        [3, 5],
        [0, 1, 2],
        [4],
    ]


@pytest.mark.parametrize(
    'changes, options, message',
    [
        (dict(split='val'), {}, "split 'val', but .*split is 'train'"),
        (dict(mode='per_command'), {}, "mode 'per_command', but"),
        (dict(anchors=ANCHORS[:, :4]), {}, 'num_steps 4, but .* is 6'),
        ({}, dict(num_anchors=18), 'num_anchors 6, but .* is 18'),
        (dict(step_seconds=0.25), {}, r'steps of 0.25 s, expected 0.5 s'),
    ],
)
def test_anchors_of_another_origin_are_refused(
    tmp_path, changes, options, message
):
    file = anchor_file(tmp_path, **changes)
    with pytest.raises(AnchorError, match=message):
        AnchorBank(file, **{'num_anchors': 6, **options})


def test_other_origins_can_be_asked_for(tmp_path):
    file = anchor_file(tmp_path, split='val')
    bank = AnchorBank(file, num_anchors=6, split='val')
    assert bank.origin.split == 'val'
    assert bank.origin.hash == example_anchors(split='val').hash


def test_a_checkpoint_brings_its_anchors(bank):
    other = AnchorBank(num_anchors=6)
    with pytest.raises(AnchorError, match='planner has no anchors'):
        other.distances(*make_truth())
    other.load_state_dict(bank.state_dict())
    torch.testing.assert_close(other.anchors, bank.anchors)
    torch.testing.assert_close(other.normalized(), bank.normalized())


def test_a_checkpoint_of_other_anchors_is_refused(tmp_path, bank):
    state = copy.deepcopy(bank.state_dict())
    bank.load_state_dict(state)
    state['anchors'] += 0.1
    with pytest.raises(AnchorError, match='are not those of the config'):
        bank.load_state_dict(state)
    with pytest.raises(AnchorError, match=r'shape \(6, 6, 2\), are not'):
        AnchorBank(num_anchors=18).load_state_dict(state)
    with pytest.raises(AnchorError, match="mode is 'per_command'"):
        AnchorBank(num_anchors=6, mode='per_command').load_state_dict(state)


def test_bank_and_file_agree(bank):
    np.testing.assert_allclose(bank.anchors.numpy(), ANCHORS, atol=1e-6)
    assert len(bank) == 6
