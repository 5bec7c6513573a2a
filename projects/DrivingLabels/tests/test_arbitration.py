import numpy as np
import pytest

from mmocc.annotation import (
    FrameContext,
    MetaActionLabel,
    Surroundings,
    parse_chain_of_thought,
)
from mmocc.annotation.road_map import straight_way
from mmocc.projects.DrivingLabels.driving_labels import (
    Answer,
    Arbiter,
    review_item,
)
from mmocc.structures import MetaAction

FRAME = FrameContext(
    agents=(),
    surroundings=Surroundings(way=straight_way(np.zeros(3), 40.0)),
    history=(),
    speed=8.0,
    action=MetaAction('Accelerate', 'Go Straight'),
)


def label(speed: float = 1.0, direction: float = 1.0) -> MetaActionLabel:
    return MetaActionLabel(FRAME.action, 'map', speed, direction)


def answer(speed: str, direction: str) -> Answer:
    action = MetaAction(speed, direction)
    return Answer(f'Scene: s. History: h. Reasoning: r. Action: {action}')


def decide(rules: MetaActionLabel, opinion: Answer):
    return Arbiter('openai').decide(FRAME, rules, opinion)


def test_agreement_takes_the_annotators_words():
    opinion = answer('Accelerate', 'Go Straight')
    decision = decide(label(), opinion)
    assert decision.text == opinion.text
    assert (decision.source, decision.reason) == ('map', '')


def test_rules_that_are_sure_keep_their_direction():
    decision = decide(label(), answer('Accelerate', 'Turn Left'))
    assert decision.action == FRAME.action
    assert decision.source == 'map'
    assert decision.reason == (
        'direction differs: map says Go Straight, openai says Turn Left'
    )
    # The annotator's words argue for a turn, so they are not taken.
    assert parse_chain_of_thought(decision.text).action == FRAME.action
    assert 'Scene: s.' not in decision.text


def test_rules_that_are_not_sure_give_way():
    opinion = answer('Accelerate', 'Turn Left')
    decision = decide(label(direction=0.1), opinion)
    assert decision.action == MetaAction('Accelerate', 'Turn Left')
    assert decision.source == 'annotator'
    assert decision.confidence == 0.1
    assert decision.text == opinion.text
    assert decision.reason.endswith('low confidence in the direction: 0.10')


def test_the_speed_is_measured():
    decision = decide(label(speed=0.1), answer('Decelerate', 'Go Straight'))
    assert decision.action == FRAME.action
    assert decision.source == 'map'
    assert decision.reason == (
        'speed differs: map says Accelerate, openai says Decelerate; '
        'low confidence in the speed: 0.10'
    )


def test_a_stop_by_the_annotator_makes_a_legal_pair():
    decision = decide(label(direction=0.1), answer('Maintain speed', 'Stop'))
    assert decision.action == MetaAction('Maintain speed', 'Stop')


def test_no_answer_is_reviewed():
    decision = decide(label(), Answer(None, 'it was dumb'))
    assert decision.action == FRAME.action
    assert decision.reason == 'openai has no answer: it was dumb'


@pytest.mark.parametrize(
    'opinion', [answer('Accelerate', 'Stop'), Answer(None)]
)
def test_text_always_ends_in_the_label(opinion):
    for confidence in (0.0, 1.0):
        decision = decide(label(direction=confidence), opinion)
        parsed = parse_chain_of_thought(decision.text)
        assert parsed.action == decision.action


def test_a_line_of_the_queue():
    info = dict(token='t', scene_name='scene-0001', frame_idx=4, other=1)
    rules = label(direction=0.123456)
    decision = decide(rules, answer('Accelerate', 'Turn Left'))
    assert review_item(info, rules, decision, 'openai') == dict(
        token='t',
        scene_name='scene-0001',
        frame_idx=4,
        map=dict(
            speed='Accelerate', direction='Go Straight', confidence=0.1235
        ),
        annotator=dict(
            speed='Accelerate', direction='Turn Left', name='openai'
        ),
        reason=decision.reason,
    )


def test_the_threshold_is_a_share():
    with pytest.raises(ValueError, match='from 0 to 1, got 2'):
        Arbiter('rule', 2)
