from mmocc.export.anchor_planner_graph import AnchorPlannerGraph
from mmocc.export.encoder_graph import EncoderGraph
from mmocc.export.mlp_planner_graph import MLPPlannerGraph
from mmocc.export.onnx_file import (
    differences,
    run_onnx,
    to_onnx,
    write_onnx,
)

__all__ = [
    'AnchorPlannerGraph',
    'EncoderGraph',
    'MLPPlannerGraph',
    'differences',
    'run_onnx',
    'to_onnx',
    'write_onnx',
]
