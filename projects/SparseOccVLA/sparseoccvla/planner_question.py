"""The prompt of the planner, and what it reads of the language model.

SparseOccVLA's figure draws a fixed prompt and one reasoning token; the words
are ours. The other two ways to score by language are ablations.
"""

import string
from collections.abc import Collection

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmocc.models.vlms import CausalLM
from mmocc.structures.tokens import SparseBridgeOutput
from mmocc.utils.tokenizers import Tokenizer, encode_texts

# Fields of SceneFeatures that need the prompt.
ANSWERS = ('reasoning_token', 'anchor_tokens', 'answer_logits')
SCORE = 'Score the candidate trajectories of the ego car.'
CHOOSE = (
    'Which candidate trajectory suits the ego car best? Answer by its letter.'
)


class PlannerQuestion(BaseModule):
    """Embed the planner's prompt, and read what the planner wants of it.

    A anchors of T steps, D the width of the language model, P tokens.

    ``anchor_tokens`` puts one soft token for each anchor behind the prompt
    and returns the hidden states of these, each of which has seen the anchors
    before it. ``answer_logits`` returns the logits of A letters behind the
    prompt; which letter means which anchor is learned. ``reasoning_token`` is
    the hidden state of the last token.

    Args:
        reads (Collection[str]): Which of ``ANSWERS`` the planner reads.
        tokenizer (Tokenizer): The language model's tokenizer.
        planner (nn.Module): With its anchors in ``bank``, unless it reads the
            reasoning token alone.
        token_dims (int): Width D.
        init_cfg (dict, optional): mmengine's initialisation config.

    Raises:
        ValueError: If there are more anchors than letters, or the tokenizer
            has no token of its own for a letter.
    """

    def __init__(
        self,
        reads: Collection[str],
        tokenizer: Tokenizer,
        planner: nn.Module,
        token_dims: int,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.reads = tuple(reads)
        self.anchor_tokens = letters = None
        words = SCORE
        if 'anchor_tokens' in reads:
            num_steps = planner.bank.anchors.shape[1]
            self.anchor_tokens = nn.Linear(2 * num_steps, token_dims)
        if 'answer_logits' in reads:
            words = CHOOSE
            letters = torch.tensor(_letter_ids(tokenizer, len(planner.bank)))
        ids = torch.tensor(tokenizer.encode(words))
        self.register_buffer('letters', letters, persistent=False)
        self.register_buffer('ids', ids, persistent=False)

    def forward(self, vlm: CausalLM, planner: nn.Module) -> Tensor:
        """Embed the prompt, (P, D).

        Args:
            vlm (CausalLM): The language model.
            planner (nn.Module): The planner that this was built for.
        """
        words = vlm.embed_text(self.ids)  # (P, D)
        if self.anchor_tokens is None:
            return words
        anchors = planner.bank.normalized()  # (A, T, 2)
        return torch.cat([words, self.anchor_tokens(anchors.flatten(1))])

    def read(
        self, vlm: CausalLM, out: SparseBridgeOutput
    ) -> dict[str, Tensor]:
        """Return the fields of ``SceneFeatures`` that the planner reads.

        Args:
            vlm (CausalLM): The language model.
            out (SparseBridgeOutput): With the hidden states of the prompt.
        """
        fields = {}
        if 'reasoning_token' in self.reads:
            fields['reasoning_token'] = out.reasoning  # (B, D)
        if self.anchor_tokens is not None:
            behind = len(self.ids)
            fields['anchor_tokens'] = out.prompt[:, behind:]  # (B, A, D)
        if self.letters is not None:
            fields['answer_logits'] = vlm.logits(out.reasoning, self.letters)
        return fields


def _letter_ids(tokenizer: Tokenizer, count: int) -> list[int]:
    """Find the token ids of A, B, C, ..., all different."""
    letters = string.ascii_uppercase[:count]
    if len(letters) < count:
        raise ValueError(
            f'AnswerLogitScorer names each of the {count} anchors by a '
            f'letter, of which there are {len(letters)}; use fewer, or '
            "planner.scorer type='ReasoningScorer'"
        )
    ids = encode_texts(tokenizer, letters)
    if any(len(each) != 1 for each in ids) or len({*map(tuple, ids)}) < count:
        raise ValueError(
            f'the tokenizer {tokenizer.name_or_path} writes the letters '
            f'{letters} as {ids}, expected a token for each, as '
            'AnswerLogitScorer compares their logits; use another tokenizer, '
            "or planner.scorer type='ReasoningScorer'"
        )
    return [each[0] for each in ids]
