"""PaliGemma and PaliGemma 2 of Hugging Face with attention by blocks.

The vision tower and the projector turn images into tokens, and the language
model runs over embeddings that a bridge packs. Attention goes through
:func:`~mmocc.models.layers.block_attention.block_attention`, which is
registered with transformers' own attention interface.

Unusual here:

* transformers >= 5.4 scales the embeddings of text inside the embedding
  layer. Image tokens and occupancy queries are not scaled at all.
* The soft cap of Gemma 2's attention scores is kept in every block;
  transformers' fused kernels would drop it.
* Layers with a sliding window see everything, which is the same as long as
  the sequence fits the window (4096 tokens in PaliGemma 2). Longer sequences
  are refused.
"""

from collections.abc import Sequence
from typing import Any

from mmengine.config import ConfigDict
from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
)

from mmocc.models.layers.block_attention import block_attention
from mmocc.models.layers.block_layout import BlockLayout
from mmocc.models.vlms.adapters import DecoderAdapters
from mmocc.models.vlms.hugging_face_lm import HuggingFaceLM
from mmocc.models.vlms.tiny_starts import scale_sublayers, tie_query_key
from mmocc.registry import MODELS
from mmocc.utils.pretrained import arithmetic_type, load_pretrained

ATTENTION = 'mmocc_block'
PARTS = ('vision_tower', 'multi_modal_projector', 'language_model')


def _attention_for_transformers(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    layout: BlockLayout,
    scaling: float,
    softcap: float | None = None,
    **unused: Any,
) -> tuple[Tensor, None]:
    """Call ``block_attention`` with the signature of transformers.

    ``unused`` takes what the interface passes to every kernel (dropout, the
    sliding window, ...) and this one does not need.
    """
    out = block_attention(
        query, key, value, layout, module.layer_idx, scaling, softcap
    )  # (B, heads, L, head_dim)
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, _attention_for_transformers)


@MODELS.register_module()
class PaliGemma(HuggingFaceLM):
    """PaliGemma or PaliGemma 2, whose language model reads packed blocks.

    OccVLA (Sec. 4.1) takes PaliGemma2-3B at 224 px ("PaliGemma 2: A Family of
    Versatile VLMs for Transfer", arXiv 2412.03555).

    B frames, V cameras, L tokens of a packed sequence of width D.

    Args:
        pretrained (str, optional): Checkpoint id or local folder. None builds
            random weights from ``config``.
        config (dict, optional): ``PaliGemmaConfig`` as a dict
            (``text_config``, ``vision_config``, ...); used, and needed, only
            where ``pretrained`` is None.
        dtype (str): Type of the arithmetic and of frozen weights, such as
            'bfloat16'. Weights that train, adapters and the residual stream
            stay in float32. Defaults to 'float32'.
        adapter (dict, optional): ``bottleneck_dims`` and ``sublayers`` of
            :class:`DecoderAdapters`. Defaults to None, no adapters.
        lora (dict, optional): Arguments of ``peft.LoraConfig``, applied to
            the language model alone. Defaults to None.
        frozen (Sequence[str]): Parts that are not trained, out of
            ``PARTS``; adapters and LoRA always are. Defaults to ().
        tied_qk_gain (float, optional): Factor of :func:`tie_query_key`, for
            random weights of tiny models. Defaults to None, not tied.
        tied_qk_heads (int, optional): Number of heads of each layer that
            start so. Defaults to None, all.
        sublayer_gain (float, optional): Scale of :func:`scale_sublayers`, for
            random weights of tiny models. Defaults to None, unchanged.
        gradient_checkpointing (bool): Whether to recompute layers in the
            backward pass. Defaults to False.

    Raises:
        CheckpointError: If the checkpoint lacks weights.
        ValueError: If there is nothing to build from, or a name is unknown.
    """

    # PaliGemma counts positions from 1.
    first_position = 1

    def __init__(
        self,
        pretrained: str | None = None,
        config: dict | None = None,
        dtype: str = 'float32',
        adapter: dict | None = None,
        lora: dict | None = None,
        frozen: Sequence[str] = (),
        tied_qk_gain: float | None = None,
        tied_qk_heads: int | None = None,
        sublayer_gain: float | None = None,
        gradient_checkpointing: bool = False,
    ) -> None:
        arithmetic = arithmetic_type(dtype, 'vlm.dtype')
        kernels = {'text_config': ATTENTION, 'vision_config': 'sdpa'}
        if pretrained is not None:
            hf = load_pretrained(
                PaliGemmaForConditionalGeneration,
                pretrained,
                'vlm.pretrained',
                dtype=arithmetic,
                attn_implementation=kernels,
            )
        elif config is not None:
            hf = PaliGemmaForConditionalGeneration._from_config(
                PaliGemmaConfig(**ConfigDict(config).to_dict()),
                dtype=arithmetic,
                attn_implementation=kernels,
            )
        else:
            raise ValueError(
                'PaliGemma got neither vlm.pretrained nor vlm.config; name a '
                'checkpoint, or give a config dict for random weights'
            )
        super().__init__(hf, arithmetic)
        if tied_qk_gain is not None:
            tie_query_key(self.decoder, tied_qk_gain, tied_qk_heads)
        if sublayer_gain is not None:
            scale_sublayers(self.decoder, sublayer_gain)

        self._freeze(frozen)
        self.adapters = None
        if adapter is not None:
            self.adapters = DecoderAdapters(
                self.decoder.layers, self.embed_dims, **adapter
            )
        if lora is not None:
            self.add_lora(ConfigDict(lora).to_dict())
        self.prepare_training(gradient_checkpointing)

    def _freeze(self, parts: Sequence[str]) -> None:
        for name in parts:
            if name not in PARTS:
                raise ValueError(
                    f'vlm.frozen names {name!r}; the parts are {PARTS}'
                )
            getattr(self.hf.model, name).requires_grad_(False)

    @property
    def language_model(self) -> nn.Module:
        """Language model without its vocabulary head."""
        return self.hf.model.language_model

    decoder = language_model

    @property
    def image_size(self) -> int:
        """Height and width of an input image in pixels."""
        return self.hf.config.vision_config.image_size

    @property
    def tokens_per_side(self) -> int:
        """Number of patches along each side of an image."""
        vision = self.hf.config.vision_config
        return vision.image_size // vision.patch_size

    def embed_images(self, imgs: Tensor) -> Tensor:
        """Encode the images of V cameras into tokens of the language model.

        Args:
            imgs (Tensor): (B, V, 3, H, W), normalised.

        Returns:
            Tensor: (B, V * tokens_per_side ** 2, D) float32, camera by
            camera, row by row.

        Raises:
            ValueError: If the images do not have the model's size.
        """
        expected = (3, self.image_size, self.image_size)
        if imgs.dim() != 5 or tuple(imgs.shape[2:]) != expected:
            raise ValueError(
                f'expected images of shape (B, V, {expected}), got '
                f'{tuple(imgs.shape)}; resize them in the pipeline '
                '(image_size in the config)'
            )
        with self.arithmetic(imgs.device):
            features = self.hf.model.get_image_features(imgs.flatten(0, 1))
        tokens = features.pooler_output.float()  # (B * V, patches, D)
        return tokens.unflatten(0, imgs.shape[:2]).flatten(1, 2)

    def forward(
        self, embeds: Tensor, positions: Tensor, layout: BlockLayout
    ) -> Tensor:
        """Turn a packed sequence of embeddings into hidden states.

        Args:
            embeds (Tensor): (B, L, D), in the order of ``layout``.
            positions (Tensor): (B, L) or (1, L) int64 rotary positions.
            layout (BlockLayout): Lengths of the blocks of the sequence.

        Returns:
            Tensor: (B, L, D), normalised last hidden states.

        Raises:
            ValueError: If the sequence is longer than the sliding window.
        """
        window = getattr(self.text_config, 'sliding_window', None)
        if window is not None and int(positions.max()) >= window:
            raise ValueError(
                f'the last token stands at position {int(positions.max())}, '
                f'beyond the sliding window of {window}; use fewer cameras, '
                'fewer pixels or shorter texts'
            )
        # `layout` takes the place of masks: Gemma 2 asks for one mask of each
        # kind of layer, Gemma 1 makes none for a kernel that is not its own.
        masks = {'full_attention': None, 'sliding_attention': None}
        with self.arithmetic(embeds.device):
            out = self.language_model(
                inputs_embeds=embeds,
                position_ids=positions,
                attention_mask=masks,
                use_cache=False,
                layout=layout,
            )
        return out.last_hidden_state
