"""Paths of info files, whichever system wrote them."""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any


def posix_path(path: str) -> str:
    """Return a path with slashes; Windows' backslashes become slashes."""
    return PureWindowsPath(path).as_posix() if '\\' in path else path


def file_name(path: str) -> str:
    """Return the last part of a path of any system."""
    return PurePosixPath(posix_path(path)).name


def use_posix_paths(info: dict[str, Any]) -> None:
    """Replace Windows' paths in a frame by paths with slashes.

    Key images and LiDAR files of nuScenes keep their name alone, as in files
    that were written elsewhere.

    Args:
        info (dict): Entry of an info file; is changed.
    """
    folders = [
        (f'samples/{name}/', 'img_path', view)
        for name, view in (info.get('images') or {}).items()
    ]
    lidar = info.get('lidar_points') or {}
    folders.append(('samples/LIDAR_TOP/', 'lidar_path', lidar))
    for folder, key, entry in folders:
        path = entry.get(key) if isinstance(entry, dict) else None
        if isinstance(path, str) and '\\' in path:
            entry[key] = posix_path(path).rpartition(folder)[2]
    for sweep in info.get('lidar_sweeps') or ():
        points = sweep.get('lidar_points') if isinstance(sweep, dict) else 0
        if isinstance(points, dict) and 'lidar_path' in points:
            points['lidar_path'] = posix_path(points['lidar_path'])
    if info.get('occ_path'):
        info['occ_path'] = posix_path(info['occ_path'])
