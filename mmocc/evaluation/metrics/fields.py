"""Read fields of data samples, which reach a metric as dicts.

mmengine's evaluator turns an ``OccDataSample`` into nested dicts keyed by the
public names (``gt_occ``, not ``_gt_occ``); stand-alone callers may pass the
sample itself. Both are read here.
"""

from collections.abc import Mapping
from typing import Any

from mmengine.structures import BaseDataElement

Sample = Mapping[str, Any] | BaseDataElement


def find(sample: Sample, field: str, key: str) -> Any | None:
    """Return ``sample.<field>.<key>``, None where it is missing."""
    element = sample.get(field)
    return None if element is None else element.get(key)


def require(sample: Sample, field: str, key: str, remedy: str) -> Any:
    """Return ``sample.<field>.<key>``, or raise an error with ``remedy``."""
    value = find(sample, field, key)
    if value is None:
        raise ValueError(f'"{field}.{key}" is missing; {remedy}')
    return value
