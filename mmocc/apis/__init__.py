from mmocc.apis.conversation import Conversation
from mmocc.apis.frames import (
    camera_frame,
    info_frame,
    past_infos,
    read_views,
    with_history,
)
from mmocc.apis.info_frames import frame_at, frame_of, scene_infos
from mmocc.apis.prediction import prediction_dict, prediction_json
from mmocc.apis.scene_stream import SceneStream
from mmocc.apis.vla_inferencer import VLAInferencer

# Its name before it served SparseOccVLA as well.
OccVLAInferencer = VLAInferencer

__all__ = [
    'Conversation',
    'OccVLAInferencer',
    'SceneStream',
    'VLAInferencer',
    'camera_frame',
    'frame_at',
    'frame_of',
    'info_frame',
    'past_infos',
    'prediction_dict',
    'prediction_json',
    'read_views',
    'scene_infos',
    'with_history',
]
