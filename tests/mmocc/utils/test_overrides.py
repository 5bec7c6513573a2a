import argparse

import pytest

from mmocc.utils.overrides import Overrides


@pytest.fixture
def parser():
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=Overrides)
    return parser


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('2', 2),
        ('1e-4', 1e-4),
        ('true', True),
        ('None', None),
        ('e=f', 'e=f'),
        ('a,b', ['a', 'b']),
        ('1,2', [1, 2]),
        ('[x,1]', ['x', 1]),
        ('(1,2)', (1, 2)),
        ('[(a,b),(c,d)]', [('a', 'b'), ('c', 'd')]),
        ("{'a': 1}", {'a': 1}),
        ('[]', []),
        # Strings keep their characters.
        ('/data/nu scenes/', '/data/nu scenes/'),
        ('"123"', '123'),
        ("'a, b'", 'a, b'),
        ("it's", "it's"),
        ('', ''),
    ],
)
def test_values_keep_type_and_characters(parser, text, value):
    args = parser.parse_args(['--cfg-options', f'a.b={text}'])
    assert args.cfg_options == {'a.b': value}
    assert type(args.cfg_options['a.b']) is type(value)


def test_the_option_may_be_repeated(parser):
    words = ['--cfg-options', 'a=1', '--cfg-options', 'b=2', 'a=3']
    assert parser.parse_args(words).cfg_options == {'a': 3, 'b': 2}


@pytest.mark.parametrize('word', ['a.b', '=', '=3'])
def test_a_word_that_is_no_pair_is_a_usage_error(parser, capsys, word):
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(['--cfg-options', 'a=1', word])
    assert stopped.value.code == 2
    message = f'argument --cfg-options: got {word!r}, expected KEY=VALUE'
    assert message in capsys.readouterr().err
