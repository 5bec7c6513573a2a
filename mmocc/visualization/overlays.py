"""Boxes, map and anchors that are drawn over a frame."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmocc.infos import InfoFrame, map_path
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
    anchors: np.ndarray | None = None,
) -> FrameOverlays:
    """Read the boxes and the map around a frame of an info file.

    Args:
        info (Mapping): Item of ``NuScenesOccDataset``, or an element of
            ``data_list`` whose box labels are Occ3D ids.
        data_root (str | Path): Root of the data set. The map is read from
            ``map_path`` of ``info``, else from
            ``maps/expansion/<location>.json`` below the root. Without that
            file, or without ``ego2global``, no map is drawn. Defaults to ''.
        anchors (np.ndarray, optional): Anchor trajectories of the planner,
            (A, T, 2) metres. Defaults to None.

    Raises:
        ValueError: If a box or a pose is not finite, or the map is damaged.
    """
    frame = InfoFrame(info)
    path = Path(info.get('map_path') or map_path(data_root, frame.location))
    known = 'ego2global' in info and path.is_file()
    return FrameOverlays(
        info_agents(info),
        road_lines(path, info['ego2global']) if known else (),
        anchors,
    )
