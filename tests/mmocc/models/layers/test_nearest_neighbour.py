import pytest
import torch
from scipy.spatial import cKDTree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mmocc.models.layers.nearest_neighbour import nearest
from mmocc.registry import MODELS

METHODS = ['auto', 'chunked', 'kdtree']


def cloud(number, seed, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(number, 3, generator=generator, dtype=dtype) * 80 - 40


class Allocations(TorchDispatchMode):
    """Counts the elements of all memory that operations inside take."""

    def __init__(self):
        super().__init__()
        self.elements = self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        def storages(tree):
            return {
                x.untyped_storage().data_ptr(): x.numel()
                for x in tree_leaves(tree)
                if isinstance(x, torch.Tensor)
            }

        out = func(*args, **(kwargs or {}))
        known = storages((args, kwargs))
        for pointer, number in storages(out).items():
            if pointer not in known:
                self.elements += number
                self.largest = max(self.largest, number)
        return out


@pytest.mark.parametrize('method', METHODS)
def test_worked_example(method):
    source = torch.tensor([[0.0, 0, 0], [9, 0, 0], [5, 1, 1]])
    target = torch.tensor([[10.0, 0, 0], [0, 3, 4]])
    index, distance = nearest(source, target, method)
    assert index.tolist() == [1, 0, 0]
    assert index.dtype == torch.int64
    torch.testing.assert_close(distance, torch.tensor([25.0, 1, 27]).sqrt())


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('max_pairs', [1, 700, 10**6])
def test_chunks_of_any_size_equal_a_tree(max_pairs, dtype):
    source, target = cloud(501, 0, dtype), cloud(203, 1, dtype)
    distance, index = cKDTree(target.numpy()).query(source.numpy())
    ours = nearest(source, target, 'chunked', max_pairs)
    assert ours[0].tolist() == index.tolist()
    torch.testing.assert_close(
        ours[1], torch.from_numpy(distance).to(dtype), rtol=1e-6, atol=0
    )


@pytest.mark.parametrize('method', METHODS)
def test_near_points_far_from_the_origin_are_told_apart(method):
    # 1 mm apart at 40 m; x^2 - 2xy + y^2 in fp32 is blind below 2 cm.
    target = torch.tensor([[40.0, 40, 5], [40.001, 40, 5], [39.999, 40, 5]])
    index, distance = nearest(target.flip(0), target, method)
    assert index.tolist() == [2, 1, 0]
    assert distance.tolist() == [0, 0, 0]


@pytest.mark.parametrize('method', METHODS)
def test_ties_give_a_nearest_target(method):
    grid = torch.cartesian_prod(*[torch.arange(6.0)] * 3)
    corners = grid[(grid < 5).all(1)] + 0.5  # eight targets equally near
    index, distance = nearest(corners, grid, method)
    torch.testing.assert_close((corners - grid[index]).norm(dim=1), distance)
    torch.testing.assert_close(distance, torch.full_like(distance, 0.75**0.5))


@pytest.mark.parametrize('method', METHODS)
def test_empty_sets(method):
    some, none = cloud(4, 0), torch.empty(0, 3)
    index, distance = nearest(some, none, method)
    assert index.tolist() == [-1] * 4
    assert distance.isinf().all()
    for target in (some, none):
        index, distance = nearest(none, target, method)
        assert index.shape == distance.shape == (0,)
        assert index.dtype == torch.int64


@pytest.mark.parametrize('method', METHODS)
def test_there_is_no_gradient(method):
    source = cloud(5, 0).requires_grad_()
    _, distance = nearest(source, cloud(3, 1).requires_grad_(), method)
    assert not distance.requires_grad


@pytest.mark.parametrize('method', METHODS)
def test_half_precision_is_compared_in_single(method):
    source, target = cloud(50, 0).half(), cloud(60, 1).half()
    expected = nearest(source.float(), target.float(), method)
    for ours, theirs in zip(
        nearest(source, target, method), expected, strict=True
    ):
        assert torch.equal(ours, theirs)


def test_memory_is_that_of_two_blocks_and_taken_once():
    """Blocks taken anew in each round add up to twice the matrix."""
    source, target = cloud(2000, 0), cloud(3000, 1)
    with Allocations() as watch:
        nearest(source, target, 'chunked', max_pairs=30_000)
    assert watch.largest == 30_000
    assert watch.elements <= 2 * 30_000 + 2 * len(source) + 3 * len(target)
    with Allocations() as watch:
        nearest(source, target, 'kdtree')
    assert watch.elements <= 10 * len(target)


def test_module_passes_its_options_on():
    source, target = cloud(2000, 0), cloud(3000, 1)
    module = MODELS.build(
        dict(type='NearestNeighbour', method='chunked', max_pairs=9000)
    )
    with Allocations() as watch:
        index, _ = module(source, target)
    assert watch.largest == 9000
    assert torch.equal(index, nearest(source, target, 'kdtree')[0])


@pytest.mark.parametrize(
    'wrong', [dict(method='knn'), dict(method='chunked', max_pairs=0)]
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ValueError, match='expected'):
        MODELS.build(dict(type='NearestNeighbour', **wrong))
    with pytest.raises(ValueError, match="'knn'"):
        nearest(cloud(1, 0), cloud(1, 1), 'knn')
