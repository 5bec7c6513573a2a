"""Refuses a part that does not fit before any weight is made.

mmengine builds a part from its config and finds out at the first call what
it lacks. A language model takes minutes to load, so its class is compared
with a protocol first, and a planner is built without values to ask what it
reads.
"""

import copy
from collections.abc import Collection, Mapping
from typing import Any

import torch
from mmengine.logging import MMLogger

from mmocc.registry import MODELS
from mmocc.structures.protocols import missing_members


def require_part(config: Mapping | None, protocol: type, key: str) -> None:
    """Compare the class that a config names with a protocol.

    Args:
        config (Mapping, optional): Config of the part; None passes, as does
            a ``type`` that the registry does not know, which it refuses by
            itself.
        protocol (type): Of :mod:`mmocc.structures.protocols`.
        key (str): Config key of the part, such as ``model.bridge.vlm``.

    Raises:
        ValueError: If the class lacks a method or an attribute; names those
            registered classes that have all of them.
    """
    cls = None if config is None else class_of(config)
    if cls is None:
        return
    lacking = missing_members(cls, protocol)
    if lacking:
        raise ValueError(
            f'{key} is {cls.__name__}, which lacks {", ".join(lacking)} of '
            f'{protocol.__name__} (mmocc/structures/protocols.py); registered '
            f'parts that fit: {_fitting(protocol) or "none"}'
        )


def require_features(
    config: Mapping | None, provided: Collection[str], key: str, model: str
) -> None:
    """Compare what a planner or forecaster reads with what a model gives.

    Where ``reads`` depends on the config, the part is built on the meta
    device, without values and without a step of the random numbers.

    Args:
        config (Mapping, optional): Config of the part; None passes.
        provided (Collection[str]): Fields of ``SceneFeatures`` that the model
            fills.
        key (str): Config key of the part, such as ``model.planner``.
        model (str): Name of the model, for the message.

    Raises:
        ValueError: If the part reads anything else.
    """
    if config is None:
        return
    reads = getattr(class_of(config), 'reads', None)
    if not isinstance(reads, Collection):  # a property
        reads = build_without_values(config).reads
    lacking = [name for name in reads if name not in provided]
    if not lacking:
        return
    if isinstance(reads, Mapping):
        lacking = [f'{name} ({reads[name]})' for name in lacking]
    raise ValueError(
        f'{key} is {config["type"]}, which reads {"; ".join(lacking)}, but '
        f'this {model} gives {", ".join(sorted(provided)) or "nothing"}; '
        'switch these inputs off, or give the model the part that they come '
        'from'
    )


def class_of(config: Mapping) -> type | None:
    """Return the class that a config names, None if it is not registered."""
    kind = config.get('type')
    return MODELS.get(kind) if isinstance(kind, str) else kind


def build_without_values(config: Mapping) -> Any:
    """Build a part on the meta device, silently and without random numbers."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('ERROR')  # it is announced when it is built in earnest
    try:
        with torch.random.fork_rng(devices=[]), torch.device('meta'):
            return MODELS.build(copy.deepcopy(config))
    finally:
        logger.setLevel(level)


def require_token_width(
    vlm_dims: int, parts: Mapping[str, Mapping | None]
) -> None:
    """Compare parts that read tokens with the width of the language model.

    A class names the config key that holds this width in its attribute
    ``token_width_key``; a class without the attribute is not checked.

    Args:
        vlm_dims (int): Width of the language model.
        parts (Mapping): By name, the config of a part, or None without it.

    Raises:
        ValueError: If one of them differs.
    """
    for name, part in parts.items():
        if part is None:
            continue
        key = getattr(class_of(part), 'token_width_key', None)
        if key is not None and part.get(key, vlm_dims) != vlm_dims:
            raise ValueError(
                f'model.{name}.{key} is {part[key]}, but the language model '
                f'of model.bridge.vlm is {vlm_dims} wide; set it to '
                f'{vlm_dims}'
            )


def _fitting(protocol: type) -> str:
    """Names of our registered classes that satisfy a protocol."""
    return ', '.join(
        sorted(
            name
            for name, cls in MODELS.module_dict.items()
            if isinstance(cls, type) and not missing_members(cls, protocol)
        )
    )
