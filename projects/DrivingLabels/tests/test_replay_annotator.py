import numpy as np
import pytest

from mmocc.annotation import (
    AnnotatorError,
    FrameContext,
    NoAnswerError,
    Surroundings,
)
from mmocc.annotation.road_map import straight_way
from mmocc.registry import ANNOTATORS
from mmocc.structures import MetaAction
from mmocc.utils.json_files import (
    write_json_lines,
)

TEXT = 'Scene: a. History: b. Reasoning: c. Action: Accelerate; Turn Left.'


def frame(token: str) -> FrameContext:
    return FrameContext(
        agents=(),
        surroundings=Surroundings(way=straight_way(np.zeros(3), 40.0)),
        history=(),
        speed=1.0,
        action=MetaAction('Decelerate', 'Stop'),
        token=token,
    )


def build(path, *records: dict):
    write_json_lines(records, path)
    return ANNOTATORS.build(dict(type='ReplayAnnotator', answers=str(path)))


def test_the_last_record_of_a_frame_counts(tmp_path):
    annotator = build(
        tmp_path / 'answers.jsonl',
        dict(token='a', text=None),
        dict(token='a', text=TEXT),
        dict(token='b', text=None),
    )
    assert annotator.annotate(frame('a')) == TEXT
    for token in ('b', 'unknown'):
        with pytest.raises(NoAnswerError, match=r'answers\.jsonl has none'):
            annotator.annotate(frame(token))


def test_other_texts_are_another_identity(tmp_path):
    one, same, other = (
        build(tmp_path / f'{k}.jsonl', dict(token='a', text=text)).identity
        for k, text in enumerate((TEXT, TEXT, None))
    )
    assert one == same != other


@pytest.mark.parametrize(
    ('record', 'reason'),
    [
        (dict(token='a'), 'expected token and text'),
        (
            dict(token='a', text='Action: fly'),
            'line 1: the text is no',
        ),
    ],
)
def test_broken_records_are_named(tmp_path, record, reason):
    with pytest.raises(AnnotatorError, match=reason):
        build(tmp_path / 'answers.jsonl', record)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(AnnotatorError, match='cannot be read'):
        ANNOTATORS.build(
            dict(type='ReplayAnnotator', answers=str(tmp_path / 'none'))
        )
