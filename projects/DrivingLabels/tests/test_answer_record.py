from dataclasses import replace

import numpy as np

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


class Parrot(Annotator):
    """Says the token, or raises what it is told to for it."""

    name = 'parrot'

    def __init__(self, version: int = 1, **errors: Exception) -> None:
        self.version, self.errors = version, errors
        self.asked: list[str] = []

    @property
    def identity(self) -> dict:
        return dict(version=self.version)

    def annotate(self, context: FrameContext) -> str:
        self.asked.append(context.token)
        if f't{context.token}' in self.errors:
            raise self.errors[f't{context.token}']
        return f'frame {context.token}'


def collect(path, annotator, frames=FRAMES):
    seen = []
    record = AnswerRecord(path, annotator)
    try:
        return record.collect(frames, lambda: seen.append(1)), len(seen)
    except (AnnotatorError, UnreachableError) as error:
        return error, len(seen)


def test_each_frame_is_asked_for_once(tmp_path):
    path = tmp_path / 'a.jsonl'
    first, second = Parrot(t2=NoAnswerError('dumb')), Parrot()
    answers, count = collect(path, first)
    assert answers['0'] == Answer('frame 0')
    assert answers['2'] == Answer(None, 'dumb')
    assert collect(path, second) == (answers, count) == (answers, 6)
    assert first.asked == [f.token for f in FRAMES] and not second.asked


def test_a_killed_run_goes_on_behind_its_last_line(tmp_path):
    path = tmp_path / 'a.jsonl'
    collect(path, Parrot())
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b''.join(lines[:3]) + lines[3][:20])
    later = Parrot()
    answers, _ = collect(path, later)
    assert later.asked == ['3', '4', '5']
    assert [answers[f.token].text for f in FRAMES] == [
        f'frame {k}' for k in range(6)
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


def test_one_frame_that_fails_does_not_stop_the_others(tmp_path):
    path = tmp_path / 'a.jsonl'
    error, count = collect(path, Parrot(t1=UnreachableError('frame 1')))
    assert str(error) == 'frame 1'
    assert count == 5
    later = Parrot()
    collect(path, later)
    assert later.asked == ['1']


def test_three_failures_in_a_row_end_the_run(tmp_path):
    down = {f't{k}': UnreachableError(f'no {k}') for k in range(1, 6)}
    annotator = Parrot(**down)
    stopped = []
    annotator.stop = lambda: stopped.append(True)
    error, count = collect(tmp_path / 'a.jsonl', annotator)
    assert str(error) == 'no 1'
    assert count == 1 and stopped


def test_an_annotator_that_cannot_work_ends_the_run(tmp_path):
    error, _ = collect(
        tmp_path / 'a.jsonl', Parrot(t0=AnnotatorError('wrong key'))
    )
    assert isinstance(error, AnnotatorError)
