"""Anchors, inputs and planners that the tests of this folder share."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from mmocc_testing import make_anchor_set

import mmocc.projects.SparseOccVLA.sparseoccvla  # noqa: F401, its heads
from mmocc.models.planners import PlannerSizes
from mmocc.models.planners.anchor_set import AnchorSet
from mmocc.registry import MODELS
from mmocc.structures import OccDataSample
from mmocc.structures.scene_features import SceneFeatures
from mmocc.structures.sparse_occ import SparseOccFeatures

STEPS = 6
SECONDS = 0.5 * np.arange(1, STEPS + 1)
QUERIES, OCC_DIMS, EGO_DIMS, LLM_DIMS = 5, 12, 7, 10


def drive(speed: float, yaw_rate: float = 0.0) -> np.ndarray:
    """Positions (6, 2) on an arc, m/s and rad/s."""
    angle = yaw_rate * SECONDS
    if yaw_rate == 0:
        return np.stack([speed * SECONDS, np.zeros(STEPS)], axis=-1)
    radius = speed / yaw_rate
    return radius * np.stack([np.sin(angle), 1 - np.cos(angle)], axis=-1)


# Stationary, slow, fast, then turns to the left and to the right.
ANCHORS = np.stack(
    [
        drive(0.0),
        drive(3.0),
        drive(9.0),
        drive(5.0, 0.4),
        drive(5.0, -0.4),
        drive(9.0, 0.2),
    ]
)


def example_anchors(mode: str = 'global', **changes) -> AnchorSet:
    return replace(make_anchor_set(ANCHORS, mode), **changes)


def anchor_file(folder: Path, **changes) -> Path:
    path = folder / 'anchors.npz'
    example_anchors(**changes).save(path)
    return path


def denoiser(**options) -> dict:
    """Config of a small network."""
    return dict(type='AnchorDenoiser', ffn_ratio=2, **options)


def denoising(schedule: dict | None = None, **options) -> dict:
    """Config of a denoising head; ``options`` go to its network."""
    return dict(
        type='DenoisingHead',
        denoiser=denoiser(**options),
        schedule=dict(type='TruncatedDDIM', **(schedule or {})),
    )


REGRESSION = dict(type='RegressionHead', denoiser=denoiser())
# A head of each kind, by name.
HEADS = dict(
    denoising=denoising(),
    regression=REGRESSION,
    mlp=dict(type='SceneMLPHead'),
    vae=dict(type='VAEHead', denoiser=denoiser()),
)


def make_sizes(**changes) -> PlannerSizes:
    """Sizes of the small planners here."""
    sizes = PlannerSizes(
        num_anchors=6,
        num_steps=STEPS,
        embed_dims=16,
        num_heads=2,
        num_blocks=2,
        occ_dims=OCC_DIMS,
        ego_dims=EGO_DIMS,
        token_dims=LLM_DIMS,
    )
    return replace(sizes, **changes)


def make_planner(folder: Path, awake: bool = True, **options):
    """A small planner; ``awake`` gives its zero weights something to do."""
    torch.manual_seed(0)
    mode = options.pop('mode', 'global')
    anchors = dict(
        type='AnchorBank',
        file=anchor_file(folder, mode=mode),
        num_anchors=6,
        mode=mode,
    )
    options.setdefault('head', denoising())
    anchors.update(options.pop('anchors', {}))
    planner = MODELS.build(
        dict(
            type='AnchorDiffusionPlanner',
            reasoning_dims=LLM_DIMS,
            occ_dims=OCC_DIMS,
            ego_dims=EGO_DIMS,
            anchors=anchors,
            embed_dims=16,
            num_heads=2,
            **options,
        )
    )
    return wake(planner) if awake else planner


def wake(module: torch.nn.Module) -> torch.nn.Module:
    """Give every weight a value, also those that start at zero."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in module.parameters():
            weight += 0.03 * torch.randn(weight.shape, generator=generator)
    return module


def make_occ(frames: int, dtype=torch.float32) -> SparseOccFeatures:
    generator = torch.Generator().manual_seed(1)

    def normal(*shape):
        return torch.randn(shape, generator=generator).to(dtype)

    return SparseOccFeatures(
        features=normal(frames, QUERIES, OCC_DIMS),
        centres=10 * normal(frames, QUERIES, 3),
        spread=normal(frames, QUERIES, 3).abs(),
        layers=[],
        initial_points=normal(frames, QUERIES, 1, 3),
    )


def make_inputs(frames: int = 3, dtype=torch.float32):
    """Reasoning token, occupancy and ego status."""
    generator = torch.Generator().manual_seed(2)
    return (
        torch.randn(frames, LLM_DIMS, generator=generator).to(dtype),
        make_occ(frames, dtype),
        torch.randn(frames, EGO_DIMS, generator=generator).to(dtype),
    )


def make_scene(
    frames: int = 3, dtype=torch.float32, **changes
) -> SceneFeatures:
    """Reasoning token, occupancy queries and ego status of some frames."""
    reasoning, occ, ego = make_inputs(frames, dtype)
    fields = dict(reasoning_token=reasoning, occ_queries=occ, ego_status=ego)
    return SceneFeatures(**{**fields, **changes})


def one_frame(scene: SceneFeatures, index: int) -> SceneFeatures:
    """A single frame of a scene, with its occupancy and ego status."""
    row, occ = slice(index, index + 1), scene.occ_queries
    return SceneFeatures(
        reasoning_token=scene.reasoning_token[row],
        occ_queries=SparseOccFeatures(
            occ.features[row], occ.centres[row], occ.spread[row], [], None
        ),
        ego_status=scene.ego_status[row],
    )


def make_samples(futures, mask, tokens='abc'):
    """Frames with these futures as their ground truth."""
    samples = []
    for token, future, known in zip(tokens, futures, mask, strict=False):
        sample = OccDataSample()
        sample.set_metainfo(dict(token=token))
        sample.gt_ego = BaseDataElement(fut_trajs=future, fut_masks=known)
        samples.append(sample)
    return samples


def make_truth(dtype=torch.float32):
    """Three futures, of which one ends early: (3, 6, 2) and (3, 6)."""
    futures = np.stack([drive(8.5), drive(4.5, 0.35), drive(4.5, -0.35)])
    mask = torch.ones(3, STEPS, dtype=torch.bool)
    mask[1, 4:] = False
    return torch.from_numpy(futures).to(dtype), mask
