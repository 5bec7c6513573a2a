"""Turn the text that a chat model sends into a chain of thought.

Models wrap JSON in prose and code fences, leave commas and forget braces.
What can be read without guessing a word is repaired; anything else is a
reason to ask again.
"""

import json
import re

from mmocc.annotation.chain_of_thought import (
    ChainOfThought,
    parse_chain_of_thought,
)
from mmocc.annotation.meta_action_labels import legal_pair
from mmocc.projects.DrivingLabels.driving_labels.chat_prompt import PARTS
from mmocc.structures import DIRECTIONS, SPEEDS, MetaAction

# What some models write before they answer ends so.
_END_OF_THOUGHTS = '</think>'
# Letters. An answer is a few hundred words, a sentence a few dozen.
_LONGEST_ANSWER = 20_000
_LONGEST_SENTENCE = 2000
# Control letters, halves of surrogate pairs, and what stands for no letter.
_NO_LETTER = re.compile('[\0-\x1f\x7f-\x9f\ud800-\udfff\ufffd]')
_TRAILING_COMMA = re.compile(r',\s*(?=[}\]])')
_BARE_KEY = re.compile(rf'(?<=[{{,\n])\s*({"|".join(PARTS)})\s*(?=:)')
_QUOTES = str.maketrans({'“': '"', '”': '"'})
# Strict JSON forbids line breaks inside strings; models write them.
_DECODER = json.JSONDecoder(strict=False)


class UnusableAnswerError(ValueError):
    """An answer that cannot be used; the message tells the model why."""


def read_object(text: str) -> dict:
    """Read the JSON object in a text, repaired if need be.

    Repaired are: prose, thoughts and code fences around it, line breaks in
    strings, commas before a closing brace, bare keys, curly quotes as
    delimiters, and a missing last brace. No word is changed: a string
    without an end may lack words, so it is not closed.

    Raises:
        UnusableAnswerError: There is none.
    """
    text = text.rpartition(_END_OF_THOUGHTS)[2]
    if len(text) > _LONGEST_ANSWER:
        raise UnusableAnswerError(f'it has {len(text)} letters')
    start = text.find('{')
    if start < 0:
        raise UnusableAnswerError('it holds no JSON object')
    found = text[start:].strip().removesuffix('```').rstrip()
    tidy = _TRAILING_COMMA.sub('', found)
    closed = _TRAILING_COMMA.sub('', found + '}')
    for attempt in (
        found,
        tidy,
        closed,
        tidy.translate(_QUOTES),
        _BARE_KEY.sub(r'"\1"', tidy),
        _BARE_KEY.sub(r'"\1"', closed),
    ):
        try:
            value, _ = _DECODER.raw_decode(attempt)
        # No JSON, an endless integer, or nested without end.
        except (ValueError, RecursionError):
            continue
        return value
    raise UnusableAnswerError('its JSON object is broken')


def _word(answer: dict, part: str, words: tuple[str, ...]) -> str:
    """Return the word of the vocabulary that a part names, in any case."""
    said = _text(answer, part).strip().rstrip('.')
    spelling = {word.lower(): word for word in words}
    if said.lower() not in spelling:
        raise UnusableAnswerError(
            f'"{part}" is {said!r}, expected one of {", ".join(words)}'
        )
    return spelling[said.lower()]


def _text(answer: dict, part: str) -> str:
    if not isinstance(answer[part], str):
        raise UnusableAnswerError(f'"{part}" is no string')
    if len(answer[part]) > _LONGEST_SENTENCE:
        raise UnusableAnswerError(
            f'"{part}" is longer than {_LONGEST_SENTENCE} letters'
        )
    return answer[part]


def _sentence(answer: dict, part: str) -> str:
    text = ' '.join(_text(answer, part).split())
    if not text:
        raise UnusableAnswerError(f'"{part}" is empty')
    if _NO_LETTER.search(text):
        raise UnusableAnswerError(f'"{part}" holds what is no letter')
    return text if text[-1] in '.!?' else f'{text}.'


def read_answer(text: str, history: str) -> ChainOfThought:
    """Turn a model's answer into a chain of thought.

    Args:
        text (str): What the model sent.
        history (str): History sentence of the chain of thought, which models
            are not asked for.

    Raises:
        UnusableAnswerError: The answer is broken, lacks a part, has an
            illegal label or cannot be told apart again; the message is fit
            to be sent back.
    """
    answer = read_object(text)
    missing = [part for part in PARTS if answer.get(part) is None]
    if missing:
        raise UnusableAnswerError(f'it lacks "{missing[0]}"')
    action = MetaAction(
        _word(answer, 'speed', SPEEDS),
        _word(answer, 'direction', DIRECTIONS),
    )
    if legal_pair(*action) != action:
        raise UnusableAnswerError(
            f'"{action.speed}" cannot be paired with "{action.direction}"'
        )
    thought = ChainOfThought(
        scene=_sentence(answer, 'scene'),
        history=history,
        reasoning=_sentence(answer, 'reasoning'),
        action=action,
    )
    if parse_chain_of_thought(str(thought)) != thought:
        raise UnusableAnswerError(
            'its text holds "Scene:", "History:", "Reasoning:" or "Action:"'
        )
    return thought
