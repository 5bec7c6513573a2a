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

# mmengine resolves `_base_ = 'mmocc::...'`, `get_config('mmocc::...')` and an
# inferencer's scope only for packages in this table. Evaluation and info files
# work without mmengine.
try:
    from mmengine.config.utils import MODULE2PACKAGE
except ImportError:
    pass
else:
    # Named by a module: mmengine then asks Python where the package is. By
    # its own name it would ask pip, whose records of an editable install
    # point to a folder that does not exist.
    MODULE2PACKAGE['mmocc'] = 'mmocc.version'

__all__ = ['__version__']
