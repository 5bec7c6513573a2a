import argparse

import pytest

from mmocc.utils.overrides import Overrides


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=Overrides)
    return parser


def test_values_are_read_as_mmengine_reads_them(parser):
    args = parser.parse_args(['--cfg-options', 'a.b=2', 'c=[x,1]', 'd=e=f'])
    assert args.cfg_options == {'a.b': 2, 'c': ['x', 1], 'd': 'e=f'}


@pytest.mark.parametrize('word', ['a.b', '=', '=3'])
def test_a_word_that_is_no_pair_is_a_usage_error(parser, capsys, word):
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(['--cfg-options', 'a=1', word])
    assert stopped.value.code == 2
    message = f'argument --cfg-options: got {word!r}, expected KEY=VALUE'
    assert message in capsys.readouterr().err
