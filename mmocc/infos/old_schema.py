"""Info files of mmdet3d before 1.1, turned into version 1.1."""

import numpy as np

from mmocc.infos.errors import InfoFileError
from mmocc.infos.paths import file_name, posix_path
from mmocc.infos.planar import planar_pose
from mmocc.infos.rigid import rigid_transform
from mmocc.infos.scenes import TIME_UNITS, time_unit
from mmocc.infos.schema import (
    DETECTION_CLASSES,
    IGNORED_LABEL,
    build_metainfo,
)

# Keys that forks of mmdet3d wrote and version 1.1 has under the same name.
_KEPT = ('scene_token', 'scene_name', 'frame_idx', 'prev', 'next', 'location')
_CAN_BUS_LENGTH = 18


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


def _camera(source: dict, unit: float) -> dict:
    # BEVFusion writes the second name.
    key = 'camera_intrinsics'
    cam2img = source['cam_intrinsic' if key not in source else key]
    return dict(
        img_path=file_name(source['data_path']),
        cam2img=np.asarray(cam2img).tolist(),
        sample_data_token=source['sample_data_token'],
        timestamp=source['timestamp'] / unit,
        cam2ego=_transform(source, 'sensor2ego'),
        ego2global=_transform(source, 'ego2global'),
        lidar2cam=_lidar2sensor(source),
    )


def _sweep(source: dict, unit: float) -> dict:
    return dict(
        timestamp=source['timestamp'] / unit,
        ego2global=_transform(source, 'ego2global'),
        lidar_points=dict(
            lidar_path=posix_path(source['data_path']),
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


def _unit_of(infos: list) -> str:
    """Recognise the unit of an old file's time stamps; microseconds mostly."""
    times = [
        info['timestamp']
        for info in infos
        if isinstance(info, dict)
        and isinstance(info.get('timestamp'), int | float | np.number)
    ]
    return time_unit(times, 'microseconds')


def _keep_fields(source: dict, info: dict) -> None:
    """Copy what version 1.1 has under the same name."""
    info.update((key, source[key]) for key in _KEPT if key in source)
    if 'map_location' in source:
        info.setdefault('location', source['map_location'])
    vector = np.asarray(source.get('can_bus', ()), dtype=float)
    if vector.shape == (_CAN_BUS_LENGTH,) and np.isfinite(vector).all():
        # Files leave the heading, which comes from the pose, to the loader.
        heading = planar_pose(np.asarray(info['ego2global']))[2] % (2 * np.pi)
        info['can_bus'] = np.append(
            vector[:-2], (heading, np.rad2deg(heading))
        )


def upgrade_infos(content: dict, path: str) -> dict:
    """Convert the content of an old nuScenes info file.

    Args:
        content (dict): ``infos`` (list[dict]) and ``metadata`` (dict) as
            mmdet3d 1.0 and its forks wrote them.
        path (str): Where it came from, for messages.

    Returns:
        dict: ``metainfo`` and ``data_list`` of info version 1.1, without
        boxes in images. Of the keys that ``tools/create_data.py`` adds there
        are those that the file has: scene, order, location and CAN bus. Time
        stamps may be in any unit.

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
    unit = TIME_UNITS[_unit_of(content['infos'])]
    for index, source in enumerate(content['infos']):
        try:
            info = dict(
                sample_idx=index,
                token=source['token'],
                timestamp=source['timestamp'] / unit,
                ego2global=_transform(source, 'ego2global'),
                images={
                    name: _camera(camera, unit)
                    for name, camera in source['cams'].items()
                },
                lidar_points=dict(
                    num_pts_feats=source.get('num_features', 5),
                    lidar_path=file_name(source['lidar_path']),
                    lidar2ego=_transform(source, 'lidar2ego'),
                ),
                instances=_instances(source),
            )
            _keep_fields(source, info)
            if source.get('sweeps'):
                info['lidar_sweeps'] = [
                    _sweep(sweep, unit) for sweep in source['sweeps']
                ]
        except KeyError as error:
            raise InfoFileError(
                f'frame {index} of {path} lacks the key {error}, so it is not '
                'a nuScenes info file of mmdet3d before 1.1; make one with '
                'tools/create_data.py'
            ) from error
        except (
            ArithmeticError,
            AttributeError,
            IndexError,
            TypeError,
            ValueError,
        ) as error:
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
    metadata = content.get('metadata')
    known = metadata if isinstance(metadata, dict) else {}
    version = known.get('version', '')
    return dict(metainfo=build_metainfo(version, ignored), data_list=data_list)
