"""Ablation: one trajectory from the scene, whatever the anchor."""

from torch import Tensor, nn

from mmocc.models.planners.condition_memory import Condition
from mmocc.models.planners.planner_sizes import PlannerSizes
from mmocc.models.planners.trajectory_head import (
    TrainingOutput,
    TrajectoryHead,
)
from mmocc.registry import MODELS


@MODELS.register_module()
class SceneMLPHead(TrajectoryHead):
    """Predict by an MLP of ego status and the condition's mean token.

    Args:
        sizes (PlannerSizes): Given by the planner.
        init_cfg (dict, optional): mmengine's initialisation config.
    """

    reads_keys = False
    gives_states = False

    def __init__(
        self, sizes: PlannerSizes, init_cfg: dict | None = None
    ) -> None:
        super().__init__(init_cfg)
        num_steps, embed_dims = sizes.num_steps, sizes.embed_dims
        self.num_steps = num_steps
        self.mlp = nn.Sequential(
            nn.Linear(2 * embed_dims, embed_dims),
            nn.GELU(),
            nn.Linear(embed_dims, embed_dims),
            nn.GELU(),
            nn.Linear(embed_dims, 2 * num_steps),
        )

    def forward(
        self, anchors: Tensor, noise: Tensor, condition: Condition
    ) -> tuple[Tensor, None]:
        """See the base class; only the shape of ``anchors`` is read."""
        scene = self.mlp(condition.scene())
        steps = scene.unflatten(-1, (1, self.num_steps, 2))
        return steps.expand(-1, anchors.shape[1], -1, -1), None

    def training_pass(
        self,
        anchors: Tensor,
        noise: Tensor,
        condition: Condition,
        target: Tensor,
        mask: Tensor,
    ) -> TrainingOutput:
        """See the base class; the result has a single draw."""
        steps, _ = self(anchors, noise, condition)
        return TrainingOutput([steps[:, None]])
