"""``CompleteWeightsHook``: a checkpoint fills the model, or is refused."""

from collections.abc import Sequence
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmocc.registry import HOOKS
from mmocc.utils.complete_weights import complete_weights


@HOOKS.register_module()
class CompleteWeightsHook(Hook):
    """Refuse a checkpoint that lacks weights of the model.

    mmengine loads the weights that fit and warns about the others, which stay
    random. Our configs have this hook as ``default_hooks.complete_weights``;
    ``tools/train.py`` adds it to others, and ``tools/test.py`` to all.

    Args:
        may_lack (Sequence[str]): Beginnings of names that a checkpoint to
            start from may lack, such as ``planner.`` of a stage that adds the
            planner. A checkpoint to resume may lack nothing. Defaults to ().
    """

    priority = 'VERY_LOW'  # behind hooks that exchange weights, such as EMA

    def __init__(self, may_lack: Sequence[str] = ()) -> None:
        if isinstance(may_lack, str):
            raise TypeError(
                f'default_hooks.complete_weights.may_lack is {may_lack!r}, '
                'expected a list of beginnings of names'
            )
        self.may_lack = tuple(may_lack)

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Compare the names and shapes of weights before they are loaded.

        Raises:
            CheckpointError: If a weight is not there, of another shape or not
                finite.
        """
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        checkpoint['state_dict'] = complete_weights(
            model,
            checkpoint,
            runner.cfg.get('load_from') or 'the checkpoint',
            () if runner.cfg.get('resume') else self.may_lack,
        )
