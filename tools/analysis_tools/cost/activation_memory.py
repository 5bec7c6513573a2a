"""Estimates of what a forward pass keeps for the backward pass, in bytes.

Formulas after Korthikanti et al., "Reducing Activation Recomputation in Large
Transformer Models", MLSys 2023, Sec. 4.1, for gated MLPs and a residual stream
in float32. Upper bounds: inputs of frozen layers need not be kept.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor, nn

from cost.pipeline_sizes import image_size, text_size

FLOAT = 4  # bytes of float32
# Of a score: softmax input and output in two bytes, dropout mask in one.
SCORE = 5
# float32 tensors of the size of the logits: themselves, capped, their
# log-softmax and its gradient.
LOGIT_COPIES = 4
# The same of the occupancy logits, which nothing caps.
VOXEL_COPIES = 3


class Part(NamedTuple):
    """What one part of a model keeps.

    Attributes:
        name (str): Of the part.
        kept (int): Bytes.
        formula (str): Where the number comes from.
    """

    name: str
    kept: int
    formula: str


def layer_bytes(
    tokens: int, width: int, mlp: int, scores: int, element: int
) -> int:
    """Kept by one transformer layer.

    Each token keeps two normalised and two residual vectors, queries, keys,
    values and the output of attention, of width D each, and the input, gate,
    up, activation and product of the MLP of width F: (4 x 4 + 5 e) D + 4 e F
    bytes, with e bytes an element.

    Args:
        tokens (int): Of all frames.
        width (int): D.
        mlp (int): F.
        scores (int): Attention scores of all heads; 0 for a fused kernel.
        element (int): e.
    """
    by_token = (4 * FLOAT + 5 * element) * width + 4 * element * mlp
    return tokens * by_token + SCORE * scores


def stack_bytes(
    layers: int, tokens: int, width: int, one_layer: int, recompute: bool
) -> int:
    """Kept by all layers; if recomputed, their inputs and one layer's own."""
    if not recompute:
        return layers * one_layer
    return layers * tokens * width * FLOAT + one_layer


def kept_bytes(module: nn.Module, inputs: Iterable) -> int:
    """What autograd keeps of a forward pass, besides parameters.

    Of blocks that are recomputed (``with_cp``) their inputs count, and the
    largest one as a whole. On the meta device this takes no memory and gives
    the same number.
    """
    blocks = [
        part for part in module.modules() if getattr(part, 'with_cp', False)
    ]
    entered: dict[nn.Module, Tensor] = {}

    def enter(block: nn.Module, given: tuple) -> None:
        if given[0].requires_grad:
            entered[block] = given[0]

    hooks = [block.register_forward_pre_hook(enter) for block in blocks]
    total = autograd_keeps(
        lambda: module(*inputs), module.parameters(), entered
    )
    for hook in hooks:
        hook.remove()
    for block in blocks:
        block.with_cp = False
    largest = max(
        (
            autograd_keeps(
                lambda block=block, given=given: block(given),
                block.parameters(),
            )
            for block, given in entered.items()
        ),
        default=0,
    )
    for block in blocks:
        block.with_cp = True
    return total + largest


def autograd_keeps(
    function: Callable[[], Any],
    parameters: Iterable[nn.Parameter],
    inputs: Mapping[nn.Module, Tensor] | None = None,
) -> int:
    """Bytes that running ``function`` keeps, besides those of parameters.

    Each storage counts once. Inside of gradient checkpointing nothing does.

    Args:
        function (Callable): Runs a model.
        parameters (Iterable[nn.Parameter]): Of that model.
        inputs (Mapping, optional): Filled while ``function`` runs with what
            is kept outside of autograd's sight.
    """
    own = {p.untyped_storage()._cdata for p in parameters}
    kept = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # alive, so that none is reused
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        function()
    for value in (inputs or {}).values():
        keep(value)
    return sum(storage.nbytes() for storage in kept.values())


def estimate_activations(
    cfg: Config, model: nn.Module, batch_size: int
) -> list[Part]:
    """The parts of OccVLA or SparseOccVLA that keep most.

    Not estimated: the sparse encoder, forecaster, planners and losses of
    points, whose sizes depend on the scene.

    Args:
        cfg (Config): Of the model; its training pipeline tells the length of
            texts.
        model (nn.Module): On the meta device.
        batch_size (int): Frames of a process.
    """
    parts = []
    if getattr(model, 'backbone', None) is not None:
        parts.append(_image_backbone(cfg, model, batch_size))
    bridge = getattr(model, 'bridge', None)
    if bridge is not None and _trains(bridge):
        texts, length = text_size(cfg)
        if hasattr(bridge.vlm, 'embed_images'):
            parts += _paligemma(cfg, model, batch_size, texts, length)
        else:
            parts += _causal_lm(cfg, model, batch_size, texts, length)
    head = getattr(model, 'occ_head', None)
    if head is not None and _trains(head):
        parts.append(_occupancy(head, batch_size))
    return parts


def _trains(part: nn.Module) -> bool:
    return any(p.requires_grad for p in part.parameters())


def _image_backbone(cfg: Config, model: nn.Module, batch_size: int) -> Part:
    frames = cfg.model.encoder.num_frames
    count = batch_size * 6 * frames
    images = torch.empty(count, 3, *image_size(cfg), device='meta')

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone, self.neck = model.backbone, model.neck

        def forward(self, x: Tensor) -> list[Tensor]:
            return self.neck(self.backbone(x))

    return Part(
        'backbone and neck',
        kept_bytes(Both(), [images]),
        f'what autograd keeps for {count} images',
    )


def _paligemma(
    cfg: Config, model: nn.Module, batch_size: int, texts: int, length: int
) -> list[Part]:
    vlm = model.bridge.vlm
    element = vlm.dtype.itemsize
    recompute = vlm.gradient_checkpointing
    views = cfg.model.bridge.get('num_views', 6)
    image = views * vlm.tokens_per_side**2
    head = model.occ_head
    queries = 0 if head is None else math.prod(head.query_shape)

    parts = []
    vision, text = vlm.hf.config.vision_config, vlm.hf.config.text_config
    if _trains(vlm.hf.model.vision_tower):
        tokens = batch_size * image
        one = layer_bytes(
            tokens, vision.hidden_size, vision.intermediate_size, 0, element
        )
        parts.append(
            Part(
                'vision tower',
                stack_bytes(
                    vision.num_hidden_layers,
                    tokens,
                    vision.hidden_size,
                    one,
                    recompute,
                ),
                f'{vision.num_hidden_layers} layers, {tokens} tokens',
            )
        )
    # Blocks of scores, as in mmocc/models/layers/block_attention.py.
    area = image**2 + texts * length * (image + length) + queries * image
    capped = text.attn_logit_softcapping is not None
    scores = batch_size * text.num_attention_heads * area if capped else 0
    tokens = batch_size * (image + texts * length + queries)
    parts.append(_decoder(text, tokens, scores, element, recompute))
    parts.append(_logits(text, batch_size * texts * length))
    return parts


def _causal_lm(
    cfg: Config, model: nn.Module, batch_size: int, texts: int, length: int
) -> list[Part]:
    vlm = model.bridge.vlm
    text = vlm.hf.config
    visual = cfg.model.encoder.num_queries + model.bridge.num_global
    tokens = batch_size * (visual + texts * length)
    return [
        _decoder(
            text, tokens, 0, vlm.dtype.itemsize, vlm.gradient_checkpointing
        ),
        _logits(text, batch_size * texts * length),
    ]


def _decoder(
    text: Config, tokens: int, scores: int, element: int, recompute: bool
) -> Part:
    one = layer_bytes(
        tokens, text.hidden_size, text.intermediate_size, scores, element
    )
    kept = stack_bytes(
        text.num_hidden_layers, tokens, text.hidden_size, one, recompute
    )
    how = 'inputs kept, one layer recomputed' if recompute else 'all kept'
    return Part(
        'language model',
        kept,
        f'{text.num_hidden_layers} layers, {tokens} tokens, {how}',
    )


def _logits(text: Config, tokens: int) -> Part:
    return Part(
        'vocabulary',
        tokens * text.vocab_size * FLOAT * LOGIT_COPIES,
        f'{LOGIT_COPIES} copies of the logits, as if each of {tokens} text '
        'tokens were an answer',
    )


def _occupancy(head: nn.Module, batch_size: int) -> Part:
    vqvae = head.vqvae
    latent = torch.empty(batch_size, *vqvae.latent_shape, device='meta')
    sizes = vqvae.level_sizes(vqvae.grid_shape[:2])
    kept = kept_bytes(vqvae.decoder, [latent.requires_grad_(), sizes])
    voxels = batch_size * math.prod(vqvae.grid_shape)
    classes = vqvae.class_embeds.num_embeddings
    return Part(
        'occupancy decoder',
        kept + VOXEL_COPIES * voxels * classes * FLOAT,
        f'what autograd keeps, and {VOXEL_COPIES} copies of the logits',
    )
