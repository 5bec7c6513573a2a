"""Builds a config's model without data: shapes and types, but no values."""

import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import nn

from mmocc.registry import MODELS

TINY_TOKENIZER = 'mmocc://tiny_tokenizer'


def without_downloads(node: object) -> None:
    """Take random weights and the shipped tokenizer, in place."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == 'tokenizer' and value is not None:
                node[key] = TINY_TOKENIZER
            elif key in ('pretrained', 'init_cfg'):
                node[key] = None
            elif key == 'anchors':
                value['file'] = None
            else:
                without_downloads(value)
    elif isinstance(node, list | tuple):
        for value in node:
            without_downloads(value)


def build_on_meta(cfg: Config) -> nn.Module:
    """The config's model on torch's meta device; nothing is downloaded."""
    init_default_scope(cfg.default_scope)
    without_downloads(cfg.model)
    with torch.device('meta'):
        return MODELS.build(cfg.model).train()
