"""Models and tokenizers that a config names: where they are, what is whole."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmocc.utils.checkpoint import CheckpointError
from mmocc.utils.complete_weights import listed, require_finite

ASSET_SCHEME = 'mmocc://'
_ASSETS = Path(__file__).resolve().parent.parent / 'assets'


def resolve_pretrained(name_or_path: str) -> str:
    """Turn a config's name of a model or tokenizer into what loaders take.

    Three forms are understood: ``mmocc://NAME`` is a folder that ships with
    mmocc, a path (it holds a separator at its start, as in ``./x``, ``../x``,
    ``/x`` or ``~/x``, or it exists) is a local folder, and everything else is
    a checkpoint id, ``OWNER/NAME``, left to Hugging Face.

    Args:
        name_or_path (str): The value of the config key.

    Returns:
        str: An existing local folder or a checkpoint id.

    Raises:
        FileNotFoundError: If a folder is meant and it is not there.
    """
    if name_or_path.startswith(ASSET_SCHEME):
        folder = _ASSETS / name_or_path[len(ASSET_SCHEME) :]
        shipped = sorted(p.name for p in _ASSETS.iterdir() if p.is_dir())
        way_out = f'mmocc ships {shipped}'
    else:
        folder = Path(name_or_path).expanduser()
        looks_local = name_or_path.startswith(('.', '/', '~'))
        if not looks_local and not folder.exists():
            return name_or_path
        way_out = (
            'correct the path in the config, or give a checkpoint id such as '
            'google/paligemma2-3b-pt-224'
        )
    if not folder.is_dir():
        raise FileNotFoundError(
            f'the config names the weight folder {name_or_path!r}, which is '
            f'not a folder here ({folder}); {way_out}'
        )
    return str(folder)


def load_pretrained(
    kind: type, name_or_path: str, key: str, **options: Any
) -> nn.Module:
    """Load a model of Hugging Face that its checkpoint fills.

    transformers only warns of missing weights and draws them at random.

    Args:
        kind (type): Its class in transformers, or an ``AutoModel``.
        name_or_path (str): As for ``resolve_pretrained``.
        key (str): The config key, for errors.
        options (Any): More arguments of ``from_pretrained``.

    Returns:
        nn.Module: The model. No code of the checkpoint is run.

    Raises:
        FileNotFoundError: If a folder is meant and it is not there.
        CheckpointError: If a weight is missing or not finite.
    """
    model, found = kind.from_pretrained(
        resolve_pretrained(name_or_path),
        output_loading_info=True,
        trust_remote_code=False,
        **options,
    )
    missing = sorted(found['missing_keys'])
    if missing:
        raise CheckpointError(
            f'{key} is {name_or_path!r}, which lacks {len(missing)} weights '
            f'of {type(model).__name__}: {listed(missing)}; part of it would '
            'be random; copy the whole checkpoint, or name another one'
        )
    require_finite(dict(model.named_parameters()), name_or_path)
    return model


def arithmetic_type(name: str, key: str) -> torch.dtype:
    """Turn the name of a floating point type in a config into the type.

    Args:
        name (str): Such as 'bfloat16'.
        key (str): The config key, for the error.

    Raises:
        ValueError: If it names none that weights can train in.
    """
    known = ('float32', 'bfloat16', 'float16', 'float64')
    if name not in known:
        raise ValueError(f'{key} is {name!r}, expected one of {known}')
    return getattr(torch, name)
