"""mmocc: occupancy vision-language-action models for MMDetection3D."""

from mmocc.version import __version__

__all__ = ['__version__']
