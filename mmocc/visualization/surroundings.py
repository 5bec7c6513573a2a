"""What stands around the car beside what the model sees and plans."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmocc.visualization.agents import Agents, info_agents
from mmocc.visualization.road_lines import RoadLine, road_lines


class Surroundings(NamedTuple):
    """Parts of a frame that no data sample carries; each may be missing.

    Attributes:
        agents (Agents, optional): True boxes. Defaults to None.
        road (Sequence[RoadLine]): Of the map. Defaults to ().
        anchors (np.ndarray, optional): (A, T, 2) metres, the planner's.
            Defaults to None.
    """

    agents: Agents | None = None
    road: Sequence[RoadLine] = ()
    anchors: np.ndarray | None = None


def info_surroundings(
    info: Mapping,
    data_root: str | Path = '',
    occ3d_ids: Mapping[int, int] | None = None,
    anchors: np.ndarray | None = None,
) -> Surroundings:
    """Collect what an info file knows about a frame.

    Args:
        info (Mapping): An element of ``data_list``, or an item of
            ``NuScenesOccDataset``.
        data_root (str | Path): The map is read from its
            ``maps/expansion/<location>.json``, if that file and
            ``info['location']`` are there. Defaults to ''.
        occ3d_ids (Mapping[int, int], optional): See ``info_agents``.
        anchors (np.ndarray, optional): See ``Surroundings``.
    """
    path = Path(data_root, 'maps', 'expansion', f'{info.get("location")}.json')
    known = 'location' in info and 'ego2global' in info and path.is_file()
    return Surroundings(
        info_agents(info, occ3d_ids),
        road_lines(path, info['ego2global']) if known else (),
        anchors,
    )
