from mmocc.datasets.cbgs_dataset import CBGSDataset
from mmocc.datasets.nuscenes_occ_dataset import NuScenesOccDataset
from mmocc.datasets.sample_error import SampleError
from mmocc.datasets.samplers import EpochSampler
from mmocc.datasets.transforms import (
    ComputeLidar2Img,
    LoadDrivingQA,
    LoadEgoStatus,
    LoadFutureOcc3D,
    LoadHistoryImages,
    LoadMetaAction,
    LoadOcc3DFromFile,
    LoadSurroundImages,
    PackOccInputs,
    RandomLight,
    RandomMirror,
    SeededTransforms,
    TokenizeQA,
)

__all__ = [
    'CBGSDataset',
    'ComputeLidar2Img',
    'EpochSampler',
    'LoadDrivingQA',
    'LoadEgoStatus',
    'LoadFutureOcc3D',
    'LoadHistoryImages',
    'LoadMetaAction',
    'LoadOcc3DFromFile',
    'LoadSurroundImages',
    'NuScenesOccDataset',
    'PackOccInputs',
    'RandomLight',
    'RandomMirror',
    'SampleError',
    'SeededTransforms',
    'TokenizeQA',
]
