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
from mmocc.structures.occ_data_sample import OccDataSample
from mmocc.structures.occ_grid import OccGrid

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
