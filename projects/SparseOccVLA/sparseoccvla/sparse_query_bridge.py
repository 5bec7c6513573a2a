"""The language bridge of SparseOccVLA: occupancy queries into an LLM and back.

The language model sees the world through one token for each occupancy query
and a few global ones, and through nothing else::

    [Q occupancy queries | G global queries | text 1 | text 2 | ...]

(the order of the paper's overview figure). As texts come last and attention
is causal, neither kind of visual token ever depends on what is asked. All
texts of a frame share one pass over the visual tokens: at inference through
the cache, in training packed behind them (see
:mod:`mmocc.models.bridges.packed_sequence`).
"""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmocc.models.bridges.packed_sequence import PackedSequence
from mmocc.models.bridges.text_loss import next_token_loss
from mmocc.projects.SparseOccVLA.sparseoccvla.query_tokens import QueryTokens
from mmocc.registry import MODELS
from mmocc.structures.occ3d import POINT_CLOUD_RANGE
from mmocc.structures.part_checks import require_part
from mmocc.structures.protocols import CausalLanguageModel
from mmocc.structures.sparse_occ import SparseOccFeatures
from mmocc.structures.tokens import SparseBridgeOutput, TextBatch

PREFIX_ATTENTIONS = ('causal', 'bidirectional')


@MODELS.register_module()
class SparseQueryBridge(BaseModule):
    """Runs a language model over occupancy queries and texts.

    B frames, Q queries of width C, G global queries, N texts a frame, L
    tokens a text, D the width of the language model.

    In training the texts of a frame are packed into one sequence of
    Q + G + N L tokens with a mask of that size squared: exactly what N
    sequences would give, and the visual tokens are computed once instead of N
    times. The mask takes one byte an entry and frame (four with soft-capped
    models): 2.7 MB at 612 visual tokens and 8 texts of 128 tokens.

    Args:
        vlm (dict): Config of the language model, such as ``CausalLM``.
        embed_dims (int): Width C of occupancy queries. Defaults to 256.
        num_global (int): Global queries, G. Defaults to 12.
        global_init (str): Where global queries start, ``learned`` or
            ``max_pool``, see :class:`QueryTokens`. Defaults to 'learned'.
        prefix_attention (str): ``causal``, as the language model was trained,
            or ``bidirectional``, where every visual token sees every other.
            Defaults to 'causal'.
        num_octaves (int): Wavelengths of the position code. Defaults to 6.
        num_heads (int): Heads of the global queries' cross-attention.
            Defaults to 8.
        point_cloud_range (Sequence[float]): Metres; the unit of the position
            code. Defaults to Occ3D's.
        init_cfg (dict, optional): mmengine's initialisation config.

    Raises:
        ValueError: If the model has no key-value cache, or
            ``prefix_attention`` is unknown.
    """

    vlm: CausalLanguageModel

    def __init__(
        self,
        vlm: dict,
        embed_dims: int = 256,
        num_global: int = 12,
        global_init: str = 'learned',
        prefix_attention: str = 'causal',
        num_octaves: int = 6,
        num_heads: int = 8,
        point_cloud_range: Sequence[float] = POINT_CLOUD_RANGE,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        require_part(vlm, CausalLanguageModel, 'model.bridge.vlm')
        if prefix_attention not in PREFIX_ATTENTIONS:
            raise ValueError(
                f'bridge.prefix_attention is {prefix_attention!r}, expected '
                f'one of {PREFIX_ATTENTIONS}'
            )
        self.vlm = MODELS.build(vlm)
        self.bidirectional = prefix_attention == 'bidirectional'
        self.num_global = num_global
        self.tokens = QueryTokens(
            embed_dims,
            self.vlm.embed_dims,
            num_global,
            global_init,
            num_octaves,
            num_heads,
            point_cloud_range,
        )

    def forward(
        self,
        scene: SparseOccFeatures,
        text: TextBatch | None = None,
        prompt: Tensor | None = None,
    ) -> SparseBridgeOutput:
        """Run visual tokens, texts and the prompt in one pass.

        Args:
            scene (SparseOccFeatures): Q queries of each frame.
            text (TextBatch, optional): N texts a frame.
            prompt (Tensor, optional): (P,) int64 ids or (P, D) embeddings,
                put to every frame as one text more; the hidden state of its
                last token is ``reasoning``.
        """
        visual = torch.cat(self.tokens(scene), dim=1)
        sequence = PackedSequence.of_prefix(visual, cache=None)
        return self._run(visual, sequence, text, prompt)

    def remember(
        self, scene: SparseOccFeatures, prompt: Tensor | None = None
    ) -> tuple[SparseBridgeOutput, PackedSequence]:
        """Encode the visual tokens once for many texts.

        Args:
            scene (SparseOccFeatures): Q queries of each frame.
            prompt (Tensor, optional): As in :meth:`forward`. It rides along
                in the same pass, and no later text sees it.

        Returns:
            tuple: Hidden states, and the memory to continue from with
            :meth:`read`.
        """
        visual = torch.cat(self.tokens(scene), dim=1)
        memory = PackedSequence.of_prefix(visual, self.vlm.new_cache())
        output = self._run(visual, memory, None, prompt)
        return output, memory.without_text()

    def read(
        self, memory: PackedSequence, input_ids: Tensor, valid: Tensor
    ) -> Tensor:
        """Continue each text of a frame by some tokens.

        Args:
            memory (PackedSequence): From :meth:`remember`; is extended.
            input_ids (Tensor): (B, N, L) int64.
            valid (Tensor): (B, N, L) bool, False on padding.

        Returns:
            Tensor: Hidden states of the new tokens, (B, N, L, D).
        """
        embeds = self.vlm.embed_text(input_ids).flatten(1, 2)
        hidden = self._attend(embeds, memory.extend_texts(valid), memory)
        return hidden.unflatten(1, input_ids.shape[1:])

    def read_phrases(
        self,
        memory: PackedSequence,
        contexts: list[Tensor],
        phrases: list[Tensor],
    ) -> Tensor:
        """Read K phrases behind the context of each frame.

        Context and phrase together are one text; K texts share a pass.

        Args:
            memory (PackedSequence): From :meth:`remember`; is not changed.
            contexts (list[Tensor]): The text of each frame, (L_i,) int64.
            phrases (list[Tensor]): K times (P_i,) int64.

        Returns:
            Tensor: Hidden state before each token of each phrase,
            (B, K, P, D); what stands before padding is not to be read.
        """
        device = contexts[0].device
        texts = [
            [torch.cat([context.cpu(), phrase]) for phrase in phrases]
            for context in contexts
        ]
        text = TextBatch.pad(texts, texts, device)
        hidden = self.read(
            memory.without_text(), text.input_ids, text.valid
        )  # (B, K, L, D)
        # Places of the tokens before a phrase's; ends repeat as padding.
        steps = torch.arange(max(len(phrase) for phrase in phrases))
        places = torch.stack([len(c) - 1 + steps for c in contexts])
        places = places.clamp(max=hidden.shape[2] - 1).to(device)  # (B, P)
        frame = torch.arange(len(contexts), device=device)[:, None]
        return hidden[frame, :, places].transpose(1, 2)

    def text_loss(self, hidden: Tensor, text: TextBatch) -> Tensor:
        """Next-token cross-entropy of the answers.

        Args:
            hidden (Tensor): ``text`` of an output, (B, N, L, D).
            text (TextBatch): The texts.
        """
        return next_token_loss(self.vlm, hidden, text)

    def _run(
        self,
        visual: Tensor,
        sequence: PackedSequence,
        text: TextBatch | None,
        prompt: Tensor | None,
    ) -> SparseBridgeOutput:
        """Run visual tokens (B, Q + G, D), texts and the prompt in order."""
        batch, num_visual = visual.shape[:2]
        order = torch.arange(num_visual, device=visual.device)
        embeds, positions = [visual], [order.expand(batch, -1)]
        shape = (0, 0)
        if text is not None:
            shape = text.input_ids.shape[1:]
            embeds.append(self.vlm.embed_text(text.input_ids).flatten(1, 2))
            positions.append(sequence.append(text.valid))
        if prompt is not None:
            if prompt.ndim == 1:
                prompt = self.vlm.embed_text(prompt)
            embeds.append(prompt.expand(batch, -1, -1))
            known = visual.new_ones(batch, 1, len(prompt), dtype=torch.bool)
            positions.append(sequence.append(known, first=shape[0]))
        hidden = self._attend(
            torch.cat(embeds, dim=1), torch.cat(positions, dim=1), sequence
        )
        queries, overview, words, asked = hidden.tensor_split(
            [
                num_visual - self.num_global,
                num_visual,
                num_visual + shape[0] * shape[1],
            ],
            dim=1,
        )
        return SparseBridgeOutput(
            queries=queries,
            overview=overview,
            text=None if text is None else words.unflatten(1, shape),
            prompt=None if prompt is None else asked,
        )

    def _attend(
        self, embeds: Tensor, positions: Tensor, sequence: PackedSequence
    ) -> Tensor:
        """Run the language model over the new end of a sequence."""
        visible = sequence.visible(embeds.shape[1], self.bidirectional)
        return self.vlm(embeds, positions, visible, sequence.cache)
