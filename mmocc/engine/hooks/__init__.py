from mmocc.engine.hooks.complete_weights_hook import CompleteWeightsHook
from mmocc.engine.hooks.finite_loss_hook import FiniteLossHook
from mmocc.engine.hooks.forecast_curriculum_hook import (
    ForecastCurriculumHook,
)
from mmocc.engine.hooks.occ_visualization_hook import OccVisualizationHook
from mmocc.engine.hooks.progress_bar_hook import ProgressBarHook
from mmocc.engine.hooks.reduce_loss_hook import ReduceLossHook
from mmocc.engine.hooks.safe_checkpoint_hook import SafeCheckpointHook

__all__ = [
    'CompleteWeightsHook',
    'FiniteLossHook',
    'ForecastCurriculumHook',
    'OccVisualizationHook',
    'ProgressBarHook',
    'ReduceLossHook',
    'SafeCheckpointHook',
]
