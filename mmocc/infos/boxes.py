"""Boxes of a frame as arrays, in any coordinate frame; the only place.

Info files keep boxes in the LiDAR frame (x right, y forward). All of mmocc
works in the ego frame (x forward, y left, z up).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mmocc.infos.errors import InfoFileError

_UNKNOWN_VELOCITY = (np.nan, np.nan)


@dataclass(frozen=True)
class Boxes:
    """The M boxes of a frame.

    Attributes:
        instances (Sequence[Mapping]): Their entries of the info file; all
            that does not depend on the coordinate frame is read from them.
        centre (np.ndarray): (M, 3) metres.
        heading (np.ndarray): (M, 3) unit vectors along the length.
        size (np.ndarray): (M, 3) length, width, height in metres.
        velocity (np.ndarray): (M, 3) m/s, NaN where unknown.
    """

    instances: Sequence[Mapping[str, Any]]
    centre: np.ndarray
    heading: np.ndarray
    size: np.ndarray
    velocity: np.ndarray

    @classmethod
    def from_instances(
        cls, instances: Sequence[Mapping[str, Any]], token: str
    ) -> 'Boxes':
        """Read boxes in the LiDAR frame, as the info file has them.

        Args:
            instances (Sequence[Mapping]): ``instances`` of a frame.
            token (str): The frame's token, for messages.

        Raises:
            InfoFileError: A box is missing, misshapen or not finite.
        """
        try:
            boxes = np.array([i['bbox_3d'][:7] for i in instances], float)
            boxes = boxes.reshape(-1, 7)
            velocity = np.array(
                [i.get('velocity', _UNKNOWN_VELOCITY) for i in instances],
                float,
            ).reshape(-1, 2)
        except (KeyError, TypeError, ValueError) as error:
            raise _broken(token, f'is missing or misshapen ({error})') from (
                error
            )
        if not np.isfinite(boxes).all():
            raise _broken(token, 'holds values that are not finite')
        yaw, zero = boxes[:, 6], np.zeros(len(boxes))
        return cls(
            tuple(instances),
            boxes[:, :3],
            np.stack((np.cos(yaw), np.sin(yaw), zero), axis=-1),
            boxes[:, 3:6],
            np.column_stack((velocity, zero)),
        )

    def __len__(self) -> int:
        return len(self.centre)

    def transformed(self, transform: np.ndarray) -> 'Boxes':
        """Move the boxes into another frame by a rigid transform (4, 4)."""
        turn, shift = transform[:3, :3], transform[:3, 3]
        return replace(
            self,
            centre=self.centre @ turn.T + shift,
            heading=self.heading @ turn.T,
            velocity=self.velocity @ turn.T,
        )

    def bare(self) -> 'Boxes':
        """Keep the geometry alone, so that the file's entries can go."""
        return replace(self, instances=())

    def chosen(self, mask: np.ndarray) -> 'Boxes':
        """Keep the boxes of a mask (M,) bool."""
        return Boxes(
            tuple(self.instances[k] for k in np.flatnonzero(mask)),
            self.centre[mask],
            self.heading[mask],
            self.size[mask],
            self.velocity[mask],
        )

    @property
    def yaw(self) -> np.ndarray:
        """(M,) radians, of the headings' projections to the ground."""
        return np.arctan2(self.heading[:, 1], self.heading[:, 0])

    @property
    def poses(self) -> np.ndarray:
        """(M, 3) x, y, yaw."""
        return np.column_stack((self.centre[:, :2], self.yaw))

    @property
    def arrays(self) -> np.ndarray:
        """(M, 7) x, y, z, length, width, height, yaw."""
        return np.column_stack((self.centre, self.size, self.yaw))

    @cached_property
    def labels(self) -> np.ndarray:
        """(M,) int64 labels out of ``metainfo.categories``."""
        return np.array(self.column('bbox_label_3d'), dtype=np.int64)

    @cached_property
    def valid(self) -> np.ndarray:
        """(M,) bool, mmdet3d's flag; True where a file does not say."""
        return np.array(self.column('bbox_3d_isvalid', True), dtype=bool)

    @cached_property
    def tokens(self) -> list[str]:
        """Instance tokens: the same object in all frames of a scene."""
        return self.column('instance_token')

    @cached_property
    def categories(self) -> list[str]:
        """nuScenes' category names."""
        return self.column('category_name')

    @cached_property
    def attributes(self) -> list[str]:
        """nuScenes' attributes; '' where a file does not say."""
        return self.column('attribute', '')

    @cached_property
    def visibility(self) -> list[str]:
        """nuScenes' visibility tokens; '' where a file does not say."""
        return self.column('visibility', '')

    @cached_property
    def num_lidar_points(self) -> np.ndarray:
        """(M,) int64."""
        return np.array(self.column('num_lidar_pts'), dtype=np.int64)

    @cached_property
    def num_radar_points(self) -> np.ndarray:
        """(M,) int64."""
        return np.array(self.column('num_radar_pts'), dtype=np.int64)

    @property
    def known_futures(self) -> list[np.ndarray]:
        """M arrays (T, 3) x, y, yaw in the ego frame of the key frame.

        Only the steps that are known; none where a file has no futures.
        """
        none = np.zeros((0, 3)), np.zeros(0)
        futures = (
            (i.get('fut_box', none[0]), i.get('fut_mask', none[1]))
            for i in self.instances
        )
        return [
            np.asarray(box, dtype=float)[np.asarray(mask, dtype=bool)]
            for box, mask in futures
        ]

    def column(self, key: str, default: Any = None) -> list:
        """Return the values of a key of all boxes.

        Args:
            key (str): A key of ``instances``.
            default (Any): Value of boxes without the key. Defaults to None:
                they are refused.

        Raises:
            InfoFileError: A box lacks the key.
        """
        values = [i.get(key, default) for i in self.instances]
        if default is None and None in values:
            raise InfoFileError(
                f'a box lacks the key {key!r}; make the info file with '
                'tools/create_data.py'
            )
        return values


def _broken(token: str, problem: str) -> InfoFileError:
    return InfoFileError(
        f'frame {token}: bbox_3d or velocity of a box {problem}; expected 7 '
        'finite numbers x, y, z, length, width, height, yaw, and 2 of '
        'velocity; make the info file again with tools/create_data.py, or '
        'leave the frame out'
    )
