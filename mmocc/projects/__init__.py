"""The folders of ``projects/``, importable as ``mmocc.projects.NAME``.

A clone keeps them beside the package, a wheel in ``mmocc/.mim``. Under this
name they meet no other plugin's folder ``projects``.
"""

import sys
from importlib import import_module
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_IN_CLONE = (_PACKAGE.parent / 'pyproject.toml').is_file()
_HOME = _PACKAGE.parent if _IN_CLONE else _PACKAGE / '.mim'
__path__ = [str(_HOME / 'projects')]


def share_modules(name: str) -> None:
    """Let ``projects.X.y`` be the modules of ``mmocc.projects.X.y``.

    In a clone both names find the same files. Imported under both, each class
    would exist twice, and the second one could not be registered. A project's
    ``__init__.py`` calls this when it has imported its modules.

    Args:
        name (str): ``__name__`` of the caller.
    """
    if name.startswith('mmocc.'):
        return
    own = f'mmocc.{name}'
    import_module(own)
    for known in list(sys.modules):
        if known == own or known.startswith(f'{own}.'):
            sys.modules[known.removeprefix('mmocc.')] = sys.modules[known]
