from mmocc.apis.conversation import Conversation
from mmocc.apis.frame_reader import FrameReader, frame_with_past
from mmocc.apis.frames import (
    camera_frame,
    info_frame,
    load_images,
    with_history,
)
from mmocc.apis.prediction import (
    prediction_dict,
    prediction_json,
    summarize_prediction,
)
from mmocc.apis.scene_stream import SceneStream
from mmocc.apis.vla_inferencer import VLAInferencer

# The name that configs of OccVLA may use.
OccVLAInferencer = VLAInferencer

__all__ = [
    'Conversation',
    'FrameReader',
    'OccVLAInferencer',
    'SceneStream',
    'VLAInferencer',
    'camera_frame',
    'frame_with_past',
    'info_frame',
    'load_images',
    'prediction_dict',
    'prediction_json',
    'summarize_prediction',
    'with_history',
]
