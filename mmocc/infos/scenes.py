"""Scenes of an info file: grouping, order, time and neighbours.

This is the only place that puts frames in order. Scenes come from
``scene_token``, or from ``scene_name``; a file with neither, such as
mmdet3d's own, is cut where the recording changes (the first part of the
LiDAR file's name) or where frames are missing. Frames of a scene are in order
of ``timestamp``, or of ``frame_idx`` where the file has no times, wherever
they lie in the file.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmocc.infos.errors import InfoFileError
from mmocc.infos.frame import InfoFrame
from mmocc.infos.paths import file_name
from mmocc.infos.schema import MICROSECONDS
from mmocc.structures.occ3d import STEP_SECONDS

# Seconds that a neighbour may be from where it should be. Ours.
STEP_TOLERANCE = 0.25
# Units of time that files come in, per second.
TIME_UNITS = {
    'seconds': 1.0,
    'milliseconds': 1e3,
    'microseconds': MICROSECONDS,
    'nanoseconds': 1e9,
}
# Seconds between successive frames, and since 1970, of any real recording.
_GAPS = (0.03, 30.0)
_SPARSE_GAPS = (0.03, 3e4)
_DATES = (1e8, 1e11)
_LONGEST_SCENE = 3600.0  # seconds
_CONVERT = (
    'mend the file with `tools/create_data.py convert FILE --source mmdet3d`, '
    'which puts frames in order of time'
)


@dataclass(frozen=True)
class InfoScene:
    """The key frames of a scene in order of time.

    Attributes:
        token (str): ``scene_token`` of its frames; ``scene_name``, or the
            recording and the first time stamp, where the file has none.
        infos (tuple[Mapping]): Their entries of ``data_list``.
    """

    token: str
    infos: tuple[Mapping[str, Any], ...]

    def __len__(self) -> int:
        return len(self.infos)

    @property
    def name(self) -> str:
        """Such as ``scene-0061``; the token where the file has no name."""
        return self.infos[0].get('scene_name') or self.token

    @property
    def location(self) -> str:
        """Name of the map; '' where the file does not say."""
        return InfoFrame(self.infos[0]).location

    @property
    def frames(self) -> tuple[InfoFrame, ...]:
        """Views of the frames."""
        return tuple(InfoFrame(info) for info in self.infos)

    def check_whole(self, source: str) -> None:
        """Refuse a scene that frames were left out of.

        Args:
            source (str): Path of the info file, for messages.

        Raises:
            InfoFileError: A frame does not follow the one before it.
        """
        tokens = ['', *(frame.token for frame in self.frames), '']
        for k, frame in enumerate(self.frames):
            if (frame.prev, frame.next) != (tokens[k], tokens[k + 2]):
                raise InfoFileError(
                    f'{source} holds frame {frame.token} of scene {self.name} '
                    'without the frames before and behind it '
                    f'({frame.prev or "none"}, {frame.next or "none"}); '
                    'labels need whole scenes, so use the file that was not '
                    'cut'
                )


def missing_for_scenes(data_list: Sequence[Mapping[str, Any]]) -> str:
    """Say what a file lacks to tell scenes apart and put them in order.

    Args:
        data_list (Sequence[Mapping]): Entries of an info file.

    Returns:
        str: A phrase that names the first frame and what it lacks; '' where
        nothing is missing.
    """
    given = [_given_scene(info) for info in data_list]
    for index, info in enumerate(data_list):
        lacks = []
        if 'token' not in info:
            lacks.append('token')
        if any(given):
            if not given[index]:
                lacks.append('scene_token')
            if 'timestamp' not in info and 'frame_idx' not in info:
                lacks.append('timestamp')
        elif 'timestamp' not in info or not _recording(info):
            lacks.append(
                'scene_token (or timestamp and lidar_points.lidar_path, which '
                'tell recordings apart)'
            )
        if lacks:
            return f'frame {index}, sample {info.get("token")} lacks ' + (
                ' and '.join(lacks)
            )
    return ''


def group_scenes(
    data_list: Iterable[Mapping[str, Any]],
    source: str = 'the info file',
    *,
    whole: bool = False,
) -> list[InfoScene]:
    """Group frames into scenes and put them in order of time.

    Args:
        data_list (Iterable[Mapping]): Entries of an info file, in any order.
        source (str): Path of the file, for messages.
        whole (bool): Whether to refuse scenes that frames were left out of,
            as labels do that look ahead. Defaults to False.

    Returns:
        list[InfoScene]: In the order of their first frames in the file.

    Raises:
        InfoFileError: Scenes cannot be told apart; a frame comes twice; time
            is not in seconds or contradicts ``frame_idx``, ``prev`` or
            ``next``; or a scene is not whole.
    """
    data_list = list(data_list)
    lacks = missing_for_scenes(data_list)
    if lacks:
        raise InfoFileError(
            f'{source}: {lacks}, which tell scenes apart; make the file with '
            'tools/create_data.py'
        )
    check_tokens(data_list, source)
    groups: dict[str, list[Mapping]] = {}
    for info, key in zip(data_list, _scene_keys(data_list), strict=True):
        groups.setdefault(key, []).append(info)
    scenes = [
        InfoScene(token, tuple(sorted(infos, key=_time_of)))
        for token, infos in groups.items()
    ]
    places = {
        info['token']: (scene.token, k)
        for scene in scenes
        for k, info in enumerate(scene.infos)
    }
    for scene in scenes:
        _check_scene(scene, places, source)
        if whole:
            scene.check_whole(source)
    return scenes


def check_tokens(data_list: Iterable[Mapping[str, Any]], source: str) -> None:
    """Refuse a file that holds a frame twice.

    Args:
        data_list (Iterable[Mapping]): Entries of an info file.
        source (str): Path of the file, for messages.

    Raises:
        InfoFileError: Two frames share a token.
    """
    places: dict[str, int] = {}
    for index, info in enumerate(data_list):
        token = info.get('token')
        if token is not None and places.setdefault(token, index) != index:
            raise InfoFileError(
                f'{source} holds sample {token} twice, as the frames '
                f'{places[token]} and {index}, expected each frame once; '
                '`tools/create_data.py convert FILE --source mmdet3d` keeps '
                'one of them (wrappers such as CBGSDataset draw frames more '
                'often)'
            )


def check_scenes(
    data_list: Sequence[Mapping[str, Any]], source: str
) -> list[InfoScene]:
    """Refuse frames that come twice, and scenes whose time is impossible.

    A file that does not name its scenes passes: they are cut, and checked,
    where somebody asks for neighbours.

    Args:
        data_list (Sequence[Mapping]): Entries of an info file.
        source (str): Path of the file, for messages.

    Returns:
        list[InfoScene]: The scenes of a file that names them, else none.

    Raises:
        InfoFileError: See ``group_scenes``.
    """
    check_tokens(data_list, source)
    named = any(_given_scene(info) for info in data_list)
    if named and not missing_for_scenes(data_list):
        return group_scenes(data_list, source)
    return []


def time_unit(times: Sequence[float], default: str = 'seconds') -> str:
    """Recognise the unit of time stamps by their steps and dates.

    Args:
        times (Sequence[float]): Time stamps of key frames, in any order.
        default (str): Where nothing tells. Defaults to 'seconds'.

    Returns:
        str: One of ``TIME_UNITS``.
    """
    values = np.unique([_number(moment) for moment in times])
    values = values[np.isfinite(values)]
    dated = [
        name
        for name, unit in TIME_UNITS.items()
        if _DATES[0] <= values[-1:].max(initial=0.0) / unit < _DATES[1]
    ]
    if len(values) < 2:
        return dated[0] if dated else default
    gap = float(np.median(np.diff(values)))
    for name in dated:
        if _SPARSE_GAPS[0] <= gap / TIME_UNITS[name] < _SPARSE_GAPS[1]:
            return name
    for name, unit in TIME_UNITS.items():
        if _GAPS[0] <= gap / unit < _GAPS[1]:
            return name
    return default


def _given_scene(info: Mapping[str, Any]) -> str:
    return info.get('scene_token') or info.get('scene_name') or ''


def _recording(info: Mapping[str, Any]) -> str:
    """Return the name of the recording, with which file names begin."""
    path = info.get('lidar_points', {}).get('lidar_path') or ''
    name, mark, _ = file_name(path).partition('__')
    return name if mark else ''


def _time_of(info: Mapping[str, Any]) -> float:
    """Return the time in seconds, from ``frame_idx`` where that is all."""
    if 'timestamp' in info:
        return _number(info['timestamp'])
    return _number(info['frame_idx']) * STEP_SECONDS


def _number(value: float) -> float:
    """Return a number as float; infinity beyond the range of float."""
    try:
        return float(value)
    except OverflowError:
        return np.inf


def _scene_keys(data_list: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what names the scene of each frame."""
    keys = [_given_scene(info) for info in data_list]
    if any(keys):
        return keys
    order = sorted(
        range(len(data_list)),
        key=lambda k: (_recording(data_list[k]), data_list[k]['timestamp']),
    )
    before = None
    for k in order:
        info = data_list[k]
        if (
            before is None
            or _recording(info) != _recording(before)
            or info['timestamp'] - before['timestamp']
            > STEP_SECONDS + STEP_TOLERANCE
        ):
            moment = round(info['timestamp'] * MICROSECONDS)
            key = f'{_recording(info)}@{moment}'
        keys[k], before = key, info
    return keys


def _check_scene(
    scene: InfoScene, places: Mapping[str, tuple[str, int]], source: str
) -> None:
    """Refuse a scene whose time, order or links contradict each other.

    Args:
        scene (InfoScene): In order of time.
        places (Mapping): Scene and place of each token of the file.
        source (str): Path of the file, for messages.
    """
    infos, times = scene.infos, [_time_of(info) for info in scene.infos]
    place = f'{source}: scene {scene.name}'
    for info, moment in zip(infos, times, strict=True):
        if not np.isfinite(moment):
            raise InfoFileError(
                f'{place}: the time stamp of sample {info["token"]} is '
                f'{moment}, expected seconds; make the file again with '
                'tools/create_data.py, or leave the frame out'
            )
    unit = time_unit(times)
    if unit != 'seconds':
        raise InfoFileError(
            f'{place}: the time stamp of sample {infos[0]["token"]} is '
            f'{times[0]}, in {unit} as it seems, expected seconds; {_CONVERT} '
            'and converts the unit'
        )
    if times[-1] - times[0] > _LONGEST_SCENE:
        raise InfoFileError(
            f'{place} lasts from sample {infos[0]["token"]} to '
            f'{infos[-1]["token"]} {times[-1] - times[0]:.0f} s, expected at '
            'most an hour: are time stamps in several units, or recordings of '
            'one name? Correct timestamp or scene_token of the file'
        )
    for k, info in enumerate(infos):
        for key, other in (('prev', k - 1), ('next', k + 1)):
            link = places.get(info.get(key))
            if link is not None and link != (scene.token, other):
                raise InfoFileError(
                    f'{place}: {key} of sample {info["token"]} is '
                    f'{info[key]}, which is frame {link[1]} of scene '
                    f'{link[0]} in order of time, expected frame {other} of '
                    f'its own scene; {_CONVERT}'
                )
        if not k:
            continue
        before, pair = (
            infos[k - 1],
            f'{infos[k - 1]["token"]}, {info["token"]}',
        )
        if times[k] == times[k - 1]:
            raise InfoFileError(
                f'{place}: the samples {pair} have the same time, '
                f'{times[k]}, expected 0.5 s between key frames; leave one '
                'out, or give each its scene_token'
            )
        if info.get('frame_idx', k) <= before.get('frame_idx', k - 1):
            raise InfoFileError(
                f'{place}: the samples {pair} have the frame_idx '
                f'{before.get("frame_idx")}, {info.get("frame_idx")} in order '
                f'of time, expected a rise: time goes backwards, or frame_idx '
                f'is of another file; {_CONVERT}'
            )


def find_scene(
    data_list: Sequence[Mapping[str, Any]], scene: str
) -> list[Mapping[str, Any]]:
    """Return the frames of one scene in order of time.

    Args:
        data_list (Sequence[Mapping]): Entries of an info file.
        scene (str): ``scene_name`` or ``scene_token``.

    Raises:
        InfoFileError: There is no such scene.
    """
    keys = ('scene_name', 'scene_token')
    chosen = [i for i in data_list if scene in [i.get(key) for key in keys]]
    if not chosen:
        known = sorted({i.get('scene_name', '') for i in data_list} - {''})
        raise InfoFileError(
            f'no frame of the info file is of the scene {scene!r}; it has '
            f'{known}'
        )
    return [info for each in group_scenes(chosen) for info in each.infos]


class SceneTimeline:
    """The scene and the time of each frame of a list, to find neighbours by.

    Args:
        scenes (np.ndarray): (N,) int number of each frame's scene.
        times (np.ndarray): (N,) seconds.
    """

    def __init__(self, scenes: np.ndarray, times: np.ndarray) -> None:
        self.scenes, self.times = scenes, times

    @classmethod
    def read(
        cls, data_list: Sequence[Mapping[str, Any]], source: str
    ) -> 'SceneTimeline':
        """Read scenes and times of an info file.

        Args:
            data_list (Sequence[Mapping]): Its entries, in any order.
            source (str): Path of the file, for messages.

        Raises:
            InfoFileError: See ``group_scenes``.
        """
        numbers = {
            info['token']: number
            for number, scene in enumerate(group_scenes(data_list, source))
            for info in scene.infos
        }
        return cls(
            np.array([numbers[info['token']] for info in data_list], int),
            np.array([_time_of(info) for info in data_list], float),
        )

    def chosen(self, places: Sequence[int]) -> 'SceneTimeline':
        """Keep some frames, in their new order."""
        return SceneTimeline(self.scenes[places], self.times[places])

    def neighbours(
        self, place: int, count: int, step: int
    ) -> list[int | None]:
        """Return the places of the key frames before or after a frame.

        Args:
            place (int): Place of the frame.
            count (int): Number of neighbours.
            step (int): -1 for the past, 1 for the future.

        Returns:
            list[int | None]: The nearest first, at distances of 1 to
            ``count`` steps of 0.5 s; None where the scene has no frame
            within ``STEP_TOLERANCE`` of that moment: beyond its ends, and
            where a frame was left out.
        """
        members = np.flatnonzero(self.scenes == self.scenes[place])
        times, moment = self.times[members], self.times[place]
        found: list[int | None] = []
        for _ in range(count):
            moment = moment + step * STEP_SECONDS
            nearest = int(np.abs(times - moment).argmin())
            if abs(times[nearest] - moment) > STEP_TOLERANCE:
                found.append(None)
            else:
                moment = times[nearest]
                found.append(int(members[nearest]))
        return found


def find_neighbours(
    here: Mapping[str, Any],
    data_list: Iterable[Mapping[str, Any]],
    count: int,
    step: int,
) -> list[Mapping[str, Any] | None]:
    """Pick the key frames before or after a frame of an info file.

    Args:
        here (Mapping): The frame's entry.
        data_list (Iterable[Mapping]): Entries of the file, ``here`` among
            them.
        count (int): Number of neighbours.
        step (int): -1 for the past, 1 for the future.

    Returns:
        list[Mapping | None]: See ``SceneTimeline.neighbours``; all None
        where the file does not tell scenes apart.
    """
    scene = _given_scene(here)
    members = [info for info in data_list if _given_scene(info) == scene]
    if not count or missing_for_scenes([here, *members]):
        return [None] * count
    timeline = SceneTimeline.read(members, 'the info file')
    tokens = [info['token'] for info in members]
    places = timeline.neighbours(tokens.index(here['token']), count, step)
    return [None if place is None else members[place] for place in places]
