"""Build the graph of a part from a config and a checkpoint."""

import json
import math
from collections.abc import Callable
from typing import NamedTuple

from mmengine.config import Config
from torch import Tensor, nn

from mmocc.apis.pipeline import build_inference_pipeline, expected_cameras
from mmocc.apis.weights import load_weights
from mmocc.datasets import LoadSurroundImages
from mmocc.models.planners import MLPPlanner
from mmocc.projects.OnnxExport.onnx_export.anchor_planner_graph import (
    AnchorPlannerGraph,
)
from mmocc.projects.OnnxExport.onnx_export.encoder_graph import EncoderGraph
from mmocc.projects.OnnxExport.onnx_export.mlp_planner_graph import (
    MLPPlannerGraph,
)
from mmocc.registry import MODELS
from mmocc.utils.config import ConfigError

# Visual tokens to trace OccVLA's planner with, which takes any number.
EXAMPLE_TOKENS = 64


class ExportedPart(NamedTuple):
    """A part of a model that is ready for export.

    Attributes:
        graph (nn.Module): Module with named tensors in and out.
        example (Callable): Makes random inputs by name from a seed.
        metadata (dict[str, str]): Facts that a user of the file must know.
    """

    graph: EncoderGraph | MLPPlannerGraph | AnchorPlannerGraph
    example: Callable[[int], dict[str, Tensor]]
    metadata: dict[str, str]


def build_encoder(cfg: Config, checkpoint: str) -> ExportedPart:
    """Build backbone, neck and encoder with the weights of a checkpoint.

    Args:
        cfg (Config): Config of the model and its test pipeline.
        checkpoint (str): Path of the checkpoint.

    Raises:
        ConfigError: If the model has no encoder, or images of any size.
    """
    wanted = ('backbone', 'neck', 'encoder')
    missing = [name for name in wanted if name not in cfg.model]
    if missing:
        raise ConfigError(
            f'{cfg.filename}: model.{missing[0]} is not there; only a model '
            f'with {", ".join(wanted)} has an encoder to export (docs/'
            'export.md says what else can be exported)'
        )
    refiners = cfg.model.encoder.get('refiner') or []
    for refiner in [refiners] if isinstance(refiners, dict) else refiners:
        refiner['backend'] = 'torch'
    parts = nn.ModuleDict(
        {name: MODELS.build(cfg.model[name]) for name in wanted}
    )
    load_weights(parts, checkpoint)
    graph = EncoderGraph(parts['backbone'], parts['neck'], parts['encoder'])
    transforms = build_inference_pipeline(cfg)
    loader = next(t for t in transforms if isinstance(t, LoadSurroundImages))
    if loader.size is None:
        raise ConfigError(
            f'{cfg.filename}: LoadSurroundImages has no `size`, and a graph '
            'is for one size of images; set it in the test pipeline'
        )
    preprocessor = cfg.model.data_preprocessor
    divisor = preprocessor.get('pad_size_divisor', 1)
    shape = tuple(math.ceil(n / divisor) * divisor for n in loader.size)
    metadata = dict(
        cameras=json.dumps(expected_cameras(transforms)),
        num_frames=str(parts['encoder'].num_frames),
        image_size=json.dumps(loader.size),
        padded_size=json.dumps(shape),
        mean=json.dumps(preprocessor.get('mean')),
        std=json.dumps(preprocessor.get('std')),
        channels='RGB' if preprocessor.get('bgr_to_rgb') else 'BGR',
    )
    return ExportedPart(
        graph, lambda seed: graph.example(shape, seed), metadata
    )


def build_planner(cfg: Config, checkpoint: str) -> ExportedPart:
    """Build the planner of a model with the weights of a checkpoint.

    Args:
        cfg (Config): Config of the model.
        checkpoint (str): Path of the checkpoint.

    Raises:
        ConfigError: If the model has no planner.
        ValueError: If its planner cannot be exported.
    """
    if cfg.model.get('planner') is None:
        raise ConfigError(
            f'{cfg.filename}: model.planner is not there; use the config of '
            'stage 3'
        )
    parts = nn.ModuleDict(dict(planner=MODELS.build(cfg.model.planner)))
    load_weights(parts, checkpoint)
    planner = parts['planner']
    metadata = dict(planner=type(planner).__name__)
    if isinstance(planner, MLPPlanner):
        graph = MLPPlannerGraph(planner, cfg.model.planner.embed_dims)
        return ExportedPart(
            graph, lambda seed: graph.example(EXAMPLE_TOKENS, seed), metadata
        )
    graph = AnchorPlannerGraph(planner)
    queries = cfg.model.encoder.num_queries
    overview = (cfg.model.get('bridge') or {}).get('num_global', 0)
    return ExportedPart(
        graph, lambda seed: graph.example(queries, overview, seed), metadata
    )
