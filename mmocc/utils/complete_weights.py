"""Check that a checkpoint holds every weight of a model, and load it."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import MMLogger
from torch import Tensor, nn

from mmocc.utils.checkpoint import CheckpointError, weights_of

_SHOWN = 3  # how many weights an error lists
# Counters of batch normalisation; files of other libraries lack them.
_COUNTER = 'num_batches_tracked'


def complete_weights(
    model: nn.Module,
    checkpoint: Mapping[str, Any],
    path: str | os.PathLike,
    may_lack: Sequence[str] = (),
    key: str = 'default_hooks.complete_weights.may_lack',
) -> dict[str, Tensor]:
    """Return the weights of a checkpoint after checking that none is missing.

    A weight that the model ties to another one, such as a language model's
    head to its embedding, is taken from that one where the file leaves it
    out.

    Args:
        model (nn.Module): The model.
        checkpoint (Mapping[str, Any]): As ``weights_of`` takes it.
        path (str | os.PathLike): Where it is from, for the error.
        may_lack (Sequence[str]): Beginnings of names that may be missing.
            Defaults to ().
        key (str): The config key that says so, for the error. Defaults to
            that of the hook.

    Returns:
        dict[str, Tensor]: By name, those that the model does not have too.

    Raises:
        CheckpointError: If it lacks a weight of the model, has it in another
            shape, or holds values that are not finite.
    """
    weights = weights_of(checkpoint)
    own = model.state_dict(keep_vars=True)  # tied names share an object
    twins: dict[int, list[str]] = {}
    for name, value in own.items():
        twins.setdefault(id(value), []).append(name)
    for names in twins.values():
        known = [name for name in names if name in weights]
        for name in names if known else ():
            if own[name].shape == own[known[0]].shape:
                weights.setdefault(name, weights[known[0]])
    missing = [
        name
        for name in own
        if name not in weights
        and not name.startswith(tuple(may_lack))
        and not name.endswith(_COUNTER)
    ]
    misshapen = [
        f'{name} {tuple(weights[name].shape)} for {tuple(value.shape)}'
        for name, value in own.items()
        if name in weights and weights[name].shape != value.shape
    ]
    require_finite({n: weights[n] for n in own if n in weights}, str(path))
    for what, names in (
        ('lacks', missing),
        ('has in another shape', misshapen),
    ):
        if names:
            raise CheckpointError(
                f'{path} {what} {len(names)} of the {len(own)} weights of the '
                f'{type(model).__name__} that the config describes: '
                f'{listed(names)}; expected a checkpoint of this very config '
                '(for an earlier stage, use the config of that stage; what a '
                f'training may start without is listed in {key})'
            )
    return weights


def load_complete_weights(
    model: nn.Module,
    checkpoint: Mapping[str, Any],
    path: str | os.PathLike,
    may_lack: Sequence[str] = (),
    key: str = 'default_hooks.complete_weights.may_lack',
) -> None:
    """Load a checkpoint into a model that it fills.

    Weights of parts that the model does not have are ignored with a warning,
    so a checkpoint of stage 3 serves a config of stage 2.

    Args:
        model (nn.Module): The model.
        checkpoint (Mapping[str, Any]): See ``complete_weights``, as are the
            others.
        path (str | os.PathLike): See there.
        may_lack (Sequence[str]): See there.
        key (str): See there.

    Raises:
        CheckpointError: See there.
    """
    weights = complete_weights(model, checkpoint, path, may_lack, key)
    # What is missing has been judged.
    extra = model.load_state_dict(weights, strict=False).unexpected_keys
    if extra:
        MMLogger.get_current_instance().warning(
            f'{path} has {len(extra)} weights of parts that '
            f'{type(model).__name__} does not have, they are left out: '
            f'{listed(sorted(extra))}'
        )


def require_finite(weights: Mapping[str, Tensor], path: str) -> None:
    """Refuse weights that are not finite.

    Args:
        weights (Mapping[str, Tensor]): By name.
        path (str): Where they are from, for the error.

    Raises:
        CheckpointError: If a value is NaN or infinite.
    """
    broken = [
        name for name, value in weights.items() if not value.isfinite().all()
    ]
    if broken:
        raise CheckpointError(
            f'{path} holds values that are not finite in {len(broken)} '
            f'weights: {listed(broken)}; the training that wrote it was lost, '
            'so take an earlier checkpoint'
        )


def listed(names: Sequence[str]) -> str:
    """Join the first few of many names."""
    more = ', ...' if len(names) > _SHOWN else ''
    return ', '.join(names[:_SHOWN]) + more
