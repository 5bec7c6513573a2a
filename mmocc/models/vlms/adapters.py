"""Residual bottleneck adapters around the sublayers of a decoder.

OccVLA inserts light adapters "at the residual connections" (Sec. 3.2) and
cites Pfeiffer et al. 2020 (AdapterHub); the paper gives no size and no place
inside the layer. Ours sit on the output of a sublayer, just before it joins
the residual stream, and are zero at the start.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn


class BottleneckAdapter(BaseModule):
    """``x + up(gelu(down(x)))`` with ``up`` zero at the start.

    Args:
        embed_dims (int): Width of the decoder.
        bottleneck_dims (int): Width between the two projections.
    """

    def __init__(self, embed_dims: int, bottleneck_dims: int) -> None:
        super().__init__()
        self.down = nn.Linear(embed_dims, bottleneck_dims)
        self.up = nn.Linear(bottleneck_dims, embed_dims)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., embed_dims) to the same shape."""
        return x + self.up(F.gelu(self.down(x)))

    def follow(self, module: nn.Module, inputs: tuple, output: Tensor):
        """Adapt the output of ``module`` as its forward hook.

        A bound method, so that a deep copy of the model hooks its own copy.
        """
        return self(output)


class DecoderAdapters(BaseModule):
    """Adapters behind named sublayers of all layers of a decoder.

    The Hugging Face model stays as it is: adapters act through forward hooks
    and keep their weights here, so the decoder's parameter names do not
    change and its checkpoints load.

    Args:
        layers (nn.ModuleList): The decoder's layers.
        embed_dims (int): Width of the decoder.
        bottleneck_dims (int): Width of the bottleneck.
        sublayers (Sequence[str]): Names, inside a layer, of the modules whose
            outputs are added to the residual stream.

    Raises:
        ValueError: If a layer has no such sublayer.
    """

    def __init__(
        self,
        layers: nn.ModuleList,
        embed_dims: int,
        bottleneck_dims: int,
        sublayers: Sequence[str],
    ) -> None:
        super().__init__()
        self.adapters = ModuleList()
        for layer in layers:
            known = dict(layer.named_children())
            for name in sublayers:
                if name not in known:
                    raise ValueError(
                        f'adapter.sublayers names {name!r}, which a '
                        f'{type(layer).__name__} does not have; it has '
                        f'{sorted(known)}'
                    )
                adapter = BottleneckAdapter(embed_dims, bottleneck_dims)
                self.adapters.append(adapter)
                known[name].register_forward_hook(adapter.follow)
