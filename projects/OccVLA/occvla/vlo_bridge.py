"""The vision-language-occupancy backbone of OccVLA (paper Sec. 3.2, Fig. 2a).

One pass of the language model over [image | text | queries]. All tokens go
through the same projections, feed-forward layers and norms; the rule of who
sees whom is drawn in :mod:`mmocc.models.layers.block_attention`. At inference
the image part runs once a frame and every question continues from its keys
and values.
"""

import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmocc.models.bridges.text_loss import next_token_loss
from mmocc.models.layers.block_layout import BlockLayout, PrefixMemory
from mmocc.registry import MODELS
from mmocc.structures.part_checks import require_part
from mmocc.structures.protocols import ImageLanguageModel
from mmocc.structures.tokens import BridgeOutput, TextBatch


@MODELS.register_module()
class VLOBridge(BaseModule):
    """Runs a vision-language model over images, texts and occupancy queries.

    B frames, N texts a frame, L tokens a text, Q queries, D the width.

    Args:
        vlm (dict): Config of the model, such as ``PaliGemma``.
        num_views (int): Cameras the model is built for. Defaults to 6.
        text_attends_queries (bool): Let texts see the queries as well (the
            variant of Sec. 3.2 that the paper found to make no difference).
            Queries can then not be left out at inference. Defaults to False.
        query_position (int): Rotary position shared by all queries, whose
            place is told by their embedding alone. The paper is silent.
            Defaults to 0.
        shared_image_position (bool): Let all image tokens stand at the first
            rotary position, so that their place is told by their content
            alone, as that of the queries is. Not how PaliGemma was trained;
            ours, for tiny models. Defaults to False.
        query_chunk (int): Queries attended at a time; bounds memory, changes
            no result. Defaults to 512.
        init_cfg (dict, optional): mmengine's initialisation config.

    Raises:
        ValueError: If the model cannot embed images.
    """

    vlm: ImageLanguageModel

    def __init__(
        self,
        vlm: dict,
        num_views: int = 6,
        text_attends_queries: bool = False,
        query_position: int = 0,
        shared_image_position: bool = False,
        query_chunk: int = 512,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        require_part(vlm, ImageLanguageModel, 'model.bridge.vlm')
        self.vlm = MODELS.build(vlm)
        self.num_views = num_views
        self.text_attends_queries = text_attends_queries
        self.query_position = query_position
        self.shared_image_position = shared_image_position
        self.query_chunk = query_chunk

    def embed_images(self, imgs: Tensor) -> Tensor:
        """Embed the images of all cameras as tokens.

        Args:
            imgs (Tensor): (B, num_views, 3, H, W), normalised.

        Returns:
            Tensor: (B, n_image, D).

        Raises:
            ValueError: If the number of cameras differs.
        """
        if imgs.shape[1] != self.num_views:
            raise ValueError(
                f'got {imgs.shape[1]} cameras a frame, but the bridge was '
                f'built for {self.num_views}; give all cameras, or set '
                'model.bridge.num_views and train for it'
            )
        return self.vlm.embed_images(imgs)

    def forward(
        self,
        scene: Tensor,
        text: TextBatch | None = None,
        queries: Tensor | None = None,
    ) -> BridgeOutput:
        """Run images, texts and queries in one pass, as in training.

        Args:
            scene (Tensor): Image tokens, (B, n_image, D).
            text (TextBatch, optional): N texts a frame.
            queries (Tensor, optional): (B, Q, D).
        """
        return self._run(scene, text, queries, memory=None)

    def remember(
        self, scene: Tensor, queries: Tensor | None = None
    ) -> tuple[BridgeOutput, PrefixMemory]:
        """Encode the images, and the queries if given, once for many texts.

        Returns:
            tuple: Hidden states, and the memory to continue from with
            :meth:`read`.

        Raises:
            ValueError: If texts see queries and there are none.
        """
        if self.text_attends_queries and queries is None:
            raise ValueError(
                'with bridge.text_attends_queries=True the occupancy queries '
                'cannot be left out; predict with occupancy, or train without '
                'that option'
            )
        memory = PrefixMemory(num_image=scene.shape[1])
        return self._run(scene, None, queries, memory), memory

    def read(
        self, memory: PrefixMemory, input_ids: Tensor, valid: Tensor
    ) -> Tensor:
        """Continue each text of a frame by some tokens.

        Args:
            memory (PrefixMemory): From :meth:`remember`; is extended.
            input_ids (Tensor): (B, N, L) int64.
            valid (Tensor): (B, N, L) bool, False on padding.

        Returns:
            Tensor: Hidden states of the new tokens, (B, N, L, D).
        """
        if memory.text_valid is None:
            memory.text_valid = valid
        else:
            memory.text_valid = torch.cat([memory.text_valid, valid], dim=-1)
        num_texts, length = input_ids.shape[1:]
        layout = BlockLayout(
            num_image=0,
            num_segments=num_texts,
            text_length=length,
            memory=memory,
        )
        positions = self._text_positions(memory.num_image, memory.text_valid)
        hidden = self.vlm(
            self.vlm.embed_text(input_ids).flatten(1, 2),
            positions[..., -length:].flatten(1),
            layout,
        )
        return hidden.unflatten(1, (num_texts, length))

    def read_phrases(
        self,
        memory: PrefixMemory,
        contexts: list[Tensor],
        phrases: list[Tensor],
    ) -> Tensor:
        """Read K phrases behind the context of each frame.

        The context is read once, and each phrase continues from it.

        Args:
            memory (PrefixMemory): From :meth:`remember`; is not changed.
            contexts (list[Tensor]): The text of each frame, (L_i,) int64.
            phrases (list[Tensor]): K times (P_i,) int64.

        Returns:
            Tensor: Hidden state before each token of each phrase,
            (B, K, P, D); what stands before padding is not to be read.
        """
        text = TextBatch.one_each(contexts)
        memory = memory.without_text()
        hidden = self.read(memory, text.input_ids, text.valid)[:, 0]
        last = text.valid[:, 0].sum(dim=-1) - 1
        hidden = hidden[torch.arange(len(contexts)), last]  # (B, D)

        number = len(phrases)
        tokens = [phrases] * len(contexts)
        text = TextBatch.pad(tokens, tokens, hidden.device)
        inside = self.read(
            memory.branch(number), text.input_ids, text.valid
        )  # (B, K, P, D)
        first = hidden[:, None, None].expand(-1, number, 1, -1)
        return torch.cat([first, inside[:, :, :-1]], dim=2)

    def text_loss(self, hidden: Tensor, text: TextBatch) -> Tensor:
        """Next-token cross-entropy, L_AR of Eq. 3.

        Args:
            hidden (Tensor): (B, N, L, D).
            text (TextBatch): The texts.
        """
        return next_token_loss(self.vlm, hidden, text)

    def _run(
        self,
        scene: Tensor,
        text: TextBatch | None,
        queries: Tensor | None,
        memory: PrefixMemory | None,
    ) -> BridgeOutput:
        """Run [image | text | queries] through the language model."""
        num_image = scene.shape[1]
        image_positions = torch.arange(num_image, device=scene.device)
        if self.shared_image_position:
            image_positions.zero_()
        image_positions += self.vlm.first_position
        layout = BlockLayout(
            num_image,
            text_sees_queries=self.text_attends_queries,
            query_chunk=self.query_chunk,
            memory=memory,
        )
        embeds = [scene]
        positions = [image_positions.expand(len(scene), -1)]
        if text is not None:
            layout.num_segments, layout.text_length = text.input_ids.shape[1:]
            embeds.append(self.vlm.embed_text(text.input_ids).flatten(1, 2))
            positions.append(
                self._text_positions(num_image, text.valid).flatten(1)
            )
        if queries is not None:
            layout.num_queries = queries.shape[1]
            embeds.append(queries)
            positions.append(
                image_positions.new_full(
                    queries.shape[:2], self.query_position
                )
            )
        hidden = self.vlm(
            torch.cat(embeds, dim=1),
            torch.cat(positions, dim=1),
            layout,
        )
        image, words, occ = hidden.split(layout.sizes, dim=1)
        return BridgeOutput(
            image=image,
            text=None
            if text is None
            else words.unflatten(1, text.input_ids.shape[1:]),
            queries=None if queries is None else occ,
        )

    def _text_positions(self, num_image: int, valid: Tensor) -> Tensor:
        """Return positions (B, N, L) behind the image, without padding."""
        span = 1 if self.shared_image_position else num_image
        offset = self.vlm.first_position + span
        return (valid.cumsum(dim=-1) - 1).clamp(min=0) + offset
