"""Sizes, FLOPs and times of a config's model."""

from mmocc.projects.Benchmarks.benchmarks.blank_batch import (
    BatchSize,
    batch_size_of,
    blank_batch,
)
from mmocc.projects.Benchmarks.benchmarks.flops import (
    FlopCount,
    count_batch,
    count_flops,
    fill_anchors,
    skip_value_modules,
)
from mmocc.projects.Benchmarks.benchmarks.meta_model import (
    build_on_meta,
    set_forward_only,
    use_random_weights,
)

__all__ = [
    'BatchSize',
    'FlopCount',
    'batch_size_of',
    'blank_batch',
    'build_on_meta',
    'count_batch',
    'count_flops',
    'fill_anchors',
    'set_forward_only',
    'skip_value_modules',
    'use_random_weights',
]
