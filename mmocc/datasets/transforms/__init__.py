from mmocc.datasets.transforms.compute_lidar2img import ComputeLidar2Img
from mmocc.datasets.transforms.load_driving_qa import LoadDrivingQA
from mmocc.datasets.transforms.load_ego_status import LoadEgoStatus
from mmocc.datasets.transforms.load_future_occ3d import LoadFutureOcc3D
from mmocc.datasets.transforms.load_history_images import LoadHistoryImages
from mmocc.datasets.transforms.load_meta_action import LoadMetaAction
from mmocc.datasets.transforms.load_occ3d_from_file import LoadOcc3DFromFile
from mmocc.datasets.transforms.load_surround_images import LoadSurroundImages
from mmocc.datasets.transforms.pack_occ_inputs import PackOccInputs
from mmocc.datasets.transforms.random_light import RandomLight
from mmocc.datasets.transforms.random_mirror import RandomMirror
from mmocc.datasets.transforms.seeded_transforms import SeededTransforms
from mmocc.datasets.transforms.text import TokenizeQA

__all__ = [
    'ComputeLidar2Img',
    'LoadDrivingQA',
    'LoadEgoStatus',
    'LoadFutureOcc3D',
    'LoadHistoryImages',
    'LoadMetaAction',
    'LoadOcc3DFromFile',
    'LoadSurroundImages',
    'PackOccInputs',
    'RandomLight',
    'RandomMirror',
    'SeededTransforms',
    'TokenizeQA',
]
