"""``init_cfg=dict(type='Pretrained')`` that fills its module, or raises."""

from collections.abc import Sequence

from mmengine.model.weight_init import PretrainedInit, update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner.checkpoint import CheckpointLoader
from torch import nn

from mmocc.utils import remote_checkpoint  # noqa: F401, safe loaders
from mmocc.utils.checkpoint import CheckpointError, weights_of
from mmocc.utils.complete_weights import listed, load_complete_weights


@WEIGHT_INITIALIZERS.register_module(name='Pretrained', force=True)
class CompletePretrainedInit(PretrainedInit):
    """Load the weights of a module; it takes the place of mmengine's.

    mmengine loads what fits and leaves the rest random.

    Args:
        checkpoint (str): Path or address.
        prefix (str, optional): How names of the wanted part begin, such as
            'backbone.'. Defaults to None, the whole file.
        map_location (str): As for ``torch.load``. Defaults to 'cpu'.
        may_lack (Sequence[str]): Beginnings of names that the checkpoint may
            lack. Defaults to ().
    """

    def __init__(
        self,
        checkpoint: str,
        prefix: str | None = None,
        map_location: str = 'cpu',
        may_lack: Sequence[str] = (),
    ) -> None:
        super().__init__(checkpoint, prefix, map_location)
        self.may_lack = may_lack

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into ``module``.

        Raises:
            FileNotFoundError: If there is no such file.
            CheckpointError: If it cannot be read safely, or a weight is
                missing, of another shape or not finite.
        """
        weights = weights_of(
            CheckpointLoader.load_checkpoint(
                self.checkpoint, self.map_location, logger='current'
            )
        )
        if self.prefix is not None:
            start = self.prefix.rstrip('.') + '.'
            part = {
                name.removeprefix(start): value
                for name, value in weights.items()
                if name.startswith(start)
            }
            if not part:
                raise CheckpointError(
                    f'{self.checkpoint} has no weight whose name begins with '
                    f'{start!r} (init_cfg.prefix); its names are '
                    f'{listed(sorted(weights))}'
                )
            weights = part
        load_complete_weights(
            module,
            weights,
            self.checkpoint,
            self.may_lack,
            key='init_cfg.may_lack',
        )
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())
