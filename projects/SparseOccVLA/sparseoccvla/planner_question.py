"""What the planner asks the language model, and what it reads as the answer.

SparseOccVLA's figure draws a fixed prompt and one reasoning token; the words
are ours. The other two ways to score by language are ablations.
"""

import string

import torch
from torch import Tensor, nn

from mmocc.models.vlms import CausalLM, Tokenizer
from mmocc.structures.tokens import SparseBridgeOutput

SCORE = 'Score the candidate trajectories of the ego car.'
CHOOSE = (
    'Which candidate trajectory suits the ego car best? Answer by its letter.'
)


class PlannerQuestion(nn.Module):
    """A prompt for every frame, and the planner's ``reasoning`` out of it.

    A anchors of T steps, D the width of the language model, P tokens.

    Args:
        score_source (str): Of the planner. ``anchor_tokens`` puts one soft
            token for each anchor behind the prompt and hands over the hidden
            states of these, each of which has seen the anchors before it.
            ``answer_logits`` hands over the logits of A letters behind the
            prompt; which letter means which anchor is learned. All others
            hand over the hidden state of the last token.
        tokenizer (Tokenizer): Of the language model.
        num_anchors (int): A.
        num_steps (int): T.
        token_dims (int): D.

    Raises:
        ValueError: If there are more anchors than letters, or the tokenizer
            has no token of its own for a letter.
    """

    def __init__(
        self,
        score_source: str,
        tokenizer: Tokenizer,
        num_anchors: int,
        num_steps: int,
        token_dims: int,
    ) -> None:
        super().__init__()
        self.num_anchors = num_anchors
        self.anchor_tokens = letters = None
        words = SCORE
        if score_source == 'anchor_tokens':
            self.anchor_tokens = nn.Linear(2 * num_steps, token_dims)
        elif score_source == 'answer_logits':
            words = CHOOSE
            letters = torch.tensor(_letter_ids(tokenizer, num_anchors))
        ids = torch.tensor(tokenizer.encode(words))
        self.register_buffer('letters', letters, persistent=False)
        self.register_buffer('ids', ids, persistent=False)

    def forward(self, vlm: CausalLM, anchors: Tensor) -> Tensor:
        """Embed the prompt.

        Args:
            vlm (CausalLM): The language model.
            anchors (Tensor): (A, T, 2) normalised.

        Returns:
            Tensor: (P, D).
        """
        words = vlm.embed_text(self.ids)
        if self.anchor_tokens is None:
            return words
        return torch.cat([words, self.anchor_tokens(anchors.flatten(1))])

    def read(self, vlm: CausalLM, out: SparseBridgeOutput) -> Tensor:
        """The answer, as the planner's ``score_source`` wants it.

        Returns:
            Tensor: (B, D), or (B, A, D) of ``anchor_tokens``, or (B, A) of
            ``answer_logits``.
        """
        if self.anchor_tokens is not None:
            return out.prompt[:, -self.num_anchors :]
        if self.letters is not None:
            return vlm.logits(out.reasoning, self.letters)
        return out.reasoning


def _letter_ids(tokenizer: Tokenizer, count: int) -> list[int]:
    """Token ids of A, B, C, ..., all different."""
    letters = string.ascii_uppercase[:count]
    if len(letters) < count:
        raise ValueError(
            f"planner.score_source='answer_logits' names each of the {count} "
            f'anchors by a letter, of which there are {len(letters)}; use '
            "fewer anchors, or score_source='reasoning_token'"
        )
    ids = [
        tokenizer.encode(letter, add_special_tokens=False)
        for letter in letters
    ]
    if any(len(each) != 1 for each in ids) or len({*map(tuple, ids)}) < count:
        raise ValueError(
            f'the tokenizer {tokenizer.name_or_path} writes the letters '
            f'{letters} as {ids}, expected a token for each, as '
            "planner.score_source='answer_logits' compares their logits; use "
            "another tokenizer, or score_source='reasoning_token'"
        )
    return [each[0] for each in ids]
