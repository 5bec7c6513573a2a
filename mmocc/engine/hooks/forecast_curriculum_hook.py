"""``ForecastCurriculumHook``: forecasts reach further as training goes on."""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn

from mmocc.registry import HOOKS


@HOOKS.register_module()
class ForecastCurriculumHook(Hook):
    """Set by epoch how many steps of a forecast are trained.

    SparseWorld (Dang et al., 2025) starts with the first step and adds one
    with each epoch, as later steps build on earlier ones. The steps follow
    from the epoch alone, so a resumed run goes on as it would have.

    Args:
        schedule (Sequence[tuple[int, int]]): Pairs (epoch, steps): from that
            epoch on, counted from 0, as many steps. The first epoch is 0,
            later ones ascend.
        module (str): Name, below the model, of the module whose ``horizon``
            is set. Defaults to 'forecaster'.

    Raises:
        ValueError: If the schedule does not start at epoch 0 or goes back.
    """

    def __init__(
        self,
        schedule: Sequence[tuple[int, int]],
        module: str = 'forecaster',
    ) -> None:
        epochs = [epoch for epoch, _ in schedule]
        if epochs[:1] != [0] or epochs != sorted(set(epochs)):
            raise ValueError(
                f'ForecastCurriculumHook.schedule is {schedule}, expected '
                'pairs (epoch, steps) whose epochs start at 0 and ascend'
            )
        self.schedule = list(schedule)
        self.module = module

    def before_train(self, runner: Runner) -> None:
        """Refuse a schedule that the run cannot follow.

        Raises:
            ValueError: If the loop does not count epochs, or a forecast has
                no such number of steps.
        """
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise ValueError(
                'ForecastCurriculumHook counts epochs, but train_cfg builds '
                f'a {type(runner.train_loop).__name__}; train by_epoch=True'
            )
        possible = self._forecaster(runner).num_steps
        for epoch, steps in self.schedule:
            if not 1 <= steps <= possible:
                raise ValueError(
                    f'ForecastCurriculumHook.schedule wants {steps} steps '
                    f'from epoch {epoch} on, expected 1 to {possible}, which '
                    f'is {self.module}.num_steps'
                )

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the steps of the epoch that begins."""
        steps = [n for epoch, n in self.schedule if epoch <= runner.epoch][-1]
        forecaster = self._forecaster(runner)
        if forecaster.horizon != steps:
            runner.logger.info(
                f'epoch {runner.epoch + 1}: forecasts of {steps} steps are '
                'trained'
            )
        forecaster.horizon = steps

    def _forecaster(self, runner: Runner) -> nn.Module:
        model = runner.model
        if is_model_wrapper(model):
            model = model.module
        try:
            return model.get_submodule(self.module)
        except AttributeError as error:
            raise ValueError(
                f'ForecastCurriculumHook.module is {self.module!r}, which '
                f'{type(model).__name__} does not have; name the forecaster, '
                'or leave the hook out of stages without one'
            ) from error
