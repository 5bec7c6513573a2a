"""Importing this package registers every model of mmocc."""

from mmocc.models import (
    bridges,
    detectors,
    encoders,
    forecasters,
    layers,
    losses,
    occ_heads,
    planners,
    vlms,
)

__all__ = [
    'bridges',
    'detectors',
    'encoders',
    'forecasters',
    'layers',
    'losses',
    'occ_heads',
    'planners',
    'vlms',
]
