import pytest

from mmocc.projects.DrivingLabels.driving_labels.json_lines import (
    JsonLinesError,
    JsonLinesWriter,
    read_json_lines,
    write_json_lines,
)


def test_lines_come_back(tmp_path):
    path = tmp_path / 'deep' / 'x.jsonl'
    # U+2028 ends a line for str.splitlines, not in JSON.
    records = [{'a': 'two\nlines'}, {'a': 'ü\u2028'}]
    writer = JsonLinesWriter(path)
    for record in records:
        writer.append(record)
    assert read_json_lines(path) == records
    write_json_lines(records[1:], path)
    assert read_json_lines(path) == records[1:]


def test_a_torn_line_is_cut_off(tmp_path):
    path = tmp_path / 'x.jsonl'
    path.write_text('{"a": 1}\n{"a": ')
    JsonLinesWriter(path).append({'a': 2})
    assert read_json_lines(path) == [{'a': 1}, {'a': 2}]


@pytest.mark.parametrize(
    ('text', 'reason'), [('{}\n{', 'line 2'), ('[]\n', 'holds a list')]
)
def test_other_content_is_named(tmp_path, text, reason):
    path = tmp_path / 'x.jsonl'
    path.write_text(text)
    with pytest.raises(JsonLinesError, match=reason):
        read_json_lines(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(JsonLinesError, match=r'none\.jsonl'):
        read_json_lines(tmp_path / 'none.jsonl')
