from mmocc.projects.OnnxExport.onnx_export.anchor_planner_graph import (
    AnchorPlannerGraph,
)
from mmocc.projects.OnnxExport.onnx_export.encoder_graph import EncoderGraph
from mmocc.projects.OnnxExport.onnx_export.mlp_planner_graph import (
    MLPPlannerGraph,
)
from mmocc.projects.OnnxExport.onnx_export.onnx_file import (
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
