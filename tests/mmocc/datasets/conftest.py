import pytest
from mmengine.registry import DefaultScope, init_default_scope
from mmocc_testing import write_tiny_dataset


@pytest.fixture(autouse=True)
def mmocc_scope():
    with DefaultScope.overwrite_default_scope('mmocc'):
        init_default_scope('mmocc')
        yield


@pytest.fixture(scope='session')
def tiny_root(tmp_path_factory):
    """A data set of 2 scenes x 3 frames; tests must not write to it."""
    return write_tiny_dataset(tmp_path_factory.mktemp('tiny'))
