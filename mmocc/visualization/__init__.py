from mmocc.visualization.bev_view import bev_view
from mmocc.visualization.camera_panel import Path, camera_panel
from mmocc.visualization.drawing import write_png
from mmocc.visualization.forecast_strip import forecast_strip
from mmocc.visualization.frame_panel import FramePicture, frame_panel
from mmocc.visualization.loss_curves import loss_curves
from mmocc.visualization.occ_local_visualizer import OccLocalVisualizer
from mmocc.visualization.occupancy_comparison import occupancy_comparison
from mmocc.visualization.plan_bev import plan_bev
from mmocc.visualization.text_panel import (
    TextRow,
    answer_rows,
    meta_action_row,
    text_panel,
)
from mmocc.visualization.voxel_view import voxel_view

__all__ = [
    'FramePicture',
    'OccLocalVisualizer',
    'Path',
    'TextRow',
    'answer_rows',
    'bev_view',
    'camera_panel',
    'forecast_strip',
    'frame_panel',
    'loss_curves',
    'meta_action_row',
    'occupancy_comparison',
    'plan_bev',
    'text_panel',
    'voxel_view',
    'write_png',
]
