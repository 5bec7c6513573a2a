"""Hand-made frames, for tests that need an info file and files behind it."""

import pickle
from pathlib import Path

import cv2
import numpy as np

from mmocc.structures import (
    CAMERAS,
    FREE,
    META_ACTIONS,
    OCC3D_CLASSES,
    OccGrid,
)
from mmocc.structures.meta_action import ACTION_MARKER
from mmocc.structures.occ3d import NUM_FUTURE, NUM_HISTORY, STEP_SECONDS

# Yaw of the optical axes in the ego frame, in degrees; nuScenes' layout.
_CAMERA_YAW = {
    'CAM_FRONT': 0,
    'CAM_FRONT_RIGHT': -55,
    'CAM_FRONT_LEFT': 55,
    'CAM_BACK': 180,
    'CAM_BACK_LEFT': 110,
    'CAM_BACK_RIGHT': -110,
}
_CAMERA_HEIGHT = 1.5

# Ego axes of a camera that looks ahead: x right, y down, z forward.
_LOOK_AHEAD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
# mmdet3d's classes in its order, and a nuScenes category of each.
BOX_CATEGORIES = {
    'car': 'vehicle.car',
    'truck': 'vehicle.truck',
    'trailer': 'vehicle.trailer',
    'bus': 'vehicle.bus.rigid',
    'construction_vehicle': 'vehicle.construction',
    'bicycle': 'vehicle.bicycle',
    'motorcycle': 'vehicle.motorcycle',
    'pedestrian': 'human.pedestrian.adult',
    'traffic_cone': 'movable_object.trafficcone',
    'barrier': 'movable_object.barrier',
}


def rotation_about_z(yaw: float) -> np.ndarray:
    """Rotation (3, 3) by ``yaw`` radians, counter-clockwise from above."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def make_pose(rotation: np.ndarray, translation: list[float]) -> np.ndarray:
    """Rigid motion (4, 4)."""
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, translation
    return pose


def make_occ_info(
    scene: int = 0,
    frame_idx: int = 0,
    num_frames: int = 1,
    image_size: tuple[int, int] = (54, 96),
    speed: float = 6.0,
) -> dict:
    """One frame of an info file with all of our keys.

    The ego car drives straight on at constant speed; the scene goes on
    beyond its first and last frame only in the masks.

    Args:
        scene (int): Number of the scene. Defaults to 0.
        frame_idx (int): Number of the frame in its scene. Defaults to 0.
        num_frames (int): Frames of the scene. Defaults to 1.
        image_size (tuple[int, int]): Height and width in pixels.
        speed (float): Of the ego car, in m/s. Defaults to 6.0.

    Returns:
        dict: An element of ``data_list``.
    """
    name = f'scene-{scene + 1:04d}'
    token = _token(scene, frame_idx)
    rng = np.random.default_rng([scene, frame_idx])
    height, width = image_size
    travelled = speed * STEP_SECONDS * frame_idx
    ego2global = make_pose(np.eye(3), [100.0 + travelled, 50.0, 0.0])
    # LiDAR axes: x right, y forward.
    lidar2ego = make_pose(rotation_about_z(-np.pi / 2), [0.94, 0.0, 1.84])
    images = {}
    for camera in CAMERAS:
        rotation = rotation_about_z(np.deg2rad(_CAMERA_YAW[camera]))
        cam2ego = make_pose(
            rotation @ _LOOK_AHEAD,
            [*(rotation @ [1.5, 0.0, 0.0])[:2], _CAMERA_HEIGHT],
        )
        images[camera] = {
            'img_path': f'{token}__{camera}.jpg',
            'cam2img': [
                [0.8 * width, 0.0, 0.51 * width],
                [0.0, 0.8 * width, 0.48 * height],
                [0.0, 0.0, 1.0],
            ],
            'cam2ego': cam2ego.tolist(),
            'lidar2cam': (np.linalg.inv(cam2ego) @ lidar2ego).tolist(),
            'ego2global': ego2global.tolist(),
            'sample_data_token': f'{token}-{camera}',
            'timestamp': STEP_SECONDS * frame_idx,
        }
    return {
        'sample_idx': frame_idx,
        'token': token,
        'timestamp': STEP_SECONDS * frame_idx,
        'ego2global': ego2global.tolist(),
        'images': images,
        'lidar_points': {
            'num_pts_feats': 5,
            'lidar_path': f'{token}.pcd.bin',
            'lidar2ego': lidar2ego.tolist(),
        },
        'instances': [_make_instance(rng, scene)],
        'scene_token': f'{scene:032x}',
        'scene_name': name,
        'frame_idx': frame_idx,
        'prev': _token(scene, frame_idx - 1) if frame_idx else '',
        'next': (
            _token(scene, frame_idx + 1) if frame_idx + 1 < num_frames else ''
        ),
        'location': 'boston-seaport',
        'occ_path': f'gts/{name}/{token}/labels.npz',
        'ego': _make_ego(frame_idx, num_frames, speed),
        'can_bus': np.arange(18.0),
        **_make_language(rng),
    }


def write_tiny_dataset(
    folder: str | Path,
    num_scenes: int = 2,
    num_frames: int = 3,
    image_size: tuple[int, int] = (54, 96),
) -> Path:
    """Write a data set of a few frames: images, labels and info files.

    The last scene is the val split. Everything is random but for the same
    arguments the same; images and labels do not show the same world.

    Args:
        folder (str | Path): Becomes the data root.
        num_scenes (int): At least 2. Defaults to 2.
        num_frames (int): Frames of each scene. Defaults to 3.
        image_size (tuple[int, int]): Height and width in pixels.

    Returns:
        Path: The data root.
    """
    root = Path(folder)
    splits: dict[str, list[dict]] = {'train': [], 'val': []}
    for scene in range(num_scenes):
        split = splits['val' if scene == num_scenes - 1 else 'train']
        for frame_idx in range(num_frames):
            info = make_occ_info(scene, frame_idx, num_frames, image_size)
            rng = np.random.default_rng([scene, frame_idx, 1])
            for camera, view in info['images'].items():
                path = root / 'samples' / camera / view['img_path']
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), _make_image(rng, image_size))
            path = root / info['occ_path']
            path.parent.mkdir(parents=True)
            np.savez_compressed(path, **_make_label(rng))
            split.append(info)
    for name, infos in splits.items():
        path = root / f'nuscenes_infos_occ_{name}.pkl'
        path.write_bytes(pickle.dumps(wrap_infos(infos)))
    return root


def wrap_infos(infos: list[dict]) -> dict:
    """The content of an info file with these frames."""
    return {
        'metainfo': {
            'categories': {
                name: label for label, name in enumerate(BOX_CATEGORIES)
            },
            'dataset': 'nuscenes',
            'version': 'v1.0-mini',
            'info_version': '1.1',
        },
        'data_list': infos,
    }


def _token(scene: int, frame_idx: int) -> str:
    return f'{scene:016x}{frame_idx:016x}'


def _make_ego(frame_idx: int, num_frames: int, speed: float) -> dict:
    """Straight on; yaw drifts a little, so that mirrors are told apart."""
    history = np.arange(-NUM_HISTORY, 0)
    future = np.arange(1, NUM_FUTURE + 1)

    def poses(steps: np.ndarray) -> np.ndarray:
        seconds = STEP_SECONDS * steps
        return np.stack(
            [speed * seconds, 0.1 * seconds**2, 0.02 * seconds], axis=-1
        )

    return {
        'his_poses': poses(history),
        'his_mask': frame_idx + history >= 0,
        'fut_poses': poses(future),
        'fut_mask': frame_idx + future < num_frames,
        'status': {
            'speed': speed,
            'vx': speed,
            'vy': 0.1,
            'ax': 0.2,
            'ay': -0.3,
            'yaw_rate': 0.02,
            'steer': np.nan,
        },
        'command': -1,
    }


def _make_instance(rng: np.random.Generator, scene: int) -> dict:
    label = int(rng.integers(len(BOX_CATEGORIES)))
    steps = np.arange(1, NUM_FUTURE + 1)
    return {
        'bbox_label': label,
        'bbox_label_3d': label,
        'bbox_3d': [3.0, 9.0, -1.0, 4.5, 1.9, 1.6, 0.4],
        'velocity': [1.0, 2.0],
        'num_lidar_pts': 12,
        'num_radar_pts': 2,
        'bbox_3d_isvalid': True,
        'instance_token': f'instance-{scene}',
        'category_name': list(BOX_CATEGORIES.values())[label],
        'fut_box': np.stack(
            [10.0 + steps, -3.0 + 0.0 * steps, 0.1 * steps], axis=-1
        ),
        'fut_mask': np.ones(NUM_FUTURE, dtype=bool),
    }


def _make_language(rng: np.random.Generator) -> dict:
    action = META_ACTIONS[int(rng.integers(len(META_ACTIONS)))]
    past = [
        META_ACTIONS[int(i)] for i in rng.integers(len(META_ACTIONS), size=3)
    ]
    return {
        'meta_action': {
            'speed': action.speed,
            'direction': action.direction,
            'source': 'rule',
            'confidence': 1.0,
        },
        'his_meta_actions': [
            {'speed': item.speed, 'direction': item.direction} for item in past
        ],
        'cot': (
            'Scene: a car waits on the left. History: as asked. '
            f'Reasoning: the road is free. {ACTION_MARKER} {action}'
        ),
        'qa': [
            {
                'question': f'How many cars are there to the {side}?',
                'answer': str(count),
                'template_type': 'count',
                'num_hop': 0,
            }
            for count, side in enumerate(
                ('left', 'right', 'front', 'back', 'front left')
            )
        ],
    }


def _make_image(
    rng: np.random.Generator, image_size: tuple[int, int]
) -> np.ndarray:
    """Coloured blocks, (H, W, 3) uint8."""
    blocks = rng.integers(0, 256, size=(3, 5, 3), dtype=np.uint8)
    return cv2.resize(
        blocks, image_size[::-1], interpolation=cv2.INTER_NEAREST
    )


def _make_label(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A ground plane and a few boxes, in the form of Occ3D's files."""
    shape = OccGrid().shape
    semantics = np.full(shape, FREE, dtype=np.uint8)
    semantics[:, :, 0] = OCC3D_CLASSES.index('driveable_surface')
    for _ in range(4):
        x, y = rng.integers(0, shape[0] - 12, size=2)
        semantics[x : x + 12, y : y + 5, 1:5] = rng.integers(FREE)
    mask_lidar = np.zeros(shape, dtype=np.uint8)
    mask_lidar[20:180, 20:180, :8] = 1
    mask_camera = mask_lidar.copy()
    mask_camera[:, :, 6:] = 0
    return {
        'semantics': semantics,
        'mask_lidar': mask_lidar,
        'mask_camera': mask_camera,
    }
