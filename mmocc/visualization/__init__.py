from mmocc.visualization.agent_boxes import AgentBoxes, info_agents
from mmocc.visualization.bev_view import bev_view
from mmocc.visualization.camera_panel import GroundPath, camera_panel
from mmocc.visualization.drawing import write_png
from mmocc.visualization.forecast_strip import forecast_strip
from mmocc.visualization.frame_panel import frame_panel, frame_pictures
from mmocc.visualization.frame_picture import FramePicture
from mmocc.visualization.occ_local_visualizer import OccLocalVisualizer
from mmocc.visualization.occupancy_comparison import occupancy_comparison
from mmocc.visualization.open3d_window import show_frame
from mmocc.visualization.overlays import FrameOverlays, info_overlays
from mmocc.visualization.plan_bev import plan_bev
from mmocc.visualization.ply import write_ply
from mmocc.visualization.rerun_file import open_rrd
from mmocc.visualization.road_lines import RoadLine, road_lines
from mmocc.visualization.scene_export import (
    ExportError,
    SceneExport,
    export_frames,
)
from mmocc.visualization.text_panel import (
    TextRow,
    answer_rows,
    meta_action_row,
    text_panel,
)
from mmocc.visualization.video import VideoError, write_video
from mmocc.visualization.voxel_view import voxel_view

__all__ = [
    'AgentBoxes',
    'ExportError',
    'FrameOverlays',
    'FramePicture',
    'GroundPath',
    'OccLocalVisualizer',
    'RoadLine',
    'SceneExport',
    'TextRow',
    'VideoError',
    'answer_rows',
    'bev_view',
    'camera_panel',
    'export_frames',
    'forecast_strip',
    'frame_panel',
    'frame_pictures',
    'info_agents',
    'info_overlays',
    'meta_action_row',
    'occupancy_comparison',
    'open_rrd',
    'plan_bev',
    'road_lines',
    'show_frame',
    'text_panel',
    'voxel_view',
    'write_ply',
    'write_png',
    'write_video',
]
