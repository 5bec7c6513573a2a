from mmocc.apis.frames import (
    camera_frame,
    info_frame,
    past_infos,
    read_views,
    with_history,
)
from mmocc.apis.prediction import prediction_dict, prediction_json
from mmocc.apis.vla_inferencer import VLAInferencer

# Its name before it served SparseOccVLA as well.
OccVLAInferencer = VLAInferencer

__all__ = [
    'OccVLAInferencer',
    'VLAInferencer',
    'camera_frame',
    'info_frame',
    'past_infos',
    'prediction_dict',
    'prediction_json',
    'read_views',
    'with_history',
]
