"""Fixtures of the whole suite."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope
from mmengine.visualization import Visualizer

ROOT = Path(__file__).resolve().parent

# Nothing is downloaded and no window opens, whatever a test calls.
os.environ.setdefault('HF_HUB_OFFLINE', '1')
os.environ.setdefault('MPLBACKEND', 'Agg')
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')


@pytest.fixture(autouse=True)
def _own_global_objects() -> Iterator[None]:
    """Take back the global objects of mmengine that a Runner leaves behind.

    Its default scope, above all, decides what later tests find by name.
    """
    managers = (DefaultScope, MessageHub, MMLogger, Visualizer)
    before = [manager._instance_dict.copy() for manager in managers]
    yield
    for manager, instances in zip(managers, before, strict=True):
        manager._instance_dict.clear()
        manager._instance_dict.update(instances)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        '--long',
        type=int,
        default=1,
        metavar='N',
        help='N times as many random faults, kills and inputs',
    )


@pytest.fixture(scope='session')
def long(request: pytest.FixtureRequest) -> int:
    """How many times longer than usual campaigns of random faults are."""
    return request.config.getoption('--long')


@pytest.fixture(scope='session')
def repository() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope='session')
def real_data() -> Path:
    """Folder of real samples; skips where there is none."""
    folder = os.environ.get('MMOCC_REAL_DATA')
    if not folder:
        pytest.skip('MMOCC_REAL_DATA names no folder of real samples')
    return Path(folder)


@pytest.fixture(scope='session')
def load_tool() -> Callable[[str], ModuleType]:
    """Import a script by its path below ``tools/``, or below the root."""

    def load(name: str) -> ModuleType:
        path = ROOT / ('' if name.startswith('projects/') else 'tools') / name
        spec = importlib.util.spec_from_file_location(f'_{path.stem}', path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
