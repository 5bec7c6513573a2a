"""Build a config's model on torch's meta device: shapes, but no values."""

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmocc.registry import MODELS

TINY_TOKENIZER = 'mmocc://tiny_tokenizer'
# These change no FLOPs of a forward pass, but the meta device knows no
# bfloat16 autocast, and torch's counter no gradients that start at an input.
FORWARD_ONLY = dict(dtype='float32', gradient_checkpointing=False)


def use_random_weights(node: object) -> None:
    """Remove checkpoints and downloads from a config, in place.

    Pretrained weights and anchor files become None, and tokenizers the one
    that is shipped with mmocc.

    Args:
        node (object): A config, or any dictionary or list inside of one.
    """
    if isinstance(node, dict):
        for key, value in node.items():
            if key == 'tokenizer' and value is not None:
                node[key] = TINY_TOKENIZER
            elif key in ('pretrained', 'init_cfg'):
                node[key] = None
            elif key == 'anchors':
                value['file'] = None
            else:
                use_random_weights(value)
    elif isinstance(node, list | tuple):
        for value in node:
            use_random_weights(value)


def set_forward_only(node: object) -> None:
    """Set the options of ``FORWARD_ONLY`` in a model's config, in place."""
    if isinstance(node, dict):
        node.update({k: v for k, v in FORWARD_ONLY.items() if k in node})
        for value in node.values():
            set_forward_only(value)
    elif isinstance(node, list | tuple):
        for value in node:
            set_forward_only(value)


def build_on_meta(cfg: Config) -> nn.Module:
    """Build a config's model on the meta device, without any download.

    Args:
        cfg (Config): Config of a model; its ``model`` is changed in place.

    Returns:
        nn.Module: The model in training mode; a model of billions of weights
        takes seconds and no memory.
    """
    init_default_scope(cfg.default_scope)
    use_random_weights(cfg.model)
    with torch.device('meta'):
        return MODELS.build(cfg.model).train()
