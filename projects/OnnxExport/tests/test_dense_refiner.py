"""The refiner of fixed shapes against that of listed voxels."""

import pytest
import torch

from mmocc.projects.OnnxExport.onnx_export.dense_refiner import DenseRefiner
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder import SparseVoxelRefiner

DIMS, QUERIES, POINTS = 8, 6, 5


def make_refiner(**options):
    torch.manual_seed(0)
    refiner = SparseVoxelRefiner(
        embed_dims=DIMS,
        channels=(4, 6),
        num_blocks=1,
        point_cloud_range=(-4, -4, -1, 4, 4, 1),
        voxel_size=(0.5, 0.5, 0.5),
        backend='torch',
        **options,
    )
    for parameter in refiner.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return refiner.eval()


def draw(reach, frames=2):
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(frames, QUERIES, DIMS, generator=generator)
    points = torch.rand(frames, QUERIES, POINTS, 3, generator=generator)
    scores = torch.rand(frames, QUERIES, POINTS, generator=generator)
    return features, (2 * points - 1) * torch.tensor(reach), scores


@pytest.mark.parametrize(
    'reach',
    [
        pytest.param((4.0, 4.0, 1.0), id='all inside'),
        pytest.param((0.6, 0.6, 0.6), id='many in one voxel'),
        pytest.param((8.0, 8.0, 2.0), id='most outside'),
    ],
)
@torch.no_grad()
def test_same_results(reach):
    refiner = make_refiner()
    inputs = draw(reach)
    dense, sparse = DenseRefiner(refiner)(*inputs), refiner(*inputs)
    for got, expected, before in zip(
        dense[:2], sparse[:2], inputs[:2], strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
        assert (expected - before).abs().max() > 0.01  # it did something


@torch.no_grad()
def test_nothing_inside_changes_nothing():
    features, points, scores = draw((1.0, 1.0, 1.0))
    got = DenseRefiner(make_refiner())(features, points + 100, scores)
    assert torch.equal(got[0], features)
    assert torch.equal(got[1], points + 100)


def test_a_limit_that_could_act_is_refused():
    refiner = DenseRefiner(make_refiner(max_voxels=QUERIES * POINTS - 1))
    with pytest.raises(ValueError, match=r'max_voxels = 29.*raise max_voxels'):
        refiner(*draw((1.0, 1.0, 1.0)))


def test_the_refiner_itself_stays_sparse():
    refiner = make_refiner()
    before = type(refiner.unet.merge[0].conv)
    dense = DenseRefiner(refiner)
    assert type(refiner.unet.merge[0].conv) is before
    assert dense.inner.state_dict().keys() == refiner.state_dict().keys()
