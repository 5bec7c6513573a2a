"""JSON lines, broken ones included."""

import pytest

from mmocc.evaluation.files import (
    ResultFileError,
    read_lines,
    text_of,
    write_lines,
)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / 'answers.jsonl'
    records = [{'token': 'a', 'answer': 'zwei\nZüge'}, {'token': 'b', 'n': 3}]
    assert write_lines(path, records) == 2
    lines = read_lines(path)
    assert [line.values for line in lines] == records
    assert [line.number for line in lines] == [1, 2]
    assert text_of(path, lines[0], 'answer') == 'zwei\nZüge'


def test_empty_lines_are_skipped_and_numbers_kept(tmp_path):
    path = tmp_path / 'answers.jsonl'
    path.write_text('\n{"token": "a"}\n\n{"token": "b"}')
    assert [line.number for line in read_lines(path)] == [2, 4]


@pytest.mark.parametrize(
    ('content', 'says'),
    [
        (b'{"token": "a"}\n{"token": "b', 'line 2 is cut off or no JSON'),
        (b'[1, 2]', 'line 1 holds a list'),
        (b'{"token": "\xff"}', 'line 1 is cut off or no JSON'),
        (b'\n\n', 'has no record'),
    ],
)
def test_bad_files_are_refused(tmp_path, content, says):
    path = tmp_path / 'answers.jsonl'
    path.write_bytes(content)
    with pytest.raises(ResultFileError, match=f'answers.jsonl.*{says}'):
        read_lines(path)


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(ResultFileError, match='cannot be read'):
        read_lines(tmp_path / 'none.jsonl')


def test_missing_and_other_fields_are_named(tmp_path):
    path = tmp_path / 'answers.jsonl'
    write_lines(path, [{'token': 'abc', 'answer': 3}])
    (line,) = read_lines(path)
    with pytest.raises(
        ResultFileError, match='field "answer", sample abc: is 3 on line 1'
    ):
        text_of(path, line, 'answer')
    with pytest.raises(ResultFileError, match=r'"speed".*is missing on line'):
        text_of(path, line, 'speed')


def test_an_error_while_writing_leaves_no_file(tmp_path):
    def records():
        yield {'token': 'a'}
        raise RuntimeError('the model failed')

    with pytest.raises(RuntimeError):
        write_lines(tmp_path / 'answers.jsonl', records())
    assert list(tmp_path.iterdir()) == []
