from mmocc_testing.anchors import make_anchor_set, straight_anchors
from mmocc_testing.samples import (
    BOX_CATEGORIES,
    make_occ_info,
    wrap_infos,
    write_tiny_dataset,
)

__all__ = [
    'BOX_CATEGORIES',
    'make_anchor_set',
    'make_occ_info',
    'straight_anchors',
    'wrap_infos',
    'write_tiny_dataset',
]
