"""Convolutions over whole grids against the sparse ones."""

import pytest
import torch
from mmengine.model import BaseModule

from mmocc.projects.OnnxExport.onnx_export.dense_conv import make_dense
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.sparse_unet import (
    SparseUNet,
)

FRAMES, CHANNELS = 2, (3, 4, 5)


@pytest.mark.parametrize('shape', [(8, 6, 4), (7, 5, 6)])
@torch.no_grad()
def test_dense_network_equals_the_sparse_one(shape):
    """Even and odd lengths, where halving leaves different edges."""
    torch.manual_seed(0)
    sparse = SparseUNet(CHANNELS, num_blocks=1, backend='torch')
    for parameter in sparse.parameters():
        parameter += 0.1 * torch.randn_like(parameter)
    occupied = torch.rand(FRAMES, *shape) < 0.2
    indices = occupied.nonzero()
    features = torch.randn(len(indices), CHANNELS[0])
    expected = sparse(features, indices, shape, FRAMES)

    make_dense(sparse)
    rows = occupied.flatten()
    cells = torch.randn(len(rows), CHANNELS[0])  # rubbish where none is
    cells[rows] = features
    got = sparse(cells, rows.float(), shape, FRAMES)
    torch.testing.assert_close(got[rows], expected, rtol=0, atol=1e-5)


def test_other_backends_are_refused():
    class OtherConv(torch.nn.Module):
        pass

    network = BaseModule()
    network.conv = OtherConv()
    with pytest.raises(ValueError, match=r"OtherConv.*backend='torch'"):
        make_dense(network)
