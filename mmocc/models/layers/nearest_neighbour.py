"""Exact nearest neighbours between two point sets, in bounded memory.

The distance matrix of a set loss at paper size (76,800 predictions, 30,000
voxels) would take 9 GB. It is never made: a k-d tree answers on the CPU, and
elsewhere the matrix is walked in blocks of rows.
"""

import torch
from mmengine.model import BaseModule
from scipy.spatial import cKDTree
from torch import Tensor

from mmocc.registry import MODELS

METHODS = ('auto', 'chunked', 'kdtree')
# Pairs compared at a time. Two arrays of that size exist: on a CPU they
# should stay in its cache, on an accelerator they should keep it busy
# (ours; 8 and 256 MiB in fp32).
MAX_PAIRS_CPU = 2**20
MAX_PAIRS_ACCELERATOR = 2**25


@torch.no_grad()
def nearest(
    source: Tensor,
    target: Tensor,
    method: str = 'auto',
    max_pairs: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Find the nearest target of every source point.

    Args:
        source (Tensor): (n, 3) finite points; may be empty.
        target (Tensor): (m, 3) finite points; may be empty.
        method (str): ``chunked`` compares all pairs, a block of rows at a
            time, on the tensors' device; ``kdtree`` builds SciPy's tree on
            the CPU and copies there and back; ``auto`` is the tree for
            tensors on the CPU and blocks for all others. Defaults to 'auto'.
        max_pairs (int, optional): Number of pairs in a block, at least one
            row. Defaults to None, a number that suits the device.

    Returns:
        tuple: Index (n,) int64 into ``target`` and Euclidean distance (n,),
        both without gradient. Between equally near targets ``chunked`` takes
        the first, ``kdtree`` any of them. Without targets every index is -1
        and every distance infinite.
    """
    if method not in METHODS:
        raise ValueError(
            f'nearest got method={method!r}, expected one of {METHODS}'
        )
    # Halves cannot tell metres apart.
    wide = torch.promote_types(source.dtype, target.dtype)
    wide = torch.promote_types(wide, torch.float32)
    source, target = source.to(wide), target.to(wide)
    if len(target) == 0:
        index = source.new_full((len(source),), -1, dtype=torch.int64)
        return index, source.new_full((len(source),), torch.inf)
    on_cpu = source.device.type == 'cpu'
    if method == 'kdtree' or (method == 'auto' and on_cpu):
        return _nearest_by_tree(source, target)
    if max_pairs is None:
        max_pairs = MAX_PAIRS_CPU if on_cpu else MAX_PAIRS_ACCELERATOR
    return _nearest_by_chunks(source, target, max_pairs)


def _nearest_by_tree(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Ask SciPy's k-d tree for index (n,) and distance (n,)."""
    # A tree that is asked once is not worth balancing.
    tree = cKDTree(
        target.cpu().numpy(), balanced_tree=False, compact_nodes=False
    )
    distance, index = tree.query(
        source.cpu().numpy(), workers=torch.get_num_threads()
    )
    return (
        torch.from_numpy(index).to(source.device, torch.int64),
        torch.from_numpy(distance).to(source),
    )


def _nearest_by_chunks(
    source: Tensor, target: Tensor, max_pairs: int
) -> tuple[Tensor, Tensor]:
    """Compare all pairs, a block of rows at a time.

    Squared differences are summed axis by axis: expanding the square into a
    matrix product would be faster, and wrong by centimetres at 40 m in fp32.
    All memory is taken before the loop: blocks that come and go between small
    results fragment the heap, which cost 16 GB at paper size.
    """
    number = min(max(max_pairs // len(target), 1), max(len(source), 1))
    square_rows = source.new_empty(number, len(target))
    difference_rows = torch.empty_like(square_rows)
    index = source.new_empty(len(source), dtype=torch.int64)
    distance = source.new_empty(len(source))
    axes = target.t().contiguous()  # (3, m)
    for start in range(0, len(source), number):
        rows = slice(start, start + number)
        block = source[rows]  # (b, 3)
        square = square_rows[: len(block)]  # (b, m), as is `difference`
        difference = difference_rows[: len(block)]
        torch.sub(block[:, :1], axes[0], out=square).square_()
        for axis in (1, 2):
            torch.sub(block[:, axis : axis + 1], axes[axis], out=difference)
            square.addcmul_(difference, difference)
        torch.min(square, 1, out=(distance[rows], index[rows]))
    return index, distance.sqrt_()


@MODELS.register_module()
class NearestNeighbour(BaseModule):
    """Find nearest neighbours with options from the config.

    Args:
        method (str): ``auto``, ``chunked`` or ``kdtree``. Defaults to 'auto'.
        max_pairs (int, optional): Number of pairs that ``chunked`` compares
            at a time. Defaults to None, a number that suits the device.

    Raises:
        ValueError: If the method is unknown or a block empty.
    """

    def __init__(
        self, method: str = 'auto', max_pairs: int | None = None
    ) -> None:
        super().__init__()
        if method not in METHODS:
            raise ValueError(
                f'NearestNeighbour got method={method!r}, expected one of '
                f'{METHODS}'
            )
        if max_pairs is not None and max_pairs < 1:
            raise ValueError(
                f'NearestNeighbour got max_pairs={max_pairs}, expected at '
                'least 1, or None'
            )
        self.method = method
        self.max_pairs = max_pairs

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Find the nearest of ``target`` (m, 3) for each ``source`` (n, 3).

        Returns:
            tuple: Index (n,) and distance (n,), see :func:`nearest`.
        """
        return nearest(source, target, self.method, self.max_pairs)
