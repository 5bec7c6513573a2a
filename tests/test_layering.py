"""Who may import whom, checked on the source without running it.

One way only::

    tools -> projects -> mmocc.apis -> mmocc.models.detectors
      -> {bridges, occ_heads, planners, vlms} -> {layers, losses}
      -> infos -> {structures, utils} -> registry

``datasets``, ``evaluation``, ``visualization``, ``annotation`` and ``engine``
stand beside the models and meet them in ``infos`` and ``structures``.
Packages on one level never import each other. ``utils`` serves all of them.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]

GROUND = {
    'mmocc.structures',
    'mmocc.registry',
    'mmocc.utils',
    'mmocc.version',
}
FLOOR = GROUND | {'mmocc.infos'}
BRICKS = {'mmocc.models.layers', 'mmocc.models.losses'}
PARTS = {
    f'mmocc.models.{name}'
    for name in (
        'bridges',
        'occ_heads',
        'planners',
        'vlms',
    )
}
BESIDE = {
    f'mmocc.{name}'
    for name in (
        'datasets',
        'evaluation',
        'visualization',
        'annotation',
        'engine',
    )
}
MODELS = {'mmocc.models', 'mmocc.models.detectors', *PARTS, *BRICKS}
TOP = {'mmocc.apis', 'mmocc_testing'}
EVERYTHING = FLOOR | MODELS | BESIDE | TOP | {'mmocc', 'mmocc.projects'}

# Package to the packages that it may import besides itself.
ALLOWED = {
    'mmocc': {'mmocc.version'},
    'mmocc.version': set(),
    'mmocc.registry': set(),
    'mmocc.structures': {'mmocc.registry'},
    'mmocc.utils': GROUND,
    'mmocc.infos': GROUND,
    **dict.fromkeys(BRICKS, FLOOR),
    **dict.fromkeys(PARTS, FLOOR | BRICKS),
    'mmocc.models.detectors': FLOOR | BRICKS | PARTS,
    'mmocc.models': MODELS,  # its __init__.py lists them for the registry
    **dict.fromkeys(BESIDE, FLOOR),
    **dict.fromkeys(TOP, EVERYTHING - {'mmocc.projects'}),
    'mmocc.projects': EVERYTHING,
}

# Third-party package to the places below which it may be imported.
PLACES = {
    'transformers': (
        'mmocc/models/vlms/',
        'mmocc/utils/tokenizers.py',
        'tools/',
        'projects/Benchmarks/tools/',
        'projects/SparseOccVLA/sparseoccvla/clip_teacher.py',
    ),
    'peft': ('mmocc/models/vlms/',),
    'spconv': ('mmocc/models/layers/sparse_conv.py',),
    'nuscenes': ('tools/',),
}
# Absent or broken on many machines: inside functions only, if at all.
LATE = {
    'torchvision',
    'open3d',
    'rerun',
    'onnx',
    'onnxruntime',
    'onnxscript',
}


class Import(NamedTuple):
    """One imported name: ``from a.b import c`` is ``a.b.c``."""

    module: str
    line: int
    late: bool  # inside a function
    relative: bool


def find_imports(source: str) -> list[Import]:
    """All imports of a file, wherever they stand."""
    return list(_walk(ast.parse(source), late=False))


def _walk(node: ast.AST, late: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, node.lineno, late, False)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            name = f'{node.module or ""}.{alias.name}'
            yield Import(name, node.lineno, late, node.level > 0)
    late = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    for child in ast.iter_child_nodes(node):
        yield from _walk(child, late)


def package_of(module: str) -> str | None:
    """The entry of ``ALLOWED`` that a dotted name belongs to."""
    parts = module.split('.')
    for end in range(len(parts), 0, -1):
        name = '.'.join(parts[:end])
        if name in ALLOWED:
            return name
    return None


def is_script(path: str) -> bool:
    """Whether a file is a command of the repository or of a project."""
    parts = path.split('/')
    return parts[0] == 'tools' or parts[2:3] in (['tools'], ['demo'])


def violations(path: str, source: str) -> list[str]:
    """What a file imports against the rules.

    Args:
        path (str): Path below the root, with forward slashes.
        source (str): Its content.

    Returns:
        list[str]: One line each.
    """
    module = path.removesuffix('.py').removesuffix('/__init__')
    module = module.replace('/', '.')
    if module.startswith('projects.') and not is_script(path):
        module = f'mmocc.{module}'
    own = package_of(module)
    found = []
    for name, line, late, relative in find_imports(source):
        where = f'{path}:{line}: {name}'
        top = name.split('.')[0]
        if relative:
            found.append(f'{where}: relative, write it in full')
        if top in LATE and not late:
            found.append(f'{where}: only inside functions')
        places = PLACES.get(top)
        if places is not None and not path.startswith(places):
            found.append(f'{where}: belongs in {", ".join(places)}')
        if own is not None:
            other = package_of(name)
            if other not in (None, own) and other not in ALLOWED[own]:
                found.append(f'{where}: {own} must not import {other}')
            if top in ('tools', 'tests', 'dataset_converters'):
                found.append(f'{where}: a package must not import a script')
    return found


FILES = sorted(
    file.relative_to(ROOT).as_posix()
    for folder in ('mmocc', 'projects', 'tools')
    for file in (ROOT / folder).rglob('*.py')
    if 'tests' not in file.relative_to(ROOT).parts
)


def test_source_keeps_the_layers():
    found = [
        line
        for path in FILES
        for line in violations(path, (ROOT / path).read_text())
    ]
    assert not found, '\n'.join(found)


def test_every_package_has_a_layer():
    packages = {
        f'mmocc.{folder.name}'
        for folder in (ROOT / 'mmocc').iterdir()
        if (folder / '__init__.py').is_file()
    } | {
        f'mmocc.models.{folder.name}'
        for folder in (ROOT / 'mmocc/models').iterdir()
        if (folder / '__init__.py').is_file()
    }
    assert packages <= set(ALLOWED)


@pytest.mark.parametrize(
    ('path', 'source'),
    [
        ('mmocc/models/bridges/x.py', 'from mmocc.models.vlms import y'),
        ('mmocc/models/bridges/x.py', 'import mmocc.models.vlms.y'),
        ('mmocc/models/bridges/x.py', 'from mmocc.models import vlms'),
        ('mmocc/models/layers/x.py', 'from mmocc.models.losses.y import z'),
        ('mmocc/models/losses/x.py', 'from mmocc.datasets import z'),
        ('mmocc/structures/x.py', 'import mmocc.models'),
        ('mmocc/structures/x.py', 'from mmocc.infos import y'),
        ('mmocc/infos/x.py', 'from mmocc.datasets import y'),
        ('mmocc/structures/__init__.py', 'from mmocc.evaluation import y'),
        ('mmocc/datasets/transforms/x.py', 'import mmocc.evaluation.y'),
        ('mmocc/apis/x.py', 'def f():\n    import mmocc.projects.OccVLA'),
        ('mmocc/engine/x.py', 'from tools import train'),
        ('mmocc/engine/x.py', 'from .hooks import y'),
        ('mmocc/engine/x.py', 'from transformers import y'),
        ('projects/OccVLA/occvla/x.py', 'import peft'),
        (
            'projects/SparseOccVLA/sparseoccvla/x.py',
            'import spconv.pytorch as spconv',
        ),
        ('mmocc/datasets/x.py', 'def f():\n    from nuscenes import y'),
        ('mmocc/visualization/x.py', 'import open3d as o3d'),
        ('tools/x.py', 'try:\n    import torchvision\nexcept ImportError: 0'),
        ('mmocc/models/layers/x.py', 'class A:\n    import torchvision'),
    ],
)
def test_violation_is_seen(path, source):
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ('path', 'source'),
    [
        ('mmocc/models/bridges/x.py', 'from mmocc.models.layers.y import z'),
        ('mmocc/models/bridges/x.py', 'from mmocc.models.bridges.y import z'),
        ('mmocc/models/detectors/x.py', 'from mmocc.models.vlms import z'),
        ('mmocc/utils/tokenizers.py', 'import transformers'),
        ('mmocc/models/vlms/x.py', 'from peft import y'),
        ('mmocc/models/layers/sparse_conv.py', 'import spconv.pytorch'),
        ('mmocc/visualization/x.py', 'def f():\n    import open3d'),
        ('mmocc/apis/x.py', 'from mmocc.datasets import y'),
        ('projects/OccVLA/occvla/x.py', 'from mmocc.registry import MODELS'),
        ('tools/x.py', 'from mmocc.projects.OccVLA import y'),
        ('tools/dataset_converters/x.py', 'import nuscenes.nuscenes'),
        ('mmocc/utils/x.py', 'import mmocc_other, transformers_stub'),
    ],
)
def test_permitted_import_passes(path, source):
    assert violations(path, source) == []
