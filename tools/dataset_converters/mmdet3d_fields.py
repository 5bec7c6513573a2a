"""The fields of a frame that mmdet3d's own info files (version 1.1) have.

They equal the output of mmdet3d 1.4's converter, except that paths of sweeps
are relative to the data root and that image boxes are cut at the image's own
size.
"""

from pathlib import Path

import numpy as np
from mmdet3d.datasets.convert_utils import nus_categories

from dataset_converters.image_boxes import camera_instances
from dataset_converters.nuscenes_tables import (
    MICROSECONDS,
    Frame,
    Reading,
)
from dataset_converters.object_boxes import detection_name
from mmocc.infos.rigid import box_yaw, invert_rigid, rotation_matrix

INFO_VERSION = '1.1'
IGNORED_LABEL = -1
_POINT_FEATURES = 5


def info_metainfo(version: str, ignored: set[str]) -> dict:
    """The ``metainfo`` of an info file."""
    categories = {name: i for i, name in enumerate(nus_categories)}
    categories.update(dict.fromkeys(sorted(ignored), IGNORED_LABEL))
    return dict(
        categories=categories,
        dataset='nuscenes',
        version=version,
        info_version=INFO_VERSION,
    )


def _rounded(transform: np.ndarray) -> list:
    """Single precision, which is what mmdet3d's converter stores."""
    return transform.astype(np.float32).tolist()


def _sweep(reading: Reading, global2lidar: np.ndarray) -> dict:
    lidar2key = global2lidar @ reading.ego2global @ reading.sensor2ego
    return dict(
        timestamp=reading.timestamp / MICROSECONDS,
        ego2global=_rounded(reading.ego2global),
        lidar_points=dict(
            lidar_path=reading.filename,
            lidar2ego=_rounded(reading.sensor2ego),
            lidar2sensor=_rounded(invert_rigid(lidar2key)),
        ),
        sample_data_token=reading.token,
    )


def _image(camera: Reading, global2lidar: np.ndarray) -> dict:
    cam2lidar = global2lidar @ camera.ego2global @ camera.sensor2ego
    return dict(
        img_path=Path(camera.filename).name,
        cam2img=camera.intrinsic.tolist(),
        cam2ego=_rounded(camera.sensor2ego),
        sample_data_token=camera.token,
        timestamp=camera.timestamp / MICROSECONDS,
        lidar2cam=_rounded(invert_rigid(cam2lidar)),
    )


def _instances(
    frame: Frame, velocities: np.ndarray, global2lidar: np.ndarray
) -> list[dict]:
    if not frame.annotations:
        return []
    turn, shift = global2lidar[:3, :3], global2lidar[:3, 3]
    boxes = frame.annotations
    centres = np.stack([b.translation for b in boxes]) @ turn.T + shift
    yaws = box_yaw(
        turn @ rotation_matrix(np.stack([b.rotation for b in boxes]))
    )
    speeds = velocities @ turn.T
    instances = []
    for k, annotation in enumerate(boxes):
        name = detection_name(annotation.category)
        label = IGNORED_LABEL if name is None else nus_categories.index(name)
        width, length, height = annotation.size.tolist()
        points = annotation.num_lidar_pts + annotation.num_radar_pts
        instances.append(
            dict(
                bbox_label=label,
                bbox_3d=[
                    *centres[k].tolist(),
                    length,
                    width,
                    height,
                    float(yaws[k]),
                ],
                bbox_3d_isvalid=points > 0,
                bbox_label_3d=label,
                num_lidar_pts=annotation.num_lidar_pts,
                num_radar_pts=annotation.num_radar_pts,
                velocity=speeds[k, :2].tolist(),
            )
        )
    return instances


def mmdet3d_fields(
    frame: Frame, velocities: np.ndarray, annotated: bool
) -> dict:
    """Build a frame's entry without ``sample_idx``.

    Args:
        frame (Frame): The key frame.
        velocities (np.ndarray): (N, 3) of its boxes, global.
        annotated (bool): False for the test split, which has no boxes.
    """
    lidar2global = frame.lidar.ego2global @ frame.lidar.sensor2ego
    global2lidar = invert_rigid(lidar2global)
    info = dict(
        token=frame.token,
        timestamp=frame.timestamp / MICROSECONDS,
        ego2global=_rounded(frame.lidar.ego2global),
        images={
            name: _image(camera, global2lidar)
            for name, camera in frame.cameras.items()
        },
        lidar_points=dict(
            num_pts_feats=_POINT_FEATURES,
            lidar_path=Path(frame.lidar.filename).name,
            lidar2ego=_rounded(frame.lidar.sensor2ego),
        ),
        instances=[],
    )
    if frame.sweeps:
        info['lidar_sweeps'] = [
            _sweep(reading, global2lidar) for reading in frame.sweeps
        ]
    if frame.lidarseg and annotated:
        info['pts_semantic_mask_path'] = Path(frame.lidarseg).name
    if annotated:
        info['instances'] = _instances(frame, velocities, global2lidar)
        info['cam_instances'] = {
            name: camera_instances(frame.annotations, velocities, camera)
            for name, camera in frame.cameras.items()
        }
    return info
