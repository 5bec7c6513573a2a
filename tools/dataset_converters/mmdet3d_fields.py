"""Build the fields of a frame that mmdet3d's info files (1.1) have.

They equal the output of mmdet3d 1.4's converter, except that paths of sweeps
are relative to the data root and that boxes in images are cut at the image's
own size.
"""

from pathlib import Path

import numpy as np

from dataset_converters.nuscenes_tables import NuScenesFrame, SensorReading
from dataset_converters.object_boxes import camera_instances, instances_3d
from mmocc.infos.rigid import invert_rigid
from mmocc.infos.schema import MICROSECONDS

POINT_FEATURES = 5  # x, y, z, intensity, ring


def mmdet3d_fields(
    frame: NuScenesFrame, velocities: np.ndarray, annotated: bool
) -> dict:
    """Build a frame's entry of mmdet3d's info file, without ``sample_idx``.

    Args:
        frame (NuScenesFrame): Rows of the key frame.
        velocities (np.ndarray): (N, 3) velocities of its boxes, global, m/s.
        annotated (bool): Whether there are boxes; False for the test split.
    """
    lidar2global = frame.lidar.ego2global @ frame.lidar.sensor2ego
    global2lidar = invert_rigid(lidar2global)
    info = dict(
        token=frame.token,
        timestamp=frame.timestamp / MICROSECONDS,
        ego2global=_single_precision(frame.lidar.ego2global),
        images={
            name: _image(camera, global2lidar)
            for name, camera in frame.cameras.items()
        },
        lidar_points=dict(
            num_pts_feats=POINT_FEATURES,
            lidar_path=Path(frame.lidar.filename).name,
            lidar2ego=_single_precision(frame.lidar.sensor2ego),
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
        info['instances'] = instances_3d(
            frame.annotations, velocities, global2lidar
        )
        info['cam_instances'] = {
            name: camera_instances(frame.annotations, velocities, camera)
            for name, camera in frame.cameras.items()
        }
    return info


def _single_precision(transform: np.ndarray) -> list:
    """Round as mmdet3d's converter does, which stores float32."""
    return transform.astype(np.float32).tolist()


def _image(camera: SensorReading, global2lidar: np.ndarray) -> dict:
    cam2lidar = global2lidar @ camera.ego2global @ camera.sensor2ego
    return dict(
        img_path=Path(camera.filename).name,
        cam2img=camera.intrinsic.tolist(),
        cam2ego=_single_precision(camera.sensor2ego),
        sample_data_token=camera.token,
        timestamp=camera.timestamp / MICROSECONDS,
        lidar2cam=_single_precision(invert_rigid(cam2lidar)),
    )


def _sweep(reading: SensorReading, global2lidar: np.ndarray) -> dict:
    lidar2key = global2lidar @ reading.ego2global @ reading.sensor2ego
    return dict(
        timestamp=reading.timestamp / MICROSECONDS,
        ego2global=_single_precision(reading.ego2global),
        lidar_points=dict(
            lidar_path=reading.filename,
            lidar2ego=_single_precision(reading.sensor2ego),
            lidar2sensor=_single_precision(invert_rigid(lidar2key)),
        ),
        sample_data_token=reading.token,
    )
