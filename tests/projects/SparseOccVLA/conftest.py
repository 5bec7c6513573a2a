import pytest
from sparseoccvla_samples import build_model, write_anchors

import mmocc.projects.SparseOccVLA.sparseoccvla  # noqa: F401, registers it


@pytest.fixture(scope='session')
def anchors(tmp_path_factory):
    """A file of six anchors."""
    return write_anchors(tmp_path_factory.mktemp('anchors'))


@pytest.fixture(scope='module')
def model(anchors):
    """The whole model in eval mode. Must not be changed."""
    return build_model(anchors).eval()
