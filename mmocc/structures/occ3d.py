"""Constants of Occ3D-nuScenes and of the canonical frame.

Occ3D (Tian et al., NeurIPS 2023): 200 x 200 x 16 voxels of 0.4 m in the ego
frame of the key frame (x forward, y left, z up), 18 classes, 17 = free.
"""

OCC3D_CLASSES = (
    'others',
    'barrier',
    'bicycle',
    'bus',
    'car',
    'construction_vehicle',
    'motorcycle',
    'pedestrian',
    'traffic_cone',
    'trailer',
    'truck',
    'driveable_surface',
    'other_flat',
    'sidewalk',
    'terrain',
    'manmade',
    'vegetation',
    'free',
)
FREE = OCC3D_CLASSES.index('free')
FLAT_CLASSES = ('driveable_surface', 'other_flat', 'sidewalk', 'terrain')

POINT_CLOUD_RANGE = (-40.0, -40.0, -1.0, 40.0, 40.0, 5.4)
VOXEL_SIZE = (0.4, 0.4, 0.4)

# RGB colours, one for each class. The palette follows the nuScenes colour
# map where a class has one there; ours: others, free.
OCC3D_PALETTE = (
    (60, 60, 60),
    (112, 128, 144),
    (220, 20, 60),
    (255, 127, 80),
    (255, 158, 0),
    (233, 150, 70),
    (255, 61, 99),
    (0, 0, 230),
    (47, 79, 79),
    (255, 140, 0),
    (255, 99, 71),
    (0, 207, 191),
    (175, 0, 75),
    (75, 0, 75),
    (112, 180, 60),
    (222, 184, 135),
    (0, 175, 0),
    (255, 255, 255),
)

# The six cameras in the order of mmdet3d's nuScenes info files.
CAMERAS = (
    'CAM_FRONT',
    'CAM_FRONT_RIGHT',
    'CAM_FRONT_LEFT',
    'CAM_BACK',
    'CAM_BACK_LEFT',
    'CAM_BACK_RIGHT',
)

# Key frames are 0.5 s apart; plans reach 3 s ahead, histories 2 s back.
STEP_SECONDS = 0.5
NUM_FUTURE = 6
NUM_HISTORY = 4

# Order of the ego status vector: m/s, m/s, m/s, m/s^2, m/s^2, rad/s, rad.
EGO_STATUS = ('speed', 'vx', 'vy', 'ax', 'ay', 'yaw_rate', 'steer')
