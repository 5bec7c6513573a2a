import json

import pytest
from stub_endpoint import BROKEN, GOOD, ILLEGAL

from mmocc.projects.DrivingLabels.driving_labels.chat_answer import (
    UnusableAnswerError,
    read_answer,
    read_object,
)
from mmocc.structures import MetaAction

TEXT = json.dumps(GOOD)


@pytest.mark.parametrize(
    'text',
    [
        TEXT,
        f'Here you are:\n```json\n{TEXT}\n```\nAnything else?',
        f'<think>{{perhaps}} stop?</think>{TEXT}',
        TEXT.replace('}', ',}'),
        TEXT.removesuffix('}'),
        TEXT.removesuffix('}') + ',',
        TEXT.replace('"scene"', 'scene').replace('"speed"', 'speed'),
        TEXT.replace('"scene"', '“scene”'),
    ],
)
def test_repairs_change_no_word(text):
    assert read_object(text) == GOOD


def test_line_breaks_in_strings_are_read():
    assert read_object('{"scene": "a\nb"}') == {'scene': 'a\nb'}


@pytest.mark.parametrize(
    ('text', 'reason'),
    [
        ('I cannot help with that.', 'no JSON object'),
        (BROKEN, 'broken'),
        (json.dumps(ILLEGAL), "'Go Backwards', expected one of Go Straight"),
        (json.dumps(GOOD | {'speed': 3}), '"speed" is no string'),
        (json.dumps(GOOD | {'scene': ' '}), '"scene" is empty'),
        (json.dumps({'scene': 'x'}), 'lacks "reasoning"'),
        (json.dumps(GOOD | {'scene': 'x History: y'}), '"History:"'),
        (
            json.dumps(GOOD | {'speed': 'Accelerate', 'direction': 'Stop'}),
            'cannot be paired',
        ),
    ],
)
def test_what_needs_a_guess_is_refused(text, reason):
    with pytest.raises(UnusableAnswerError, match=reason):
        read_answer(text, 'unknown.')


def test_an_answer_becomes_four_parts():
    said = GOOD | {'speed': 'accelerate', 'direction': 'TURN LEFT.'}
    thought = read_answer(json.dumps(said), 'standing.')
    assert thought.action == MetaAction('Accelerate', 'Turn Left')
    assert str(thought) == (
        'Scene: A free road. History: standing. Reasoning: Nothing is in the '
        'way. Action: Accelerate; Turn Left.'
    )
