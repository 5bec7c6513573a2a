"""JSON null is no answer, and no question is empty."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))

from dataset_converters.nuscenes_tables import TableError
from dataset_converters.nuscenes_text import (
    load_questions,
    question_file,
    read_pairs,
)


def questions(root: Path, **changes: object) -> list[dict]:
    row = dict(
        sample_token='a',
        question='How many cars?',
        answer='3',
        template_type='count',
        num_hop=0,
    )
    path = question_file(root, 'train')
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({'questions': [row | changes]}))
    return load_questions(root, 'train')['a']


@pytest.mark.parametrize(
    ('answer', 'text'), [(None, ''), (0, '0'), (' ', ''), ('no', 'no')]
)
def test_answers_are_texts_or_nothing(tmp_path, answer, text):
    (entry,) = questions(tmp_path, answer=answer)
    assert entry['answer'] == text
    path = tmp_path / 'conv.json'
    path.write_text(json.dumps([{'question': 'Any?', 'answer': answer}]))
    assert read_pairs('conv', path) == [('Any?', text)]


@pytest.mark.parametrize('question', ['', ' ', None, 7])
def test_a_question_has_words(tmp_path, question):
    with pytest.raises(TableError, match='expected words') as caught:
        questions(tmp_path, question=question)
    assert str(question_file(tmp_path, 'train')) in str(caught.value)
    path = tmp_path / 'vqa.json'
    path.write_text(json.dumps([{'question': question, 'answer': 'x'}]))
    with pytest.raises(TableError, match=r'vqa\.json'):
        read_pairs('vqa', path)


def test_an_answer_is_no_object(tmp_path):
    with pytest.raises(TableError, match='an answer is no text'):
        questions(tmp_path, answer={'text': 'yes'})
