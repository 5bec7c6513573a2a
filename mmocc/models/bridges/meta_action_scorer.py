"""A language model's probabilities of the 18 meta-actions (OccVLA, Sec. 3.3).

The model may reason freely first; the action itself is chosen among the 18
legal pairs, which are scored in one pass behind the question or the reasoning.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from mmocc.models.bridges.action_tree import ActionTree
from mmocc.models.bridges.greedy_decoding import greedy_decode
from mmocc.models.bridges.packed_sequence import PackedSequence
from mmocc.models.layers.block_layout import PrefixMemory
from mmocc.structures import META_ACTIONS
from mmocc.structures.meta_action import ACTION_MARKER
from mmocc.structures.protocols import VisionLanguageBridge
from mmocc.structures.tokens import TextBatch
from mmocc.utils.tokenizers import Tokenizer, encode_texts


class MetaActionScores(NamedTuple):
    """Reasoning and decision of B frames.

    Attributes:
        scores (Tensor): (B, 18) probabilities in the order of META_ACTIONS.
        texts (list[str]): Reasoning and likeliest action, as an answer.
    """

    scores: Tensor
    texts: list[str]


class MetaActionScorer:
    """Score the 18 legal actions behind a question.

    Args:
        tokenizer (Tokenizer): The language model's.
        chain_of_thought (bool): Generate the reasoning first. Without it the
            action is scored right behind the question. Defaults to False.
        max_new_tokens (int): Longest reasoning. Defaults to 128.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        chain_of_thought: bool = False,
        max_new_tokens: int = 128,
    ) -> None:
        self.tokenizer = tokenizer
        self.chain_of_thought = chain_of_thought
        self.max_new_tokens = max_new_tokens
        self.tree = ActionTree(self._encode)

    @torch.no_grad()
    def __call__(
        self,
        bridge: VisionLanguageBridge,
        memory: PrefixMemory | PackedSequence,
        prompts: list[Tensor],
    ) -> MetaActionScores:
        """Decide for each frame.

        Args:
            bridge (VisionLanguageBridge): Runs the language model.
            memory (PrefixMemory | PackedSequence): Of the visual part of B
                frames; is not changed.
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
        before = bridge.read_phrases(
            memory, contexts, [torch.tensor(p) for p in self.tree.phrases]
        )  # (B, 18, P, D)
        vocabulary = self.tree.vocabulary.to(before.device)
        scores = self.tree.probabilities(bridge.vlm.logits(before, vocabulary))
        return MetaActionScores(
            scores,
            [
                f'{opening} {META_ACTIONS[int(best)]}'
                for opening, best in zip(
                    openings, scores.argmax(dim=-1), strict=True
                )
            ],
        )

    def _encode(self, text: str) -> list[int]:
        """Return the token ids of a text."""
        return encode_texts(self.tokenizer, [text])[0]

    def _reason(
        self,
        bridge: VisionLanguageBridge,
        memory: PrefixMemory | PackedSequence,
        prompts: list[Tensor],
    ) -> list[str]:
        """Generate free text up to the action."""
        text = TextBatch.one_each(prompts)
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
