"""Boxes, map and anchors that are drawn over a frame."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmocc.visualization.agent_boxes import AgentBoxes, info_agents
from mmocc.visualization.road_lines import RoadLine, road_lines


class FrameOverlays(NamedTuple):
    """Drawable parts of a frame that no data sample carries.

    Attributes:
        agents (AgentBoxes, optional): Ground-truth boxes. Defaults to None.
        road (Sequence[RoadLine]): Lines of the map around the ego vehicle.
            Defaults to ().
        anchors (np.ndarray, optional): Anchor trajectories of the planner,
            (A, T, 2) metres. Defaults to None.
    """

    agents: AgentBoxes | None = None
    road: Sequence[RoadLine] = ()
    anchors: np.ndarray | None = None


def info_overlays(
    info: Mapping,
    data_root: str | Path = '',
    occ3d_ids: Mapping[int, int] | None = None,
    anchors: np.ndarray | None = None,
) -> FrameOverlays:
    """Read the boxes and the map around a frame of an info file.

    Args:
        info (Mapping): Element of ``data_list``, or an item of
            ``NuScenesOccDataset``.
        data_root (str | Path): Root of the data set. The map is read from
            its ``maps/expansion/<location>.json``; without that file, or
            without ``location`` and ``ego2global`` in ``info``, no map is
            drawn. Defaults to ''.
        occ3d_ids (Mapping[int, int], optional): Occ3D ids by the labels of
            the file, see ``info_agents``. Defaults to None.
        anchors (np.ndarray, optional): Anchor trajectories of the planner,
            (A, T, 2) metres. Defaults to None.

    Raises:
        ValueError: If a box or a pose is not finite, or the map is damaged.
    """
    path = Path(data_root, 'maps', 'expansion', f'{info.get("location")}.json')
    known = 'location' in info and 'ego2global' in info and path.is_file()
    return FrameOverlays(
        info_agents(info, occ3d_ids),
        road_lines(path, info['ego2global']) if known else (),
        anchors,
    )
