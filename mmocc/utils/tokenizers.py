"""Load tokenizers and turn texts into token ids; the only place that does.

Needs ``transformers``, which is why nothing in ``mmocc.utils`` imports it.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from mmocc.utils.json_files import JsonFileError, read_json
from mmocc.utils.pretrained import resolve_pretrained

Tokenizer = PreTrainedTokenizerBase

# Tokens of text that a vocabulary adds, such as Gemma's line breaks and
# <loc0001>, need not be marked as special. Those in brackets are controls.
_BRACKETED = re.compile(r'[^\w\s].*\w.*[^\w\s]', re.DOTALL)
_FOLDER_FILES = (
    'tokenizer_config.json',
    'special_tokens_map.json',
    'added_tokens.json',
    'vocab.json',
    'config.json',
)
_BACKEND_FILE = 'tokenizer.json'
_CACHED = 4
_SHOWN = 300  # letters of a reason


class TokenizerError(ValueError):
    """The folder of a tokenizer is damaged or incomplete."""


@lru_cache(maxsize=_CACHED)
def load_tokenizer(name_or_path: str) -> Tokenizer:
    """Load the tokenizer that a config names, once in each process.

    Args:
        name_or_path (str): ``mmocc://NAME``, a local folder or a checkpoint
            id.

    Raises:
        FileNotFoundError: If a folder is meant and it is not there.
        TokenizerError: The folder is damaged, or its tokenizer has no token
            for the end of a text.
    """
    source = resolve_pretrained(name_or_path)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source, trust_remote_code=False
        )
        encode_texts(tokenizer, ['a'])  # nonsense in the files shows here
    # Rust panics are no Exception.
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or not Path(source).is_dir():
            raise
        raise TokenizerError(_find_damage(Path(source), error)) from error
    problem = None
    ids = tokenizer.get_vocab().values()
    if tokenizer.eos_token_id is None:
        problem = 'names no eos_token, which ends each answer'
    elif len(set(ids)) < len(ids):
        problem = 'gives the same id to two tokens'
    if problem:
        raise TokenizerError(
            f'the tokenizer {source} {problem}; get its files again'
        )
    return tokenizer


def encode_texts(
    tokenizer: Tokenizer, texts: Sequence[str]
) -> list[list[int]]:
    """Turn texts into token ids, none of which is a control token.

    Letters stay letters: ``<eos>``, ``<image>`` or ``<loc0001>`` in a text
    become the tokens of these letters. All other texts get the ids that the
    tokenizer itself gives them without special tokens.

    Args:
        tokenizer (Tokenizer): Any of transformers.
        texts (Sequence[str]): The texts.
    """
    letters = _spell_controls(tokenizer)
    rows = tokenizer(
        list(texts), add_special_tokens=False, split_special_tokens=True
    )['input_ids']
    return [
        [i for id_ in row for i in letters.get(id_, (id_,))] for row in rows
    ]


def largest_id(tokenizer: Tokenizer) -> int:
    """Return the largest id that texts, their begin and their end can have."""
    vocabulary = set(tokenizer.get_vocab().values())
    ends = {tokenizer.bos_token_id, tokenizer.eos_token_id} - {None}
    return max((vocabulary - set(_spell_controls(tokenizer))) | ends)


@lru_cache(maxsize=_CACHED)
def _spell_controls(tokenizer: Tokenizer) -> dict[int, list[int]]:
    """Have control tokens read as letters; return the letters by their ids.

    The letters are for vocabularies that hold a control token as a word, too,
    as those of Unigram models do.
    """
    controls = {
        token.content: id_
        for id_, token in tokenizer.added_tokens_decoder.items()
        if token.special or _BRACKETED.fullmatch(token.content)
    }
    special = zip(
        tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True
    )
    controls.update(special)
    if tokenizer.is_fast:
        # Only of tokens that it knows as special the backend reads letters.
        tokenizer.backend_tokenizer.add_special_tokens(
            [AddedToken(word, special=True) for word in controls]
        )
    # What no word stands for is no control.
    controls.pop(tokenizer.unk_token, None)
    return {
        id_: tokenizer.convert_tokens_to_ids(list(word))
        for word, id_ in controls.items()
    }


def _find_damage(folder: Path, error: BaseException) -> str:
    """Name the file of a tokenizer's folder that cannot be used."""
    for name in (_BACKEND_FILE, *_FOLDER_FILES):
        if (folder / name).exists():
            try:
                read_json(folder / name, kind=dict, any_integer=True)
            except JsonFileError as damage:
                return f'{damage} (file of a tokenizer)'
    culprit = folder
    if (folder / _BACKEND_FILE).exists():
        try:
            Backend.from_file(str(folder / _BACKEND_FILE))
        except BaseException as damage:
            culprit, error = folder / _BACKEND_FILE, damage
    reason = ' '.join(str(error).split()) or type(error).__name__
    return (
        f'{culprit}: the tokenizer cannot be loaded ({reason[:_SHOWN]}); get '
        'its files again'
    )
