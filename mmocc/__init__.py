"""mmocc: occupancy vision-language-action models for MMDetection3D."""

import warnings

from mmocc.version import __version__

# mmdet3d imports spconv, whose 2.3 calls deprecated names of torch at import:
# eight warnings that no user can act on. Appended, so that -W has its say.
warnings.filterwarnings(
    'ignore',
    message=r'`torch\.cuda\.amp\.custom_(fwd|bwd)',
    category=FutureWarning,
    module=r'spconv\.pytorch\.functional',
    append=True,
)

__all__ = ['__version__']
