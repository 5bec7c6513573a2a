"""Sparse 3D convolutions of spconv, or of PyTorch where it is missing.

The only file that imports spconv. Both backends compute the same from the
same state dict; ``tests/mmocc/models/layers/test_sparse_conv.py`` holds them
against dense convolutions.
"""

import torch
from torch import Tensor, nn

from mmocc.models.layers.sparse_conv_torch import TorchOps
from mmocc.models.layers.sparse_rulebook import KERNEL, PADDING, STRIDE

try:
    import spconv.pytorch as spconv
    from spconv.core import ConvAlgo
except ImportError:
    spconv = None
else:

    class _KeepsLayout:
        """Module of spconv that loads weights without turning their axes.

        Importing mmdet3d's layers makes every spconv module take a state
        without a version for one of spconv 1, whose axes it would turn.
        """

        _load_from_state_dict = nn.Module._load_from_state_dict

    class _SubMConv3d(_KeepsLayout, spconv.SubMConv3d):
        pass

    class _SparseConv3d(_KeepsLayout, spconv.SparseConv3d):
        pass

    class _SparseInverseConv3d(_KeepsLayout, spconv.SparseInverseConv3d):
        pass


BACKENDS = ('auto', 'spconv', 'torch')


class SpconvOps:
    """Build sparse convolutions and tensors of spconv.

    The native algorithm runs on CPU and CUDA alike and needs no tuning;
    spconv's default one runs on CUDA alone. There is never a bias, which
    spconv cannot evaluate on a CPU.
    """

    @staticmethod
    def submanifold(
        in_channels: int, out_channels: int, key: str
    ) -> nn.Module:
        """Build a convolution whose outputs are the inputs' voxels."""
        return _SubMConv3d(
            in_channels,
            out_channels,
            KERNEL,
            bias=False,
            indice_key=key,
            algo=ConvAlgo.Native,
        )

    @staticmethod
    def strided(in_channels: int, out_channels: int, key: str) -> nn.Module:
        """Build a convolution that halves the grid."""
        return _SparseConv3d(
            in_channels,
            out_channels,
            KERNEL,
            stride=STRIDE,
            padding=PADDING,
            bias=False,
            indice_key=key,
            algo=ConvAlgo.Native,
        )

    @staticmethod
    def inverse(in_channels: int, out_channels: int, key: str) -> nn.Module:
        """Build the inverse of the strided convolution of the same key."""
        return _SparseInverseConv3d(
            in_channels,
            out_channels,
            KERNEL,
            bias=False,
            indice_key=key,
            algo=ConvAlgo.Native,
        )

    @staticmethod
    def tensor(
        features: Tensor,
        indices: Tensor,
        spatial_shape: tuple[int, int, int],
        batch_size: int,
    ) -> 'spconv.SparseConvTensor':
        """Build a sparse tensor of V voxels.

        Args:
            features (Tensor): (V, C).
            indices (Tensor): (V, 4) batch, x, y, z; all different.
            spatial_shape (tuple[int, int, int]): Shape X, Y, Z of the grid.
            batch_size (int): Number of frames.

        Raises:
            TypeError: If the features are bfloat16.
        """
        if features.dtype == torch.bfloat16:
            raise TypeError(
                'spconv has no bfloat16 kernels; keep this module in float32 '
                "or set backend='torch'"
            )
        return spconv.SparseConvTensor(
            features, indices.int(), list(spatial_shape), batch_size
        )


def sparse_ops(backend: str = 'auto') -> type[SpconvOps] | type[TorchOps]:
    """Choose the backend of sparse convolutions.

    Both offer ``submanifold``, ``strided`` and ``inverse``, each called with
    ``(in_channels, out_channels, key)``, and ``tensor``. Weights are
    (C_out, 3, 3, 3, C_in), with the axes of the kernel in the order of the
    indices.

    Args:
        backend (str): ``spconv``, ``torch``, or ``auto``: spconv where it can
            be imported. Defaults to 'auto'.

    Returns:
        type: ``SpconvOps`` or ``TorchOps``.

    Raises:
        ValueError: If the backend is unknown.
        ImportError: If it is spconv, which is missing.
    """
    if backend not in BACKENDS:
        raise ValueError(
            f'got backend={backend!r} for sparse convolutions, expected one '
            f'of {BACKENDS}'
        )
    if backend == 'torch' or (backend == 'auto' and spconv is None):
        return TorchOps
    if spconv is None:
        raise ImportError(
            "backend='spconv' needs spconv, which cannot be imported; run "
            '`pip install spconv-cu120==2.3.6` (Python 3.11) or '
            '`spconv-cu126==2.3.8` (3.12), see requirements/runtime.txt, or '
            "set backend='torch', which computes the same from the same "
            'weights'
        )
    return SpconvOps
