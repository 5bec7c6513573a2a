import errno
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmocc.annotation import (
    Annotator,
    AnnotatorError,
    FrameContext,
    NoAnswerError,
    Surroundings,
    UnreachableError,
)
from mmocc.annotation.road_map import straight_way
from mmocc.projects.DrivingLabels.driving_labels import Answer, AnswerRecord
from mmocc.structures import MetaAction
from mmocc.utils.json_files import JsonFileError, read_json_lines

FRAMES = [
    FrameContext(
        agents=(),
        surroundings=Surroundings(way=straight_way(np.zeros(3), 40.0)),
        history=(),
        speed=1.0,
        action=MetaAction('Decelerate', 'Stop'),
        token=str(k),
    )
    for k in range(6)
]


def said(token: str) -> str:
    action = 'Action: Decelerate; Stop.'
    return f'Scene: frame {token}. History: b. Reasoning: c. {action}'


class Parrot(Annotator):
    """Says the token, or returns or raises what it is told to for it."""

    name = 'parrot'

    def __init__(self, version: int = 1, **errors: object) -> None:
        self.version, self.errors = version, errors
        self.asked: list[str] = []

    @property
    def identity(self) -> dict:
        return dict(version=self.version)

    def annotate(self, context: FrameContext) -> str:
        self.asked.append(context.token)
        if f't{context.token}' in self.errors:
            told = self.errors[f't{context.token}']
            if isinstance(told, Exception):
                raise told
            return told
        return said(context.token)


def collect(path, annotator, frames=FRAMES):
    seen = []
    record = AnswerRecord(path, annotator)
    try:
        return record.collect(frames, lambda: seen.append(1)), len(seen)
    except (AnnotatorError, UnreachableError) as error:
        return error, len(seen)


def test_each_frame_is_asked_for_once(tmp_path):
    path = tmp_path / 'a.jsonl'
    first, second = Parrot(), Parrot()
    answers, count = collect(path, first)
    assert answers['0'] == Answer(said('0'))
    assert collect(path, second) == (answers, count) == (answers, 6)
    assert first.asked == [f.token for f in FRAMES] and not second.asked


@pytest.mark.parametrize(
    ('fault', 'problem'),
    [
        (NoAnswerError('dumb'), 'dumb'),
        (UnreachableError('away'), 'away'),
        ('Scene: none.', 'the text is no chain of thought'),
        (7, 'the text is no chain of thought'),
    ],
)
def test_a_frame_without_an_answer_is_marked_and_asked_again(
    tmp_path, fault, problem
):
    path = tmp_path / 'a.jsonl'
    answers, count = collect(path, Parrot(t2=fault))
    assert count == 6 and answers['3'] == Answer(said('3'))
    assert answers['2'].text is None
    assert answers['2'].problem.startswith(problem)
    marked = [
        line.values['token']
        for line in read_json_lines(path)
        if line.values['text'] is None
    ]
    assert marked == ['2']
    later = Parrot()
    assert collect(path, later)[0]['2'] == Answer(said('2'))
    assert later.asked == ['2']
    assert collect(path, Parrot(t2=fault))[0]['2'] == Answer(said('2'))


def test_a_killed_run_goes_on_behind_its_last_line(tmp_path):
    path = tmp_path / 'a.jsonl'
    collect(path, Parrot())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b''.join(lines[:3]) + lines[3][:20])
    later = Parrot()
    answers, _ = collect(path, later)
    assert later.asked == ['3', '4', '5']
    assert [answers[f.token].text for f in FRAMES] == [
        said(str(k)) for k in range(6)
    ]


def test_a_changed_frame_or_annotator_is_asked_again(tmp_path):
    path = tmp_path / 'a.jsonl'
    collect(path, Parrot())
    frames = [replace(FRAMES[0], speed=2.0), *FRAMES[1:]]
    later, other = Parrot(), Parrot(version=2)
    collect(path, later, frames)
    collect(path, other)
    assert later.asked == ['0']
    assert len(other.asked) == 6


@pytest.mark.parametrize(
    ('line', 'problem'),
    [
        ('{"token": "1", "key": "x', 'is cut off'),
        ('[1]', 'holds a list'),
        (
            '{"token": "1", "key": "KEY", "problem": ""}',
            "lacks the key 'text'",
        ),
        (
            '{"token": "1", "key": "KEY", "text": 7, "problem": ""}',
            "'text' is",
        ),
        (
            '{"token": "1", "key": "KEY", "text": "a", "problem": ""}',
            'no chain',
        ),
        ('{"token": "1", "text": null, "problem": ""}', "lacks the key 'key'"),
        ('{"token": "1", "key": "KEY", "text": null}', "the key 'problem'"),
        ('\udcff\udcfe', 'is not UTF-8'),
    ],
)
def test_damaged_lines_are_named_and_asked_again(tmp_path, line, problem):
    path = tmp_path / 'a.jsonl'
    collect(path, Parrot())
    lines = path.read_bytes().splitlines()
    key = json.loads(lines[1])['key']
    lines[1] = line.replace('KEY', key).encode('utf-8', 'surrogateescape')
    path.write_bytes(b'\n'.join(lines) + b'\n')
    later = Parrot()
    record = AnswerRecord(path, later)
    (damage,) = record.damage
    assert f'{path}, line 2: ' in damage and problem in damage
    assert record.collect(FRAMES)['1'] == Answer(said('1'))
    assert later.asked == ['1']


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
    path = tmp_path / 'a.jsonl'
    collect(path, Parrot(), FRAMES[:2])
    whole = path.read_bytes()

    class Full(io.FileIO):
        """Takes some bytes, then none."""

        room = 30

        def write(self, content):
            if not self.room:
                raise OSError(errno.ENOSPC, 'No space left on device')
            taken, self.room = content[: self.room], 0
            return super().write(taken)

    record = AnswerRecord(path, Parrot())
    with monkeypatch.context() as patch:
        patch.setattr(
            Path, 'open', lambda path, *_, **__: Full(path, mode='ab')
        )
        with pytest.raises(JsonFileError, match='No space left'):
            record.collect(FRAMES)
    assert path.read_bytes() == whole
    later = Parrot()
    collect(path, later)
    assert later.asked == ['2', '3', '4', '5']


def test_three_failures_in_a_row_end_the_run(tmp_path):
    down = {f't{k}': UnreachableError(f'no {k}') for k in range(1, 6)}
    annotator = Parrot(**down)
    stopped = []
    annotator.stop = lambda: stopped.append(True)
    error, count = collect(tmp_path / 'a.jsonl', annotator)
    assert str(error) == 'no 3'
    assert count == 4 and stopped


def test_an_annotator_that_cannot_work_ends_the_run(tmp_path):
    error, _ = collect(
        tmp_path / 'a.jsonl', Parrot(t0=AnnotatorError('wrong key'))
    )
    assert isinstance(error, AnnotatorError)
