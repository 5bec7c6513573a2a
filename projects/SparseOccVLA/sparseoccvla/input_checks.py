"""Refuses parts that read what SparseOccVLA does not hand over to them."""

from mmocc.models.forecasters import OccForecaster
from mmocc.models.planners import AnchorDiffusionPlanner
from mmocc.models.planners.anchor_diffusion_planner import NEEDS_LLM


def needs_language(planner: AnchorDiffusionPlanner) -> bool:
    """Whether a planner reads the reasoning token, or what stands for it."""
    return planner.score_source in NEEDS_LLM or planner.memory.reads(
        'reasoning'
    )


def require_no_language(
    forecaster: OccForecaster | None, planner: AnchorDiffusionPlanner | None
) -> None:
    """Check the parts of a model without a language model.

    Raises:
        ValueError: If one of them reads it.
    """
    readers = []
    if forecaster is not None and forecaster.fuse.mode != 'encoder':
        readers.append(
            f'forecaster.fusion is {forecaster.fuse.mode!r} (set it to '
            "'encoder')"
        )
    if planner is not None:
        if planner.score_source in NEEDS_LLM:
            readers.append(
                f'planner.score_source is {planner.score_source!r} (set it '
                "to 'mlp_no_llm' or 'denoised')"
            )
        readers += [
            f'planner.condition.{name} is on (switch it off)'
            for name in ('reasoning', 'global_tokens', 'meta')
            if planner.memory.reads(name)
        ]
    if readers:
        raise ValueError(
            f'model.bridge is None, but {", ".join(readers)}; or give '
            'model.bridge'
        )


def require_known_inputs(
    planner: AnchorDiffusionPlanner, use_status: bool
) -> None:
    """Check what a planner reads beside occupancy and language.

    Raises:
        ValueError: If it reads an ego status that is switched off, or a
            command other than ``gt3s`` by that name.
    """
    reads_status = (
        planner.memory.reads('ego')
        or planner.score_ego
        or planner.score_source == 'mlp_no_llm'
    )
    if reads_status and not use_status:
        raise ValueError(
            'model.use_status is False, but the planner reads the ego '
            'status; set planner.condition.ego and planner.score_ego to '
            "False, and planner.score_source to anything but 'mlp_no_llm'"
        )
    command = planner.memory.command
    if command == 'route':
        raise ValueError(
            "planner.condition.command is 'route', but the data holds no "
            "route; set it to 'none', or to 'gt3s', which tells the planner "
            'about the ground truth future'
        )
    if planner.mask_by_command and command != 'gt3s':
        raise ValueError(
            'planner.mask_by_command chooses anchors by a command from the '
            f'ground truth future, but planner.condition.command is '
            f"{command!r}; set it to 'gt3s' to say so, or switch the mask off"
        )
