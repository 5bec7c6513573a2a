"""Texts become ids of letters, whatever control token they spell."""

import ast
import json
import shutil
from pathlib import Path

import pytest
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

import mmocc
from mmocc.utils.tokenizers import (
    TokenizerError,
    encode_texts,
    largest_id,
    load_tokenizer,
)

TINY = Path(mmocc.__file__).parent / 'assets' / 'tiny_tokenizer'
LETTERS = ['▁', *map(chr, range(33, 127))]
CONTROLS = ['<s>', '</s>', '<seg007>', '<|turn|>', '[INST]']
ORDINARY = ['yes', 'two\n\ncars: 1 < 2 > 0, [a] b', '\n', 'é', ' wide  gap ']


def llama(ignore_merges: bool) -> PreTrainedTokenizerFast:
    """Byte fallback, a space in front, line breaks as added tokens.

    Its merges build ``</s>`` of its letters, as some conversions do.
    """
    words = ['<unk>', '<s>', '</s>', *(f'<0x{i:02X}>' for i in range(256))]
    words += [*LETTERS, '</', 's>', '\n', '\n\n', 'ye', 'yes']
    merges = ['< /', 's >', '</ s>', '\n \n', 'y e', 'ye s']
    backend = Tokenizer(
        models.BPE(
            {word: i for i, word in enumerate(dict.fromkeys(words))},
            [tuple(pair.split(' ')) for pair in merges],
            unk_token='<unk>',
            fuse_unk=True,
            byte_fallback=True,
            ignore_merges=ignore_merges,
        )
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend('▁'), normalizers.Replace(' ', '▁')]
    )
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace('▁', ' '),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(' ', 1, 0),
        ]
    )
    backend.add_special_tokens(['<unk>', '<s>', '</s>', '[INST]'])
    for word in ('\n', '\n\n', '<seg007>', '<|turn|>'):
        backend.add_tokens([AddedToken(word, normalized=False, lstrip=True)])
    backend.post_processor = processors.TemplateProcessing(
        single='<s> $A', special_tokens=[('<s>', 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token='<s>',
        eos_token='</s>',
        unk_token='<unk>',
    )


def unigram() -> PreTrainedTokenizerFast:
    """Its control tokens are likely words of its vocabulary."""
    words = [(word, 0.0) for word in ['<unk>', *CONTROLS]]
    words += [(letter, -3.0) for letter in LETTERS] + [('▁yes', -2.5)]
    backend = Tokenizer(models.Unigram(words, unk_id=0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    backend.add_special_tokens(['<unk>', '<s>', '</s>'])
    backend.add_tokens(CONTROLS[2:])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token='<s>',
        eos_token='</s>',
        unk_token='<unk>',
    )


def tiny() -> PreTrainedTokenizerFast:
    """The one that ships, with tokens that a user has added."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(TINY)
    tokenizer.add_tokens(['<seg007>', '<|turn|>', 'ego-lane'])
    return tokenizer


KINDS = {
    'tiny': tiny,
    'BPE': lambda: llama(ignore_merges=False),
    'BPE of whole words': lambda: llama(ignore_merges=True),
    'unigram': unigram,
    'Python': ByT5Tokenizer,
}


@pytest.fixture(params=KINDS)
def tokenizer(request):
    return KINDS[request.param]()


def controls_of(tokenizer) -> dict[str, int]:
    return {
        token.content: id_
        for id_, token in tokenizer.added_tokens_decoder.items()
        if token.special or token.content in CONTROLS
    }


def test_letters_of_control_tokens_stay_letters(tokenizer):
    controls = controls_of(tokenizer)
    assert len(controls) > 3
    for word in controls:
        text = f'a {word} b{word}{word}'
        (ids,) = encode_texts(tokenizer, [text])
        found = set(ids) & set(controls.values())
        assert found <= {tokenizer.unk_token_id}
        if word != tokenizer.unk_token:
            assert tokenizer.decode(ids) == text


def test_other_texts_keep_their_ids(tokenizer):
    known = tokenizer(ORDINARY, add_special_tokens=False)['input_ids']
    assert encode_texts(tokenizer, ORDINARY) == known


def test_words_that_a_user_added_are_no_controls():
    tokenizer = tiny()
    (ids,) = encode_texts(tokenizer, ['the ego-lane'])
    assert ids[-1] == tokenizer.convert_tokens_to_ids('ego-lane')


def test_tokens_at_both_ends_are_still_given_where_asked_for():
    tokenizer = llama(ignore_merges=False)
    encode_texts(tokenizer, ['yes'])
    assert tokenizer.encode('yes')[0] == tokenizer.bos_token_id
    # Controls behind the vocabulary count only where a text ends with them.
    assert largest_id(tokenizer) < len(tokenizer) - 2


def _edit(key, value):
    def change(path: Path) -> None:
        content = json.loads(path.read_text())
        content[key] = value
        path.write_text(json.dumps(content))

    return change


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ('name', 'damage', 'reason'),
    [
        ('tokenizer.json', lambda p: p.write_bytes(p.read_bytes()[:5000]),
         'tokenizer.json, line .* cut off'),
        ('tokenizer.json', lambda p: p.write_bytes(b'\xff' + p.read_bytes()),
         'tokenizer.json, line 1: is not UTF-8'),
        ('tokenizer.json', _edit('model', {'type': 'BPE', 'vocab': {'a': []},
                                           'merges': []}),
         'tokenizer.json: the tokenizer cannot be loaded'),
        ('tokenizer.json', _edit('added_tokens', 7),
         'tokenizer.json: the tokenizer cannot be loaded'),
        ('tokenizer.json', _as_folder, 'tokenizer.json: cannot be read'),
        ('tokenizer.json', Path.unlink, 'the tokenizer cannot be loaded'),
        ('tokenizer_config.json', lambda p: p.write_text('[]'),
         'tokenizer_config.json: holds a list, expected an object'),
        ('tokenizer_config.json', _edit('eos_token', None), 'no eos_token'),
        ('tokenizer_config.json', _edit('model_max_length', 'x'),
         'the tokenizer cannot be loaded'),
    ],
)  # fmt: skip
def test_a_damaged_folder_is_named_in_one_line(tmp_path, name, damage, reason):
    folder = tmp_path / 'broken'
    shutil.copytree(TINY, folder)
    damage(folder / name)
    with pytest.raises(TokenizerError, match=reason) as caught:
        load_tokenizer(str(folder))
    assert str(folder) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_two_tokens_of_one_id_are_refused(tmp_path):
    folder = tmp_path / 'doubled'
    shutil.copytree(TINY, folder)
    path = folder / 'tokenizer.json'
    content = json.loads(path.read_text())
    content['model']['vocab']['!'] = content['model']['vocab']['"']
    path.write_text(json.dumps(content))
    with pytest.raises(TokenizerError, match='same id to two tokens'):
        load_tokenizer(str(folder))


def _calls() -> list[tuple[str, str, set[str]]]:
    """File, called name and keywords of every call in the sources."""
    root = Path(mmocc.__file__).parents[1]
    found = []
    for folder in ('mmocc', 'projects', 'tools'):
        for path in (root / folder).rglob('*.py'):
            if 'tests' in path.parts:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call):
                    name = getattr(node.func, 'attr', '')
                    words = {ast.unparse(word) for word in node.keywords}
                    found.append((path.name, name, words))
    return found


def test_no_other_place_makes_ids_and_no_code_of_checkpoints_runs():
    calls = _calls()
    makers = {
        name for name, _, words in calls if 'add_special_tokens=False' in words
    }
    assert makers == {'tokenizers.py'}
    loads = [
        words for _, called, words in calls if called == 'from_pretrained'
    ]
    assert len(loads) == 3  # configs, models, tokenizers
    assert all('trust_remote_code=False' in words for words in loads)
