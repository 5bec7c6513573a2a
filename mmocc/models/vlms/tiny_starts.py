"""First values with which a tiny random Gemma learns within minutes.

Ours; weights of a checkpoint need none of this.
"""

import torch
from torch import nn


@torch.no_grad()
def tie_query_key(
    language_model: nn.Module, gain: float, num_heads: int | None
) -> None:
    """Start key projections like query projections: W_q *= gain, W_k = W_q.

    Tokens with like codes then attend to each other from the first step.

    Args:
        language_model (nn.Module): Gemma's decoder; changed in place.
        gain (float): Factor on the query projections.
        num_heads (int or None): Number of heads of each layer that start so.
            None for all.

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
        # Weights are (heads * head_dim, D).
        rows = slice(num_heads and num_heads * layer.self_attn.head_dim)
        query.weight[rows] *= gain
        key.weight[rows] = query.weight[rows]


@torch.no_grad()
def scale_sublayers(language_model: nn.Module, gain: float) -> None:
    """Let both sublayers of each layer start at ``gain`` times unit scale.

    Gemma 2 normalises what a sublayer adds to the residual stream to unit
    scale, which at once drowns what tokens carry.

    Args:
        language_model (nn.Module): Gemma 2's decoder; changed in place.
        gain (float): Scale at the start.

    Raises:
        ValueError: If the layers do not normalise what they add (Gemma 1).
    """
    for layer in language_model.layers:
        if not hasattr(layer, 'post_feedforward_layernorm'):
            raise ValueError(
                'vlm.sublayer_gain scales the norms behind sublayers, which a '
                f'{type(layer).__name__} does not have; drop sublayer_gain, '
                'or take a Gemma 2'
            )
        for norm in (
            layer.post_attention_layernorm,
            layer.post_feedforward_layernorm,
        ):
            norm.weight.fill_(gain - 1)  # Gemma's norms multiply by 1 + w
