"""PaliGemma and PaliGemma 2 as Hugging Face ships them, seen by blocks.

The model is composed, never patched: the vision tower and the projector make
image tokens, the language model runs over embeddings that a bridge packs, and
attention goes through :func:`~mmocc.models.layers.block_attention.
block_attention`, registered with transformers' own attention interface.

Unusual here:

* Embeddings of text are scaled by transformers >= 5.4 inside the embedding
  layer, image tokens and occupancy queries are not scaled at all.
* Soft-capping of Gemma 2 is kept in every block (transformers' fused kernels
  would drop it).
* Sliding-window layers see everything, which is the same thing as long as the
  sequence fits the window (4096 tokens for PaliGemma 2); longer ones are
  refused.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseModule
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from transformers import (
    AttentionInterface,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
)

from mmocc.models.layers.block_attention import BlockLayout, block_attention
from mmocc.models.vlms.adapters import DecoderAdapters
from mmocc.models.vlms.recomputing import recompute_layers
from mmocc.registry import MODELS
from mmocc.utils.pretrained import resolve_pretrained

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
    """``block_attention`` with the signature transformers calls.

    ``unused`` takes what the interface passes to every kernel (dropout, the
    sliding window, ...) and this one has no use for.
    """
    out = block_attention(
        query, key, value, layout, module.layer_idx, scaling, softcap
    )
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register(ATTENTION, _attention_for_transformers)


@MODELS.register_module()
class PaliGemma(BaseModule):
    """A PaliGemma model whose language layers run over packed blocks.

    Paper: OccVLA Sec. 4.1 takes PaliGemma2-3B at 224 px; "PaliGemma 2: A
    Family of Versatile VLMs for Transfer", arXiv 2412.03555.

    Args:
        pretrained (str, optional): Checkpoint id or local folder. None builds
            random weights from ``config``.
        config (dict, optional): ``PaliGemmaConfig`` as a dict
            (``text_config``, ``vision_config``, ...); used, and needed, only
            where ``pretrained`` is None.
        dtype (str): Of the arithmetic and of frozen weights; weights that
            train, adapters and the residual stream stay in float32. Defaults
            to 'float32'.
        adapter (dict, optional): ``bottleneck_dims`` and ``sublayers`` of
            :class:`DecoderAdapters`. Defaults to None, no adapters.
        lora (dict, optional): Arguments of ``peft.LoraConfig``, applied to
            the language model alone. Defaults to None.
        frozen (Sequence[str]): Parts that get no gradient steps, out of
            ``PARTS``. Adapters and LoRA are never frozen by it.
        tied_qk_gain (float, optional): For random weights only: start the key
            projections as this multiple of the query projections, and scale
            these likewise, so that tokens with like codes attend to each
            other from the start. Ours, for tiny models.
        tied_qk_heads (int, optional): How many heads of each layer start so.
            Defaults to None, all.
        sublayer_gain (float, optional): For random weights only: scale of
            what a sublayer adds to the residual stream at the start. Gemma 2
            normalises it to 1, which at once drowns what tokens carry. Ours,
            for tiny models.
        gradient_checkpointing (bool): Recompute layers in the backward pass
            (non-reentrant). Defaults to False.
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
        super().__init__()
        self.dtype = getattr(torch, dtype)
        kernels = {'text_config': ATTENTION, 'vision_config': 'sdpa'}
        if pretrained is not None:
            self.hf = PaliGemmaForConditionalGeneration.from_pretrained(
                resolve_pretrained(pretrained),
                dtype=self.dtype,
                attn_implementation=kernels,
            )
        elif config is not None:
            self.hf = PaliGemmaForConditionalGeneration._from_config(
                PaliGemmaConfig(**_plain(config)),
                dtype=self.dtype,
                attn_implementation=kernels,
            )
        else:
            raise ValueError(
                'PaliGemma got neither vlm.pretrained nor vlm.config; name a '
                'checkpoint, or give a config dict for random weights'
            )
        if tied_qk_gain is not None:
            _tie_query_key(self.language_model, tied_qk_gain, tied_qk_heads)
        if sublayer_gain is not None:
            _scale_sublayers(self.language_model, sublayer_gain)

        self._freeze(frozen)
        self.adapters = None
        if adapter is not None:
            self.adapters = DecoderAdapters(
                self.language_model.layers, self.embed_dims, **adapter
            )
        if lora is not None:
            inject_adapter_in_model(
                LoraConfig(**_plain(lora)), self.language_model
            )
        for parameter in self.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()
        self.gradient_checkpointing = gradient_checkpointing
        if gradient_checkpointing:
            recompute_layers(self.hf)

    def init_weights(self) -> None:
        """Do nothing: transformers has set or loaded every weight.

        mmengine would otherwise call the Hugging Face model's own
        ``init_weights`` and draw anew.
        """

    def _arithmetic(self, device: torch.device) -> torch.autocast:
        """The context in which matrices are multiplied in ``dtype``."""
        return torch.autocast(
            device.type, self.dtype, enabled=self.dtype != torch.float32
        )

    def _freeze(self, parts: Sequence[str]) -> None:
        for name in parts:
            if name not in PARTS:
                raise ValueError(
                    f'vlm.frozen names {name!r}; the parts are {PARTS}'
                )
            getattr(self.hf.model, name).requires_grad_(False)

    @property
    def language_model(self) -> nn.Module:
        """The decoder, without its head."""
        return self.hf.model.language_model

    @property
    def embed_dims(self) -> int:
        """Width of the language model, D."""
        return self.hf.config.text_config.hidden_size

    @property
    def image_size(self) -> int:
        """Height and width in pixels that the vision tower takes."""
        return self.hf.config.vision_config.image_size

    @property
    def tokens_per_side(self) -> int:
        """Patches along each side of an image; their square is a view."""
        vision = self.hf.config.vision_config
        return vision.image_size // vision.patch_size

    def embed_images(self, imgs: Tensor) -> Tensor:
        """Encode all cameras of each frame.

        Args:
            imgs (Tensor): (B, V, 3, H, W), normalised.

        Returns:
            Tensor: (B, V * tokens_per_side ** 2, D), camera by camera, row
            by row.

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
        with self._arithmetic(imgs.device):
            features = self.hf.model.get_image_features(imgs.flatten(0, 1))
        tokens = features.pooler_output.float()
        return tokens.unflatten(0, imgs.shape[:2]).flatten(1, 2)

    def embed_text(self, input_ids: Tensor) -> Tensor:
        """Embed token ids (...,) as (..., D)."""
        return self.language_model.get_input_embeddings()(input_ids).float()

    def forward(
        self, embeds: Tensor, positions: Tensor, layout: BlockLayout
    ) -> Tensor:
        """Run the decoder over a packed sequence.

        Args:
            embeds (Tensor): (B, L, D), in the order of ``layout``.
            positions (Tensor): (B, L) or (1, L) int64 rotary positions.
            layout (BlockLayout): What the sequence holds.

        Returns:
            Tensor: Normalised last hidden states, (B, L, D).

        Raises:
            ValueError: If the sequence is longer than the sliding window.
        """
        window = getattr(self.hf.config.text_config, 'sliding_window', None)
        if window is not None and int(positions.max()) >= window:
            raise ValueError(
                f'the last token stands at position {int(positions.max())}, '
                f'beyond the sliding window of {window}; use fewer cameras, '
                'fewer pixels or shorter texts'
            )
        masks = {'full_attention': None, 'sliding_attention': None}
        with self._arithmetic(embeds.device):
            out = self.language_model(
                inputs_embeds=embeds,
                position_ids=positions,
                attention_mask=masks,
                use_cache=False,
                layout=layout,
            )
        return out.last_hidden_state

    def logits(
        self, hidden: Tensor, vocabulary: Tensor | None = None
    ) -> Tensor:
        """Capped vocabulary logits of hidden states.

        Args:
            hidden (Tensor): (..., D).
            vocabulary (Tensor, optional): (n,) ids; only their logits are
                computed. Defaults to None, all V.

        Returns:
            Tensor: (..., V) or (..., n).
        """
        weight = self.hf.lm_head.weight
        if vocabulary is not None:
            weight = weight[vocabulary]
        with self._arithmetic(hidden.device):
            logits = hidden @ weight.t()
        logits = logits.float()
        cap = self.hf.config.text_config.final_logit_softcapping
        return logits if cap is None else torch.tanh(logits / cap) * cap


def _plain(config: dict) -> dict:
    """mmengine's ConfigDict as plain dicts, which transformers expects."""
    return {
        key: _plain(value) if isinstance(value, dict) else value
        for key, value in config.items()
    }


@torch.no_grad()
def _tie_query_key(
    language_model: nn.Module, gain: float, num_heads: int | None
) -> None:
    """Set W_q *= gain and W_k = W_q in the first heads of all layers.

    Raises:
        ValueError: If heads share keys, so that the shapes differ.
    """
    for layer in language_model.layers:
        query, key = layer.self_attn.q_proj, layer.self_attn.k_proj
        if query.weight.shape != key.weight.shape:
            raise ValueError(
                'vlm.tied_qk_gain needs as many key heads as query heads, got '
                f'projections of {tuple(key.weight.shape)} and '
                f'{tuple(query.weight.shape)}; set num_key_value_heads = '
                'num_attention_heads or drop tied_qk_gain'
            )
        rows = slice(num_heads and num_heads * layer.self_attn.head_dim)
        query.weight[rows] *= gain
        key.weight[rows] = query.weight[rows]


@torch.no_grad()
def _scale_sublayers(language_model: nn.Module, gain: float) -> None:
    """Let both sublayers of each layer start at ``gain`` times unit scale."""
    for layer in language_model.layers:
        for norm in (
            layer.post_attention_layernorm,
            layer.post_feedforward_layernorm,
        ):
            norm.weight.fill_(gain - 1)  # Gemma's norms multiply by 1 + w
