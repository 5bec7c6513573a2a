from mmocc.apis.frames import camera_frame, info_frame, read_views
from mmocc.apis.occvla_inferencer import OccVLAInferencer
from mmocc.apis.prediction import prediction_dict, prediction_json

__all__ = [
    'OccVLAInferencer',
    'camera_frame',
    'info_frame',
    'prediction_dict',
    'prediction_json',
    'read_views',
]
