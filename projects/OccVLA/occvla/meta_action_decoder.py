"""From a frame to one legal meta-action (paper Sec. 3.3).

The model may reason freely; the action itself is chosen among the 18 legal
pairs, which are scored in one pass behind the reasoning.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mmocc.models.bridges import ActionTree, VLOBridge, greedy_decode
from mmocc.models.bridges.action_tree import marginals
from mmocc.models.layers.block_attention import PrefixMemory
from mmocc.models.vlms import Tokenizer
from mmocc.structures import META_ACTIONS
from mmocc.structures.meta_action import ACTION_MARKER
from mmocc.structures.tokens import TextBatch


class DecodedMetaAction(NamedTuple):
    """The decision for one frame.

    Attributes:
        text (str): Reasoning and action, as an answer.
        scores (Tensor): (18,) probabilities in the order of META_ACTIONS.
    """

    text: str
    scores: Tensor

    @property
    def speed_scores(self) -> Tensor:
        """Marginal probabilities, (3,)."""
        return marginals(self.scores)[0]

    @property
    def direction_scores(self) -> Tensor:
        """Marginal probabilities, (6,)."""
        return marginals(self.scores)[1]


class MetaActionDecoder:
    """Lets a model reason, then scores the 18 legal actions.

    Args:
        tokenizer (Tokenizer): Of the model.
        chain_of_thought (bool): Generate the reasoning first. Without it the
            action is scored right behind the question. Defaults to True.
        max_new_tokens (int): Longest reasoning. Defaults to 128.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        chain_of_thought: bool = True,
        max_new_tokens: int = 128,
    ) -> None:
        self.tokenizer = tokenizer
        self.chain_of_thought = chain_of_thought
        self.max_new_tokens = max_new_tokens
        self.tree = ActionTree(self._encode)

    @torch.no_grad()
    def __call__(
        self, bridge: VLOBridge, memory: PrefixMemory, prompts: list[Tensor]
    ) -> list[DecodedMetaAction]:
        """Decide for each frame.

        Args:
            bridge (VLOBridge): The backbone.
            memory (PrefixMemory): Of the frames' images; is not changed.
            prompts (list[Tensor]): The question of each frame, (L_i,) int64.
        """
        device = prompts[0].device
        reasons = [''] * len(prompts)
        if self.chain_of_thought:
            reasons = self._reason(bridge, memory, prompts)
        openings = [
            f'{reason} {ACTION_MARKER}' if reason else ACTION_MARKER
            for reason in reasons
        ]
        contexts = [
            torch.cat([prompt, torch.tensor(self._encode(o), device=device)])
            for prompt, o in zip(prompts, openings, strict=True)
        ]
        scores = self._score(bridge, memory, contexts)
        return [
            DecodedMetaAction(f'{o} {META_ACTIONS[int(s.argmax())]}', s)
            for o, s in zip(openings, scores, strict=True)
        ]

    def _encode(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)['input_ids']

    def _reason(
        self, bridge: VLOBridge, memory: PrefixMemory, prompts: list[Tensor]
    ) -> list[str]:
        """Free text up to the action."""
        text = _one_text_each(prompts)
        answers = greedy_decode(
            bridge,
            memory.without_text(),
            text.input_ids,
            text.valid,
            self.tokenizer.eos_token_id,
            self.max_new_tokens,
        )
        decoded = [self.tokenizer.decode(a[0]) for a in answers]
        return [text.partition(ACTION_MARKER)[0].strip() for text in decoded]

    def _score(
        self, bridge: VLOBridge, memory: PrefixMemory, contexts: list[Tensor]
    ) -> Tensor:
        """Probabilities (B, 18) of the phrases behind the contexts."""
        text = _one_text_each(contexts)
        memory = memory.without_text()
        hidden = bridge.read(memory, text.input_ids, text.valid)[:, 0]
        last = text.valid[:, 0].sum(dim=-1) - 1
        hidden = hidden[torch.arange(len(contexts)), last]  # (B, D)

        number = len(self.tree.phrases)
        tokens = [[torch.tensor(p) for p in self.tree.phrases]] * len(contexts)
        phrases = TextBatch.pad(tokens, tokens, hidden.device)
        inside = bridge.read(
            memory.branch(number), phrases.input_ids, phrases.valid
        )  # (B, 18, P, D)
        # What stands before each token of a phrase.
        before = torch.cat(
            [
                hidden[:, None, None].expand(-1, number, 1, -1),
                inside[:, :, :-1],
            ],
            dim=2,
        )
        return self.tree.probabilities(
            bridge.vlm.logits(before, self.tree.vocabulary.to(hidden.device))
        )


def _one_text_each(texts: list[Tensor]) -> TextBatch:
    """A batch of one text a frame."""
    nested = [[t.cpu()] for t in texts]
    return TextBatch.pad(nested, nested, texts[0].device)
