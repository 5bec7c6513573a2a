from mmocc.models.planners.anchor_bank import AnchorBank
from mmocc.models.planners.anchor_denoiser import AnchorDenoiser
from mmocc.models.planners.anchor_diffusion_planner import (
    AnchorDiffusionPlanner,
)
from mmocc.models.planners.anchor_score_loss import (
    AnchorBCELoss,
    AnchorCELoss,
    AnchorFocalLoss,
    AnchorScoreLoss,
    AnchorSoftLoss,
)
from mmocc.models.planners.anchor_scorer import (
    AnchorScorer,
    AnchorTokenScorer,
    AnswerLogitScorer,
    DenoisedScorer,
    ReasoningScorer,
    SceneScorer,
)
from mmocc.models.planners.condition_memory import Condition, ConditionMemory
from mmocc.models.planners.denoising_head import DenoisingHead
from mmocc.models.planners.mlp_planner import MLPPlanner
from mmocc.models.planners.planner_sizes import PlannerSizes
from mmocc.models.planners.trajectory_head import (
    DenoiserHead,
    TrainingOutput,
    TrajectoryHead,
)
from mmocc.models.planners.truncated_ddim import TruncatedDDIM

__all__ = [
    'AnchorBCELoss',
    'AnchorBank',
    'AnchorCELoss',
    'AnchorDenoiser',
    'AnchorDiffusionPlanner',
    'AnchorFocalLoss',
    'AnchorScoreLoss',
    'AnchorScorer',
    'AnchorSoftLoss',
    'AnchorTokenScorer',
    'AnswerLogitScorer',
    'Condition',
    'ConditionMemory',
    'DenoisedScorer',
    'DenoiserHead',
    'DenoisingHead',
    'MLPPlanner',
    'PlannerSizes',
    'ReasoningScorer',
    'SceneScorer',
    'TrainingOutput',
    'TrajectoryHead',
    'TruncatedDDIM',
]
