"""The folders of ``projects/``, importable as ``mmocc.projects.NAME``.

A clone keeps them beside the package, a wheel in ``mmocc/.mim``. Under this
name they meet no other plugin's folder ``projects``.
"""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_PLACES = (_PACKAGE / '.mim' / 'projects', _PACKAGE.parent / 'projects')
__path__ = [str(place) for place in _PLACES if place.is_dir()][:1]
