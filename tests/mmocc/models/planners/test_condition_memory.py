"""What the denoiser can look at, and what it cannot."""

import pytest
import torch
from planner_examples import (
    EGO_DIMS,
    LLM_DIMS,
    OCC_DIMS,
    QUERIES,
    make_inputs,
    wake,
)

from mmocc.models.planners.condition_memory import (
    ConditionExtras,
    ConditionMemory,
)

NOTHING = ConditionExtras()
ALL_ON = dict(reasoning=True, global_tokens=True, meta='soft', command='gt3s')


def make(num_blocks=2, **options):
    torch.manual_seed(0)
    return wake(
        ConditionMemory(
            OCC_DIMS, EGO_DIMS, LLM_DIMS, 16, 2, num_blocks, **options
        )
    )


def call(memory, extras=NOTHING, **changes):
    reasoning, occ, ego = make_inputs(2)
    values = dict(occ=occ, ego_status=ego, reasoning=reasoning)
    return memory(**{**values, **changes}, extras=extras)


def make_extras(**changes):
    probabilities = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    values = dict(
        global_tokens=torch.ones(2, 4, LLM_DIMS),
        meta=torch.cat([probabilities, probabilities.repeat(1, 2) / 2], 1),
        command=torch.tensor([0, 2]),
    )
    return ConditionExtras(**{**values, **changes})


def test_one_key_and_value_for_each_token_block_and_head():
    condition = call(make(3, **ALL_ON), make_extras())
    # Queries, reasoning, 4 global tokens, meta, command, ego.
    tokens = QUERIES + 1 + 4 + 1 + 1 + 1
    assert len(condition.keys) == len(condition.values) == 3
    for part in (*condition.keys, *condition.values):
        assert part.shape == (2, 2, tokens, 8)
    assert condition.centres.shape == (2, QUERIES, 3)
    assert not torch.equal(condition.keys[0], condition.keys[1])
    assert not torch.equal(condition.keys[0], condition.values[0])


@pytest.mark.parametrize(
    'options, changes',
    [
        ({}, dict(reasoning=None)),
        (dict(occ=False), dict(occ=None)),
        (dict(ego=False), dict(ego_status=None)),
    ],
)
def test_what_is_off_is_not_read(options, changes):
    memory = make(**options)
    whole, part = call(memory), call(memory, **changes)
    assert torch.equal(whole.keys[0], part.keys[0])
    assert torch.equal(whole.scene(), part.scene())


@pytest.mark.parametrize(
    'changes', [dict(reasoning=None), dict(occ=None), dict(ego_status=None)]
)
def test_what_is_on_and_missing_is_an_error(changes):
    with pytest.raises(ValueError, match='is on, but the planner was called'):
        call(make(reasoning=True), **changes)


@pytest.mark.parametrize('name', ['global_tokens', 'meta', 'command'])
def test_extras_that_are_on_and_missing_are_errors(name):
    with pytest.raises(ValueError, match=f'planner.condition.{name} is on'):
        call(make(**ALL_ON), make_extras(**{name: None}))


def test_order_of_queries_does_not_matter_but_their_place_does():
    memory = make(ego=False)
    _, occ, _ = make_inputs(2)
    turned = type(occ)(
        occ.features.flip(1), occ.centres.flip(1), occ.spread, [], None
    )
    keys = call(memory).keys[0]
    torch.testing.assert_close(call(memory, occ=turned).keys[0].flip(2), keys)
    moved = type(occ)(occ.features, occ.centres + 2, occ.spread, [], None)
    assert (call(memory, occ=moved).keys[0] - keys).abs().min() > 1e-6


def test_a_hard_meta_action_forgets_the_probabilities():
    hard, soft = make(meta='hard'), make(meta='soft')
    sure = torch.zeros(2, 9)
    # Likeliest speed and direction of each frame; of a tie, the first.
    sure[0, [1, 3 + 1]] = 1
    sure[1, [0, 3 + 0]] = 1
    for memory, same in ((hard, True), (soft, False)):
        keys = [
            call(memory, make_extras(**extras)).keys[0]
            for extras in ({}, dict(meta=sure))
        ]
        assert torch.equal(*keys) == same


@pytest.mark.parametrize('command', [[0, -1], [3, 0]])
def test_an_unknown_command_is_refused(command):
    with pytest.raises(ValueError, match='expected an index of'):
        call(make(command='route'), make_extras(command=torch.tensor(command)))


def test_ego_status_is_scaled():
    scales = [10.0] * EGO_DIMS
    _, _, ego = make_inputs(2)
    torch.testing.assert_close(
        call(make(ego_scales=scales), ego_status=10 * ego).ego,
        call(make(), ego_status=ego).ego,
    )


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(occ=False, ego=False), 'nothing to read'),
        (dict(meta='gt'), "meta is 'gt'"),
        (dict(command='left'), "command is 'left'"),
        (dict(ego_scales=[1.0]), 'expected 7 positive numbers'),
    ],
)
def test_impossible_conditions_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_wrong_width_is_named():
    with pytest.raises(ValueError, match=r'ego of shape \(2, 3\).*of 7'):
        call(make(), ego_status=torch.zeros(2, 3))
