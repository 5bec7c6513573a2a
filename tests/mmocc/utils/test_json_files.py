"""One reader of JSON and JSON lines: every damage is one clear error."""

import errno
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mmocc.utils.json_files import (
    JsonFileError,
    JsonLinesWriter,
    parse_json,
    read_json,
    read_json_lines,
    write_json,
    write_json_lines,
)

DAMAGED = {
    'cut': (b'{"a": 1,\n"b": [1, 2', r'line 2: is cut off'),
    'cut in a string': (b'{"a": "xy', 'line 1: is cut off'),
    'empty': (b'', 'line 1: is cut off'),
    'no JSON': (b'{"a": 1,\n\n  b: 2}', 'line 3: is no JSON'),
    'Latin-1': ('{"a": 1,\n"b": "ä"}'.encode('latin-1'), 'line 2: is not UTF'),
    'UTF-16': ('{"a": 1}'.encode('utf-16'), 'line 1: is not UTF-8'),
    'deep': (b'[' * 200_000, 'nested too deeply'),
    'long integer': (
        b'{"a": "12",\n"b": 123456789012345678901}',
        'line 2.*21',
    ),
    'endless integer': (b'[\n-' + b'9' * 10_000 + b']', 'line 2.*10000 digi'),
    'NaN': (b'{"NaN": 0,\n"b": NaN}', 'line 2: holds NaN, expected finite'),
    'infinite': (b'[1, -Infinity]', 'line 1: holds -Infinity'),
    'list': (b'[1]', 'holds a list, expected an object'),
    'number': (b'1.5', 'holds a number, expected an object'),
    'null': (b'null', 'holds null, expected an object'),
}


@pytest.mark.parametrize('name', DAMAGED)
def test_damaged_file_is_refused_with_file_and_line(name, tmp_path):
    content, message = DAMAGED[name]
    path = tmp_path / 'a.json'
    path.write_bytes(content)
    with pytest.raises(JsonFileError, match=message) as caught:
        read_json(path, kind=dict)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize('name', sorted(set(DAMAGED) - {'empty'}))
def test_damaged_line_is_refused_with_its_number(name, tmp_path):
    content, _ = DAMAGED[name]
    path = tmp_path / 'a.jsonl'
    path.write_bytes(b'{"a": 0}\n\n' + content.replace(b'\n', b' ') + b'\n')
    with pytest.raises(JsonFileError) as caught:
        read_json_lines(path)
    assert caught.value.line == 3
    assert f'{path}, line 3: ' in str(caught.value)


@pytest.mark.parametrize('read', [read_json, read_json_lines])
def test_missing_file_and_folder_are_refused(read, tmp_path):
    with pytest.raises(JsonFileError, match='No such file'):
        read(tmp_path / 'a.json')
    with pytest.raises(JsonFileError, match='Is a directory'):
        read(tmp_path)


def test_byte_order_mark_line_ends_and_large_numbers_are_accepted(tmp_path):
    path = tmp_path / 'a.json'
    path.write_bytes(
        b'\xef\xbb\xbf{"a": 18446744073709551615,\r\n"b": -1}\r\n'
    )
    assert read_json(path) == {'a': 2**64 - 1, 'b': -1}
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n{"b": "\xe2\x80\xa8"}')
    first, second = read_json_lines(path)
    assert first == (path, 1, {'a': 1})
    assert second == (path, 3, {'b': '\u2028'})


def test_nan_is_read_where_it_is_allowed():
    value = parse_json('[NaN, Infinity]', 'x', allow_nan=True)
    assert value[0] != value[0]
    assert value[1] == float('inf')


@pytest.mark.parametrize(
    ('key', 'kind', 'message'),
    [
        ('b', str, r"lacks the key 'b', it has \['a', 'c', 'd'\]"),
        ('a', str, "'a' is 1, expected a string"),
        ('c', int, "'c' is True, expected a whole number"),
        ('d', float, "'d' is 'x', expected a number"),
    ],
)
def test_field_of_a_line_is_checked(key, kind, message, tmp_path):
    path = tmp_path / 'a.jsonl'
    write_json_lines([{'a': 1, 'c': True, 'd': 'x'}], path)
    (line,) = read_json_lines(path)
    assert line.get_field('a', float) == 1
    assert line.get_field('c', bool) is True
    with pytest.raises(JsonFileError, match=f'line 1: {message}'):
        line.get_field(key, kind)


def test_written_files_are_read_back(tmp_path):
    value = {'a': ['ä', 1.5, None], 'b': 'half a pair: \ud800'}
    write_json(value, tmp_path / 'new' / 'a.json', indent=2)
    assert read_json(tmp_path / 'new' / 'a.json') == value
    assert write_json_lines([value, {}], tmp_path / 'a.jsonl') == 2
    assert [x.values for x in read_json_lines(tmp_path / 'a.jsonl')] == [
        value,
        {},
    ]
    with pytest.raises(TypeError):
        write_json_lines([{'a': 1}, {'a': object()}], tmp_path / 'a.jsonl')
    assert len(read_json_lines(tmp_path / 'a.jsonl')) == 2  # the old file


def test_appended_lines_are_whole_with_threads_and_after_a_kill(tmp_path):
    path = tmp_path / 'new' / 'a.jsonl'
    JsonLinesWriter(path).append({'k': -1})
    with path.open('ab') as file:
        file.write(b'{"k": ')  # killed in the middle of a line
    writer = JsonLinesWriter(path)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda k: writer.append({'k': k}), range(50)))
    assert sorted(x.values['k'] for x in read_json_lines(path)) == [
        *range(-1, 50)
    ]


class _FullDisk(io.FileIO):
    """Takes ten bytes, and then no more."""

    taken = 0

    def write(self, data):
        if self.taken >= 10:
            raise OSError(errno.ENOSPC, 'No space left on device')
        self.taken += super().write(bytes(data)[: 10 - self.taken])
        return self.taken


def test_full_disk_tears_no_line(tmp_path, monkeypatch):
    path = tmp_path / 'a.jsonl'
    writer = JsonLinesWriter(path)
    writer.append({'k': 1})
    with monkeypatch.context() as patch:
        patch.setattr(
            Path, 'open', lambda p, mode, buffering: _FullDisk(p, mode)
        )
        with pytest.raises(JsonFileError, match='No space left on device'):
            writer.append({'text': 'longer than ten bytes'})
        writer.append({'k': 2})
    assert path.read_text() == '{"k": 1}\n{"k": 2}\n'
    assert json.loads(path.read_text().splitlines()[1]) == {'k': 2}
