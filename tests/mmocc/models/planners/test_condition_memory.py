"""What the denoiser can look at, and what it cannot."""

import pytest
import torch
from planner_examples import LLM_DIMS, QUERIES, make_scene, make_sizes, wake

from mmocc.models.planners import ConditionMemory

ALL_ON = dict(
    visual=True,
    reasoning=True,
    global_tokens=True,
    meta='soft',
    command='gt3s',
)
COMMAND = torch.tensor([0, 2])


def make(num_blocks=2, **options):
    torch.manual_seed(0)
    return wake(ConditionMemory(make_sizes(), num_blocks, **options))


def pairs(*likely):
    """Probabilities (2, 18): each frame's pair at 0.4, the others equal."""
    scores = torch.full((2, 18), 0.6 / 17)
    scores[torch.arange(2), torch.tensor(likely)] = 0.4
    return scores


def call(memory, command=COMMAND, **changes):
    fields = dict(
        visual_tokens=torch.ones(2, 3, LLM_DIMS),
        overview_tokens=torch.ones(2, 4, LLM_DIMS),
        meta_action=pairs(7, 0),
    )
    return memory(make_scene(2, **{**fields, **changes}), command)


def test_one_key_and_value_for_each_token_block_and_head():
    condition = call(make(3, **ALL_ON))
    # Queries, visual and global tokens, reasoning, meta, command, ego.
    tokens = QUERIES + 3 + 4 + 1 + 1 + 1 + 1
    assert [*condition.tokens][:2] == ['occ', 'visual']
    assert condition.tokens['occ'].shape == (2, QUERIES, 16)
    assert len(condition.keys) == len(condition.values) == 3
    for part in (*condition.keys, *condition.values):
        assert part.shape == (2, 2, tokens, 8)
    assert condition.centres.shape == (2, QUERIES, 3)
    assert not torch.equal(condition.keys[0], condition.keys[1])
    assert not torch.equal(condition.keys[0], condition.values[0])


@pytest.mark.parametrize(
    'options, changes',
    [
        ({}, dict(reasoning_token=None)),
        (dict(occ=False), dict(occ_queries=None)),
        (dict(ego=False), dict(ego_status=None)),
    ],
)
def test_what_is_off_is_not_read(options, changes):
    memory = make(**options)
    whole, part = call(memory), call(memory, **changes)
    assert torch.equal(whole.keys[0], part.keys[0])
    assert torch.equal(whole.scene(), part.scene())


@pytest.mark.parametrize(
    'name',
    [
        'occ_queries',
        'visual_tokens',
        'reasoning_token',
        'overview_tokens',
        'meta_action',
        'ego_status',
    ],
)
def test_what_is_on_and_missing_is_an_error(name):
    memory = make(**ALL_ON)
    assert name in memory.reads
    with pytest.raises(ValueError, match=f'reads {name}, but the model gave'):
        call(memory, **{name: None})


def test_order_of_queries_does_not_matter_but_their_place_does():
    memory = make(ego=False)
    occ = make_scene(2).occ_queries
    turned = type(occ)(
        occ.features.flip(1), occ.centres.flip(1), occ.spread, [], None
    )
    keys = call(memory).keys[0]
    torch.testing.assert_close(
        call(memory, occ_queries=turned).keys[0].flip(2), keys
    )
    moved = type(occ)(occ.features, occ.centres + 2, occ.spread, [], None)
    assert (call(memory, occ_queries=moved).keys[0] - keys).abs().min() > 1e-6


def test_a_hard_meta_action_forgets_the_probabilities():
    hard, soft = make(meta='hard'), make(meta='soft')
    sure = torch.nn.functional.one_hot(torch.tensor([7, 0]), 18).float()
    for memory, same in ((hard, True), (soft, False)):
        keys = [
            call(memory, **changes).keys[0]
            for changes in ({}, dict(meta_action=sure))
        ]
        assert torch.equal(*keys) == same


@pytest.mark.parametrize('command', [[0, -1], [3, 0]])
def test_an_unknown_command_is_refused(command):
    with pytest.raises(ValueError, match='expected an index of'):
        call(make(command='gt3s'), torch.tensor(command))


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(occ=False, ego=False), 'nothing to read'),
        (dict(meta='gt'), "meta is 'gt'"),
        (dict(command='left'), "command is 'left'"),
    ],
)
def test_impossible_conditions_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_wrong_width_is_named():
    with pytest.raises(ValueError, match=r'ego of shape \(2, 3\).*of 7'):
        call(make(), ego_status=torch.zeros(2, 3))
