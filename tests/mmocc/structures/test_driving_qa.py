import math

import numpy as np
import pytest

from mmocc.structures import DrivingQA
from mmocc.structures.driving_qa import answer_text, is_answer


@pytest.mark.parametrize('value', [None, math.nan, np.nan, '', ' \n\t', '　'])
def test_what_says_nothing_is_no_answer(value):
    assert not is_answer(value)
    assert answer_text(value) == ''


@pytest.mark.parametrize(
    ('value', 'text'),
    [(0, '0'), (False, 'False'), (2, '2'), ('None', 'None'), (' no ', ' no ')],
)
def test_what_says_something_is_one(value, text):
    assert is_answer(value)
    assert answer_text(value) == text
    assert DrivingQA('Any?', text).answered
