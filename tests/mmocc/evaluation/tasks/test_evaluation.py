"""Choosing presets, tables, fingerprints."""

import hashlib
import json

import pytest

from mmocc.evaluation.tasks import Evaluation, fingerprint, to_json, to_table
from mmocc.evaluation.tasks.evaluation import choose
from mmocc.version import __version__

RESULT = Evaluation(
    'qa',
    {'one': {'score': 12.34567, 'n': 3}, 'two': {'n': 4}},
    {'one': {'published': ['score']}, 'two': {}},
    ['a note'],
)


def test_table_has_a_column_per_preset_and_marks_published_figures():
    assert to_table(RESULT).splitlines() == [
        '            one  two',
        'score  12.3457*   -',
        'n            3    4',
        "* the read-out that this preset's papers print",
        'a note',
    ]


def test_json_holds_results_version_counts_and_hashes(tmp_path):
    path = tmp_path / 'pred.npz'
    path.write_bytes(b'abc')
    report = json.loads(json.dumps(to_json(RESULT, {'pred': path})))
    assert report['version'] == __version__
    assert report['task'] == 'qa'
    assert report['results']['one']['n'] == 3
    assert report['inputs']['pred'] == {
        'file': str(path),
        'bytes': 3,
        'sha256': hashlib.sha256(b'abc').hexdigest(),
    }
    assert fingerprint(path) == report['inputs']['pred']


def test_presets_are_chosen_once_each():
    known = ['a', 'b', 'c']
    assert choose([], known, ['b']) == ['b']
    assert choose(['c', 'a', 'c'], known, ['b']) == ['c', 'a']
    assert choose(['a', 'all'], known, ['b']) == known
    with pytest.raises(ValueError, match="'x', expected one of"):
        choose(['x'], known, ['b'])
