"""``CompleteWeightsHook``: a test needs all weights of the model."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from mmocc.registry import HOOKS
from mmocc.utils.complete_weights import complete_weights


@HOOKS.register_module()
class CompleteWeightsHook(Hook):
    """Refuse a checkpoint that lacks weights of the model.

    mmengine loads the weights that fit and warns about the others, which
    stay random. A training may start so; a test would score random weights.
    ``tools/test.py`` adds this hook.
    """

    priority = 'VERY_LOW'  # behind hooks that exchange weights, such as EMA

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Compare the names and shapes of weights before they are loaded.

        Raises:
            CheckpointError: If a weight is not there or of another shape.
        """
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        complete_weights(model, checkpoint, runner.cfg.load_from)
