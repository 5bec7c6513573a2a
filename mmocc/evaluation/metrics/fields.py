"""Reading data samples, which reach a metric as dicts.

mmengine's evaluator turns an ``OccDataSample`` into nested dicts keyed by the
public names (``gt_occ``, not ``_gt_occ``); stand-alone callers may pass the
sample itself. Both are read here.
"""

from collections.abc import Mapping
from typing import Any

from mmengine.structures import BaseDataElement

Sample = Mapping[str, Any] | BaseDataElement


def find(sample: Sample, field: str, key: str) -> Any | None:
    """``sample.<field>.<key>``, or None where there is no such thing."""
    element = sample.get(field)
    return None if element is None else element.get(key)


def require(sample: Sample, field: str, key: str, remedy: str) -> Any:
    """``sample.<field>.<key>``, or an error that ends in ``remedy``."""
    value = find(sample, field, key)
    if value is None:
        raise ValueError(f'"{field}.{key}" is missing; {remedy}')
    return value
