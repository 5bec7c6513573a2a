"""Info files of mmdet3d before 1.1, turned into version 1.1."""

from pathlib import Path

import numpy as np

from mmocc.infos.errors import InfoFileError
from mmocc.infos.rigid import rigid_transform
from mmocc.infos.schema import (
    DETECTION_CLASSES,
    IGNORED_LABEL,
    MICROSECONDS,
    build_metainfo,
)


def _transform(source: dict, name: str) -> list:
    """Return ``<name>_rotation`` and ``<name>_translation`` as (4, 4)."""
    transform = rigid_transform(
        source[f'{name}_rotation'], source[f'{name}_translation']
    )
    return transform.astype(np.float32).tolist()


def _lidar2sensor(source: dict) -> list:
    """Return the inverse of the stored sensor-to-LiDAR pose, (4, 4)."""
    rotation = np.asarray(source['sensor2lidar_rotation'], dtype=float)
    shift = np.asarray(source['sensor2lidar_translation'], dtype=float)
    transform = np.eye(4)
    transform[:3, :3] = rotation.T
    transform[:3, 3] = -rotation.T @ shift
    return transform.astype(np.float32).tolist()


def _camera(source: dict) -> dict:
    return dict(
        img_path=Path(source['data_path']).name,
        cam2img=np.asarray(source['cam_intrinsic']).tolist(),
        sample_data_token=source['sample_data_token'],
        timestamp=source['timestamp'] / MICROSECONDS,
        cam2ego=_transform(source, 'sensor2ego'),
        ego2global=_transform(source, 'ego2global'),
        lidar2cam=_lidar2sensor(source),
    )


def _sweep(source: dict) -> dict:
    return dict(
        timestamp=source['timestamp'] / MICROSECONDS,
        ego2global=_transform(source, 'ego2global'),
        lidar_points=dict(
            lidar_path=source['data_path'],
            lidar2ego=_transform(source, 'sensor2ego'),
            lidar2sensor=_lidar2sensor(source),
        ),
        sample_data_token=source['sample_data_token'],
    )


def _instances(source: dict) -> list[dict]:
    instances = []
    for k, name in enumerate(source.get('gt_names', ())):
        label = (
            DETECTION_CLASSES.index(name)
            if name in DETECTION_CLASSES
            else IGNORED_LABEL
        )
        instances.append(
            dict(
                bbox_3d=np.asarray(source['gt_boxes'][k]).tolist(),
                bbox_label=label,
                bbox_label_3d=label,
                velocity=np.asarray(source['gt_velocity'][k]).tolist(),
                num_lidar_pts=int(source['num_lidar_pts'][k]),
                num_radar_pts=int(source['num_radar_pts'][k]),
                bbox_3d_isvalid=bool(source['valid_flag'][k]),
            )
        )
    return instances


def upgrade_infos(content: dict, path: str) -> dict:
    """Convert the content of an old nuScenes info file.

    Args:
        content (dict): ``infos`` (list[dict]) and ``metadata`` (dict) as
            mmdet3d 1.0 and its forks wrote them.
        path (str): Where it came from, for messages.

    Returns:
        dict: ``metainfo`` and ``data_list`` of info version 1.1, without
        boxes in images and without the keys that only
        ``tools/create_data.py`` writes.

    Raises:
        InfoFileError: A frame lacks a key of that schema, or a value is
            malformed.
    """
    if not isinstance(content['infos'], list):
        raise InfoFileError(
            f'infos of {path} is a {type(content["infos"]).__name__}, '
            'expected a list of frames; make the file with '
            'tools/create_data.py'
        )
    data_list, ignored = [], set()
    for index, source in enumerate(content['infos']):
        try:
            info = dict(
                sample_idx=index,
                token=source['token'],
                timestamp=source['timestamp'] / MICROSECONDS,
                ego2global=_transform(source, 'ego2global'),
                images={
                    name: _camera(camera)
                    for name, camera in source['cams'].items()
                },
                lidar_points=dict(
                    num_pts_feats=source.get('num_features', 5),
                    lidar_path=Path(source['lidar_path']).name,
                    lidar2ego=_transform(source, 'lidar2ego'),
                ),
                instances=_instances(source),
            )
            if source.get('sweeps'):
                info['lidar_sweeps'] = [_sweep(s) for s in source['sweeps']]
        except KeyError as error:
            raise InfoFileError(
                f'frame {index} of {path} lacks the key {error}, so it is not '
                'a nuScenes info file of mmdet3d before 1.1; make one with '
                'tools/create_data.py'
            ) from error
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise InfoFileError(
                f'frame {index} of {path} is malformed ({error!r}), expected '
                'the schema of mmdet3d before 1.1; make the file with '
                'tools/create_data.py'
            ) from error
        data_list.append(info)
        ignored |= {
            str(name)
            for name in source.get('gt_names', ())
            if name not in DETECTION_CLASSES
        }
    version = content.get('metadata', {}).get('version', '')
    return dict(metainfo=build_metainfo(version, ignored), data_list=data_list)
