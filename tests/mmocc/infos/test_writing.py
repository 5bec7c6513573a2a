import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))

from mmocc.infos import write_info_file


def test_equal_trees_give_equal_bytes(tmp_path):
    """Copies, or one object in two places: a pickle could tell."""
    word = ''.join(['a', 'b'])
    copy = ''.join(['a', 'b'])
    assert word is not copy
    array = np.arange(4.0)
    one = dict(metainfo={}, data_list=[word, word, array, array])
    two = dict(metainfo={}, data_list=[word, copy, array, array.copy()])
    assert pickle.dumps(one) != pickle.dumps(two)
    for name, tree in (('one', one), ('two', two)):
        write_info_file(tree, tmp_path / name)
    assert (tmp_path / 'one').read_bytes() == (tmp_path / 'two').read_bytes()


@pytest.mark.parametrize('content', [Path('x'), np.float64, {1, 2}, (1, 2)])
def test_other_types_are_refused_and_nothing_stays(tmp_path, content):
    target = tmp_path / 'infos.pkl'
    target.write_bytes(b'the file before')
    with pytest.raises(TypeError, match='dictionaries'):
        write_info_file(dict(data_list=[content]), target)
    assert target.read_bytes() == b'the file before'
    assert list(tmp_path.iterdir()) == [target]
