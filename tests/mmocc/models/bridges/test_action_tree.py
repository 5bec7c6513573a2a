"""Probabilities of meta-actions, on a tree that is small enough to see."""

import re
import zlib

import pytest
import torch

from mmocc.models.bridges import ActionTree
from mmocc.structures import META_ACTIONS
from mmocc.structures.meta_action import meta_action_marginals


def encode(text):
    """Each word and each mark is a token: the sum of its letters' codes."""
    for mark in ';.':
        text = text.replace(mark, f' {mark}')
    return [sum(map(ord, word)) for word in text.split()]


@pytest.fixture
def tree():
    return ActionTree(encode)


def column(tree, word):
    return tree.vocabulary.tolist().index(encode(word)[0])


def test_probabilities_of_pairs_sum_to_one(tree):
    generator = torch.Generator().manual_seed(0)
    longest = max(map(len, tree.phrases))
    logits = torch.randn(
        2, 18, longest, len(tree.vocabulary), generator=generator
    )
    # What a model says before the first token is the same for all phrases.
    logits[:] = logits[:, :1]
    scores = tree.probabilities(logits)
    assert scores.shape == (2, 18)
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(2))
    speeds, directions = meta_action_marginals(scores)
    torch.testing.assert_close(speeds.sum(dim=1), torch.ones(2))
    torch.testing.assert_close(directions.sum(dim=1), torch.ones(2))


def test_a_word_is_weighed_against_its_legal_rivals_alone(tree):
    longest = max(map(len, tree.phrases))
    logits = torch.zeros(1, 18, longest, len(tree.vocabulary))
    # Twice as likely as each of the two others, by hand: 2 / (2 + 1 + 1).
    logits[:, :, 0, column(tree, 'Accelerate')] = torch.tensor(2.0).log()
    # No action begins with this word, so its height does not count.
    logits[:, :, 0, column(tree, 'Left')] = 50.0
    speeds, _ = meta_action_marginals(tree.probabilities(logits))
    torch.testing.assert_close(speeds, torch.tensor([[0.25, 0.5, 0.25]]))


def test_pairs_stand_in_the_order_of_the_vocabulary():
    scores = torch.zeros(18)
    action = next(a for a in META_ACTIONS if a.direction == 'Turn Right')
    scores[META_ACTIONS.index(action)] = 1.0
    speeds, directions = meta_action_marginals(scores)
    assert speeds.argmax() == action.speed_index
    assert directions.argmax() == action.direction_index


def encode_as_llama(text):
    """Words with the spaces before them, one more space before all."""
    parts = re.findall(' *[^ ;.]+|[;.]', f' {text}')
    return [zlib.crc32(part.encode()) for part in parts]


def test_phrases_are_those_of_running_text():
    """An action alone would begin with two spaces, as no text ever does."""
    tree = ActionTree(encode_as_llama)
    for action, phrase in zip(META_ACTIONS, tree.phrases, strict=True):
        text = encode_as_llama(f'Scene: A car. Action: {action}')
        assert text[-len(phrase) :] == phrase
        assert phrase != encode_as_llama(f' {action}')


def test_a_tokenizer_that_merges_the_marker_is_refused():
    with pytest.raises(ValueError, match='does not merge words'):
        ActionTree(lambda text: [len(text)])
