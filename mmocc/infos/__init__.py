"""The info file: what is in it, and all that reads it by its keys.

The ground floor above ``structures``. It needs NumPy and SciPy alone, so
that evaluation runs where neither torch nor mmdet3d is installed.
"""

from mmocc.infos.boxes import Boxes
from mmocc.infos.errors import InfoFileError
from mmocc.infos.frame import InfoFrame
from mmocc.infos.maps import MapError, MapTables, map_path
from mmocc.infos.old_schema import upgrade_infos
from mmocc.infos.reading import load_info_file, load_plain_pickle
from mmocc.infos.scenes import (
    InfoScene,
    SceneTimeline,
    find_neighbours,
    find_scene,
    group_scenes,
)
from mmocc.infos.schema import (
    DETECTION_CLASSES,
    IGNORED_LABEL,
    build_metainfo,
    class_names,
)
from mmocc.infos.writing import write_info_file

__all__ = [
    'DETECTION_CLASSES',
    'IGNORED_LABEL',
    'Boxes',
    'InfoFileError',
    'InfoFrame',
    'InfoScene',
    'MapError',
    'MapTables',
    'SceneTimeline',
    'build_metainfo',
    'class_names',
    'find_neighbours',
    'find_scene',
    'group_scenes',
    'load_info_file',
    'load_plain_pickle',
    'map_path',
    'upgrade_infos',
    'write_info_file',
]
