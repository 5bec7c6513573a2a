"""How likely the language model finds each meta-action, as a condition.

An option of the planner. The action is scored right behind the question,
without reasoning, all 18 as texts of one pass.
"""

import torch
from torch import Tensor

from mmocc.models.bridges import ActionTree, SparseQueryBridge
from mmocc.models.bridges.action_tree import marginals
from mmocc.models.bridges.packed_sequence import PackedSequence
from mmocc.models.vlms.tokenizer import Tokenizer
from mmocc.structures.meta_action import ACTION_MARKER
from mmocc.structures.tokens import TextBatch


class MetaActionReader:
    """Scores the 18 legal actions behind a question.

    Args:
        tokenizer (Tokenizer): Of the language model.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        def encode(text: str) -> list[int]:
            return tokenizer(text, add_special_tokens=False)['input_ids']

        self.marker = torch.tensor(encode(ACTION_MARKER))
        self.tree = ActionTree(encode)

    @torch.no_grad()
    def __call__(
        self,
        bridge: SparseQueryBridge,
        memory: PackedSequence,
        prompts: list[Tensor],
    ) -> Tensor:
        """Probabilities (B, 3 + 6) of speeds, then of directions.

        Args:
            bridge (SparseQueryBridge): The language model and its queries.
            memory (PackedSequence): Of B frames; is not changed.
            prompts (list[Tensor]): The question of each frame, (L_i,) int64.
        """
        phrases = [torch.tensor(phrase) for phrase in self.tree.phrases]
        openings = [torch.cat([p.cpu(), self.marker]) for p in prompts]
        texts = [
            [torch.cat([opening, phrase]) for phrase in phrases]
            for opening in openings
        ]
        text = TextBatch.pad(texts, texts, prompts[0].device)
        hidden = bridge.read(
            memory.without_text(), text.input_ids, text.valid
        )  # (B, 18, L, D)
        # What stands before each token of a phrase; ends repeat as padding.
        steps = torch.arange(max(len(phrase) for phrase in phrases))
        places = torch.stack([len(o) - 1 + steps for o in openings])
        places = places.clamp(max=hidden.shape[2] - 1).to(hidden.device)
        frame = torch.arange(len(openings), device=hidden.device)[:, None]
        before = hidden[frame, :, places].transpose(1, 2)  # (B, 18, P, D)
        scores = self.tree.probabilities(
            bridge.vlm.logits(before, self.tree.vocabulary.to(hidden.device))
        )
        return torch.cat(marginals(scores), dim=-1)
