"""Sparse 3D convolutions, by spconv where it is installed.

The only file that imports spconv. Both backends compute the same from the
same state dict; ``tests/mmocc/models/layers/test_sparse_conv.py`` holds them
against dense convolutions.
"""

import torch
from torch import Tensor, nn

from mmocc.models.layers.sparse_conv_torch import (
    KERNEL,
    PADDING,
    STRIDE,
    TorchOps,
)

try:
    import spconv.pytorch as spconv
    from spconv.core import ConvAlgo
except ImportError:
    spconv = None
else:

    class _KeepsLayout:
        """Loads weights as they lie.

        Importing mmdet3d's layers makes every spconv module take a state
        without a version for one of spconv 1, and turn its axes.
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
    """What a sparse network needs, from spconv.

    The native algorithm runs on CPU and CUDA alike and needs no tuning;
    spconv's default one runs on CUDA alone. There is never a bias, which
    spconv cannot evaluate on a CPU.
    """

    @staticmethod
    def submanifold(
        in_channels: int, out_channels: int, key: str
    ) -> nn.Module:
        """Outputs are the inputs' voxels."""
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
        """Halves the grid."""
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
        """Back to the voxels before the strided one of the same key."""
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
        """Features (V, C) at different voxels (V, 4): batch, x, y, z.

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
    """Choose who computes sparse convolutions.

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
