"""Scenes of an info file: grouping, order and neighbours; the only place."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmocc.infos.errors import InfoFileError
from mmocc.infos.frame import InfoFrame


@dataclass(frozen=True)
class InfoScene:
    """The key frames of a scene in order of time.

    Attributes:
        token (str): ``scene_token`` of its frames.
        infos (tuple[Mapping]): Their entries of ``data_list``.
    """

    token: str
    infos: tuple[Mapping[str, Any], ...]

    def __len__(self) -> int:
        return len(self.infos)

    @property
    def name(self) -> str:
        """Such as ``scene-0061``; the token where the file has no name."""
        return InfoFrame(self.infos[0]).scene_name

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


def group_scenes(
    data_list: Iterable[Mapping[str, Any]],
    source: str = 'the info file',
    *,
    whole: bool = False,
) -> list[InfoScene]:
    """Group frames into scenes and put them in order of time.

    Args:
        data_list (Iterable[Mapping]): Entries of an info file.
        source (str): Path of the file, for messages.
        whole (bool): Whether to refuse scenes that frames were left out of,
            as labels do that look ahead. Defaults to False.

    Returns:
        list[InfoScene]: In the order of their first frames in the file.

    Raises:
        InfoFileError: A frame lacks ``token``, ``scene_token`` or
            ``frame_idx``, so scenes cannot be told apart; or a scene is not
            whole.
    """
    groups: dict[str, list[Mapping]] = {}
    for index, info in enumerate(data_list):
        lacks = [
            key
            for key in ('token', 'scene_token', 'frame_idx')
            if key not in info
        ]
        if lacks:
            raise InfoFileError(
                f'{source}: frame {index}, sample {info.get("token")} lacks '
                f'{", ".join(lacks)}, which tell scenes apart; make the file '
                'with tools/create_data.py'
            )
        groups.setdefault(info['scene_token'], []).append(info)
    scenes = [
        InfoScene(token, tuple(sorted(infos, key=lambda i: i['frame_idx'])))
        for token, infos in groups.items()
    ]
    for scene in scenes if whole else ():
        scene.check_whole(source)
    return scenes


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


def find_neighbours(
    here: Mapping[str, Any],
    candidates: Iterable[Mapping[str, Any]],
    count: int,
    step: int,
) -> list[Mapping[str, Any] | None]:
    """Pick the key frames before or after a frame out of candidates.

    Args:
        here (Mapping): The frame's entry.
        candidates (Iterable[Mapping]): Entries to look through, read one by
            one and no further than needed.
        count (int): Number of neighbours.
        step (int): -1 for the past, 1 for the future.

    Returns:
        list[Mapping | None]: The nearest first, at distances of 1 to
        ``count`` key frames (0.5 s each); None beyond the ends of the scene,
        where a frame was left out, and where the file does not tell scenes
        apart.
    """
    found: list[Mapping[str, Any] | None] = [None] * count
    if 'scene_token' not in here:
        return found
    missing = count
    for info in candidates:
        if not missing:
            break
        if info.get('scene_token') != here['scene_token']:
            continue
        distance = step * (info['frame_idx'] - here['frame_idx'])
        if 1 <= distance <= count and found[distance - 1] is None:
            found[distance - 1] = info
            missing -= 1
    return found
