"""Frames of an info file, each with its past."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmocc.apis.frames import info_frame, with_history
from mmocc.infos import (
    InfoFileError,
    class_names,
    find_neighbours,
    group_scenes,
    load_info_file,
)
from mmocc.infos.scenes import missing_for_scenes
from mmocc.structures import OCC3D_CLASSES


def frame_with_past(
    infos: Sequence[Mapping],
    info: Mapping,
    num_history: int,
    data_root: str | os.PathLike = '',
    images_dir: str | os.PathLike | None = None,
) -> dict:
    """Make a frame of an element of an info file, with its past.

    Args:
        infos (Sequence[Mapping]): ``data_list`` of the file.
        info (Mapping): One of its elements.
        num_history (int): Number of past key frames,
            ``VLAInferencer.num_history``.
        data_root (str | PathLike): See ``info_frame``. Defaults to ''.
        images_dir (str | PathLike, optional): See ``info_frame``. Defaults
            to None.

    Raises:
        SampleError: If an image of the frame or of its past does not exist.
    """
    past = find_neighbours(info, infos, num_history, step=-1)
    frame, *past = [
        each and info_frame(each, data_root, images_dir)
        for each in [info, *past]
    ]
    return with_history(frame, past)


class FrameReader(Sequence):
    """Read frames of an info file, each with the key frames before it.

    Boxes get Occ3D ids as labels, as in ``NuScenesOccDataset``; -1 stands for
    classes that Occ3D does not have.

    .. code-block:: python

        frames = FrameReader('nuscenes_infos_occ_val.pkl', 1)
        inferencer.predict([frames[3]])

    Args:
        path (str | PathLike): The info file.
        num_history (int): Number of past key frames,
            ``VLAInferencer.num_history``. Defaults to 0.
        data_root (str | PathLike, optional): Folder that the paths of the
            file start from. Defaults to None, the folder of the file.
        images_dir (str | PathLike, optional): Folder of the images, see
            ``info_frame``. Defaults to None.

    Raises:
        InfoFileError: If the file cannot be read.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        num_history: int = 0,
        data_root: str | os.PathLike | None = None,
        images_dir: str | os.PathLike | None = None,
    ) -> None:
        content = load_info_file(path)
        self.path = Path(path)
        self.infos = content['data_list']
        self.num_history = num_history
        self.data_root = self.path.parent if data_root is None else data_root
        self.images_dir = images_dir
        self._occ3d_ids = {
            label: OCC3D_CLASSES.index(name)
            for label, name in class_names(content['metainfo']).items()
            if name in OCC3D_CLASSES
        }

    def __len__(self) -> int:
        return len(self.infos)

    def __getitem__(self, index: int) -> dict:
        """Make the frame at a position from 0, see ``info_frame``.

        Raises:
            IndexError: If there is no such frame.
            SampleError: If an image of it or of its past does not exist.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        frame = frame_with_past(
            self.infos,
            self.infos[index],
            self.num_history,
            self.data_root,
            self.images_dir,
        )
        frame['instances'] = [
            {
                **box,
                'bbox_label_3d': self._occ3d_ids.get(box['bbox_label_3d'], -1),
            }
            for box in frame.get('instances', ())
        ]
        return frame

    def find(self, index: int = 0, token: str | None = None) -> int:
        """Check the position of a frame, or find it by its token.

        Args:
            index (int): Position from 0. Defaults to 0.
            token (str, optional): Token in place of ``index``. Defaults to
                None.

        Raises:
            InfoFileError: If there is no such frame.
        """
        if token is not None:
            for place, info in enumerate(self.infos):
                if info.get('token') == token:
                    return place
            raise InfoFileError(
                f'none of the {len(self)} frames of {self.path} has the token '
                f'{token!r}; correct --token, or use --index'
            )
        if not 0 <= index < len(self):
            raise InfoFileError(
                f'there is no frame {index} among the {len(self)} of '
                f'{self.path}; choose one from 0 to {len(self) - 1}'
            )
        return index

    def scene_of(self, index: int) -> list[int]:
        """List the positions of a frame's scene in order of time.

        It is all frames where the file does not tell scenes apart.

        Args:
            index (int): Position of the frame.
        """
        if missing_for_scenes(self.infos):
            return list(range(len(self)))
        places = {info['token']: i for i, info in enumerate(self.infos)}
        for scene in group_scenes(self.infos, str(self.path)):
            members = [places[info['token']] for info in scene.infos]
            if index in members:
                return members
        raise IndexError(index)
