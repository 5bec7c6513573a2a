"""Data structures that the parts of mmocc exchange.

``OccDataSample`` is imported when it is first asked for: it brings all of
mmdet3d, which tools that only need a grid or a class name would wait for.
"""

from typing import TYPE_CHECKING

from mmocc.structures.driving_qa import DrivingQA
from mmocc.structures.meta_action import (
    DIRECTIONS,
    META_ACTIONS,
    SPEEDS,
    MetaAction,
    parse_meta_action,
)
from mmocc.structures.occ3d import (
    CAMERAS,
    EGO_STATUS,
    FREE,
    OCC3D_CLASSES,
    OCC3D_PALETTE,
)
from mmocc.structures.occ_grid import OccGrid

if TYPE_CHECKING:
    from mmocc.structures.occ_data_sample import OccDataSample

__all__ = [
    'CAMERAS',
    'DIRECTIONS',
    'EGO_STATUS',
    'FREE',
    'META_ACTIONS',
    'OCC3D_CLASSES',
    'OCC3D_PALETTE',
    'SPEEDS',
    'DrivingQA',
    'MetaAction',
    'OccDataSample',
    'OccGrid',
    'parse_meta_action',
]


def __getattr__(name: str) -> type:
    """Import ``OccDataSample`` on demand (PEP 562)."""
    if name != 'OccDataSample':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from mmocc.structures.occ_data_sample import OccDataSample

    return OccDataSample
