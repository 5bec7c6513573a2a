"""Names of splits, parts and projects, and where each part is downloaded.

Nothing is imported here, so that ``--help`` of the tools answers at once.
"""

TEST = 'test'
# The devkit's name of each split of each version.
SPLITS = {
    'v1.0-mini': {'train': 'mini_train', 'val': 'mini_val'},
    'v1.0-trainval': {'train': 'train', 'val': 'val'},
    'v1.0-test': {TEST: 'test'},
}
# Key frames of the official tables (nuScenes; Occ3D-nuScenes has the same).
OFFICIAL_COUNTS = {
    'v1.0-mini': {'train': 323, 'val': 81},
    'v1.0-trainval': {'train': 28130, 'val': 6019},
    'v1.0-test': {'test': 6008},
}
# Parts that a data root may lack.
OPTIONAL_PARTS = ('map', 'can-bus', 'occ3d', 'qa', 'omnidrive')
# Projects whose info files are converted.
MMDET3D = 'mmdet3d'
OLD_MMDET3D = 'mmdet3d-0.x'
PROJECTS = (
    MMDET3D,
    OLD_MMDET3D,
    'vad',
    'occworld',
    'bev-planner',
    'omnidrive',
)

_NUSCENES = 'https://www.nuscenes.org/nuscenes#download'
# Download instructions by part, for messages.
DOWNLOADS = {
    'tables': (
        f'download the metadata of that version from {_NUSCENES} and unpack '
        'it there, or make synthetic data with '
        'tools/create_synthetic_nuscenes.py'
    ),
    'samples': (
        'unpack the "keyframe blobs" (file blobs) of that version from '
        f'{_NUSCENES} in the data root'
    ),
    'sweeps': (
        f'unpack the "sweep blobs" (file blobs) from {_NUSCENES} in the data '
        'root; the models here do without them'
    ),
    'map': (
        f'get the map expansion (v1.3) from {_NUSCENES} and unpack it in '
        'maps/; without it directions come from the path alone'
    ),
    'can-bus': (
        f'get the CAN bus expansion from {_NUSCENES} and unpack it in the '
        'data root; without it the ego status comes from poses'
    ),
    'occ3d': (
        'get gts.tar.gz of Occ3D-nuScenes from '
        'https://tsinghua-mars-lab.github.io/Occ3D/ and unpack it in the '
        'data root'
    ),
    'qa': (
        'get the question files from '
        'https://github.com/qiantianwen/NuScenes-QA and put them in '
        'NuScenes_QA/ of the data root'
    ),
    'omnidrive': (
        'get data_nusc.zip from the releases of '
        'https://github.com/NVlabs/OmniDrive and give the folder that holds '
        'conv/, desc/, vqa/ and keywords/'
    ),
}
