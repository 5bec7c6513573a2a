"""The 18 legal meta-actions as token phrases, and how likely each is.

At each node of the tree that the phrases form, the probabilities of the legal
continuations are renormalised, which makes the 18 products a distribution:
P(speed, direction) = P(speed) P(direction | speed). The papers do not say how
an action is read from a model's words.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from mmocc.structures import META_ACTIONS
from mmocc.structures.meta_action import ACTION_MARKER


class ActionTree:
    """Token phrases of the meta-actions and their joint probabilities.

    Args:
        encode (Callable): Text to token ids, without special tokens.

    Attributes:
        phrases (list[list[int]]): Tokens of each of META_ACTIONS, as they
            follow the marker in a text.
        vocabulary (Tensor): (n,) int64, every token of a phrase once.

    Raises:
        ValueError: If the tokenizer merges the marker with what follows.
    """

    def __init__(self, encode: Callable[[str], list[int]]) -> None:
        self.phrases = [_behind_marker(encode, str(a)) for a in META_ACTIONS]
        self.vocabulary = torch.tensor(
            sorted({token for phrase in self.phrases for token in phrase}),
            device='cpu',  # values are read, also where a model is on meta
        )

    def probabilities(self, logits: Tensor) -> Tensor:
        """Turn logits at the nodes of the tree into 18 probabilities.

        Args:
            logits (Tensor): (B, 18, P, n) of ``vocabulary``, before each
                token of each phrase; padding is not read.

        Returns:
            Tensor: (B, 18) in the order of META_ACTIONS, summing to one.
        """
        logits = logits.float()
        column = {token: i for i, token in enumerate(self.vocabulary.tolist())}
        log_scores = []
        for k, phrase in enumerate(self.phrases):
            score = logits.new_zeros(len(logits))
            for j, token in enumerate(phrase):
                legal = sorted(
                    {p[j] for p in self.phrases if p[:j] == phrase[:j]}
                )
                if len(legal) > 1:
                    at_node = logits[:, k, j, [column[t] for t in legal]]
                    share = at_node.log_softmax(dim=-1)
                    score = score + share[:, legal.index(token)]
            log_scores.append(score)
        return torch.stack(log_scores, dim=-1).exp()


def _behind_marker(encode: Callable[[str], list[int]], action: str) -> list:
    """Return the tokens of an action as they follow the marker in a text.

    They are not those of the action alone: tokenizers such as LLaMA's put a
    space in front of whatever they are given, hence two in front of a word
    that has one already.
    """
    marker, text = encode(ACTION_MARKER), encode(f'{ACTION_MARKER} {action}')
    if text[: len(marker)] != marker:
        raise ValueError(
            f'the tokenizer writes {ACTION_MARKER!r} as {marker}, but begins '
            f"'{ACTION_MARKER} {action}' with {text[: len(marker)]}; actions "
            'are scored behind the marker, so use a tokenizer that does not '
            'merge words'
        )
    return text[len(marker) :]
