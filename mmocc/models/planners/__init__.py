from mmocc.models.planners.anchor_diffusion_planner import (
    AnchorDiffusionPlanner,
)
from mmocc.models.planners.mlp_planner import MLPPlanner

__all__ = ['AnchorDiffusionPlanner', 'MLPPlanner']
