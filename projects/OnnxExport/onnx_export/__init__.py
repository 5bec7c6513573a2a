from mmocc.projects.OnnxExport.onnx_export.anchor_planner_graph import (
    AnchorPlannerGraph,
)
from mmocc.projects.OnnxExport.onnx_export.encoder_graph import EncoderGraph
from mmocc.projects.OnnxExport.onnx_export.mlp_planner_graph import (
    MLPPlannerGraph,
)
from mmocc.projects.OnnxExport.onnx_export.model_parts import (
    ExportedPart,
    build_encoder,
    build_planner,
)
from mmocc.projects.OnnxExport.onnx_export.onnx_file import (
    Graph,
    differences,
    run_onnx,
    to_onnx,
    write_onnx,
)

__all__ = [
    'AnchorPlannerGraph',
    'EncoderGraph',
    'ExportedPart',
    'Graph',
    'MLPPlannerGraph',
    'build_encoder',
    'build_planner',
    'differences',
    'run_onnx',
    'to_onnx',
    'write_onnx',
]
