"""No scores of a model that is random in part."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmocc.registry import HOOKS
from mmocc.utils.complete_weights import complete_weights


@HOOKS.register_module()
class CompleteWeightsHook(Hook):
    """Refuse a checkpoint that lacks weights of the model.

    mmengine loads what fits and warns of the rest. That is right for the
    start of a training, and wrong for a test, whose scores would be those of
    random weights. ``tools/test.py`` adds this hook.
    """

    priority = 'VERY_LOW'  # behind hooks that exchange weights, such as EMA

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Compare names and shapes before they are loaded.

        Raises:
            CheckpointError: If a weight is not there or of another shape.
        """
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        complete_weights(model, checkpoint, runner.cfg.load_from)
