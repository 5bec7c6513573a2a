"""Models and their parts. Importing this package registers all of them.

Parts get their first values when they are built: a part that was only built
and one whose ``init_weights`` was called hold the same weights. ``init_cfg``,
where a part takes it, changes them in ``init_weights`` as in mmengine.
Language models and CLIP keep what transformers drew or loaded.
"""

from mmocc.models import (
    bridges,
    detectors,
    layers,
    losses,
    occ_heads,
    planners,
    vlms,
)

__all__ = [
    'bridges',
    'detectors',
    'layers',
    'losses',
    'occ_heads',
    'planners',
    'vlms',
]
