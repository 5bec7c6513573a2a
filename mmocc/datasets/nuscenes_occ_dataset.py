"""The data set of nuScenes key frames with occupancy and language."""

import os.path as osp
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from mmdet3d.datasets import NuScenesDataset
from mmengine.logging import MMLogger

from mmocc.datasets.sample_error import sample_error
from mmocc.infos import (
    InfoFileError,
    InfoFrame,
    SceneTimeline,
    load_info_file,
)
from mmocc.infos.schema import check_details
from mmocc.registry import DATASETS
from mmocc.structures import CAMERAS, OCC3D_CLASSES, OCC3D_PALETTE
from mmocc.structures.driving_qa import is_answer

# Where nuScenes keeps its key frames below the data root.
NUSCENES_PREFIX = {
    'pts': 'samples/LIDAR_TOP',
    'sweeps': 'sweeps/LIDAR_TOP',
    **{camera: f'samples/{camera}' for camera in CAMERAS},
}

# Boxes in each image: no transform here reads them, and they are large.
UNREAD_KEYS = ('cam_instances',)


# What `filter_cfg = dict(require=[...])` may ask of a frame.
REQUIREMENTS: dict[str, Callable[[InfoFrame], bool]] = {
    'occ': lambda frame: bool(frame.occ_path),
    'future': lambda frame: bool(frame.fut_mask.all()),
    'meta_action': lambda frame: frame.meta_label is not None,
    'cot': lambda frame: is_answer(frame.cot),
    'qa': lambda frame: frame.has_answer('qa'),
    'text': lambda frame: frame.has_text,
}


@DATASETS.register_module()
class NuScenesOccDataset(NuScenesDataset):
    """Key frames of nuScenes, or of anything with the same info file.

    An item holds all that the info file says about the frame, under the same
    keys (``mmocc.infos.schema``); transforms turn it into a sample. A frame
    without boxes is kept, and an info file without any ground truth serves
    for inference.

    Boxes and voxels share Occ3D's class ids: box labels are renamed by class
    name when the file is read (a car is 4 in both).

    Args:
        ann_file (str): The info file, relative to ``data_root``.
        data_root (str): Root of the data set. ``occ_path`` in the info file
            is relative to it. Defaults to ''.
        pipeline (Sequence[dict | Callable]): Transforms. Defaults to ().
        data_prefix (Mapping[str, str], optional): Folder of each sensor
            below ``data_root``; the key ``img`` stands for cameras that are
            not named. Defaults to nuScenes' layout.
        modality (Mapping[str, bool], optional): ``use_camera`` and
            ``use_lidar``, whose paths get their folder. Defaults to cameras
            alone.
        load_boxes (bool): Whether items carry mmdet3d's ``ann_info``
            (``eval_ann_info`` in test mode) for transforms that want boxes.
            The raw ``instances`` are always there. Defaults to False.
        test_mode (bool): mmengine's flag. Defaults to False.
        filter_cfg (Mapping, optional): ``dict(require=[...])`` keeps the
            frames that have all the parts named, out of ``occ``, ``future``
            (all steps), ``meta_action``, ``cot``, ``qa`` (a question with an
            answer) and ``text`` (a chain of thought, or an answer of ``qa``
            or ``captions``). Defaults to None, every frame.
        num_history (int): Number of key frames before each frame that items
            hold as ``history``: infos, the nearest first, None where the
            scene has none within 0.25 s of where it should be. Defaults to 0.
        num_future (int): Number of key frames after it that items hold as
            ``future``, for ground truth alone. Defaults to 0.
            Both need a file that tells scenes apart and has times.
        indices (int | Sequence[int], optional): Keep the first so many, or
            these, frames. Defaults to None.
        metainfo (dict, optional): Entries that replace those of ``METAINFO``.
        serialize_data (bool): Whether worker processes share one packed copy
            of the infos. Defaults to True.
        lazy_init (bool): Whether to read the file at the first use only.
            Defaults to False.
    """

    METAINFO = {
        'classes': OCC3D_CLASSES,
        'palette': OCC3D_PALETTE,
        'version': NuScenesDataset.METAINFO['version'],
    }

    def __init__(
        self,
        ann_file: str,
        data_root: str = '',
        pipeline: Sequence[dict | Callable] = (),
        data_prefix: Mapping[str, str] | None = None,
        modality: Mapping[str, bool] | None = None,
        load_boxes: bool = False,
        test_mode: bool = False,
        filter_cfg: Mapping | None = None,
        num_history: int = 0,
        num_future: int = 0,
        indices: int | Sequence[int] | None = None,
        metainfo: dict | None = None,
        serialize_data: bool = True,
        lazy_init: bool = False,
    ) -> None:
        self.load_boxes = load_boxes
        self.num_history, self.num_future = num_history, num_future
        self._draw = torch.zeros(2, dtype=torch.int64)  # seed, epoch
        self._timeline: SceneTimeline | None = None
        # mmdet3d prints a table of boxes per class unless it is lazy; most
        # pipelines here read no boxes, so one line does.
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            pipeline=list(pipeline),
            data_prefix=dict(
                NUSCENES_PREFIX if data_prefix is None else data_prefix
            ),
            modality=dict(
                {'use_camera': True} if modality is None else modality
            ),
            filter_empty_gt=False,
            load_eval_anns=load_boxes,
            test_mode=test_mode,
            filter_cfg=filter_cfg,
            indices=indices,
            metainfo=metainfo,
            serialize_data=serialize_data,
            lazy_init=True,
        )
        if not lazy_init:
            self.full_init()
            MMLogger.get_current_instance().info(
                f'{len(self)} frames of {self.ann_file}'
            )

    def full_init(self) -> None:
        """Read the file, keep the frames asked for, and pack them."""
        if not self._fully_initialized:
            super().full_init()
            if self._indices is not None:
                self._timeline = self._timeline_of(self._indices)

    def get_subset_(self, indices: int | Sequence[int]) -> None:
        """Keep the first so many frames, the last (negative), or these."""
        timeline = self._timeline_of(indices)
        super().get_subset_(indices)
        self._timeline = timeline

    def get_subset(self, indices: int | Sequence[int]) -> 'NuScenesOccDataset':
        """Return a data set of some frames, see ``get_subset_``."""
        subset = super().get_subset(indices)
        subset._timeline = self._timeline_of(indices)
        return subset

    def _timeline_of(
        self, indices: int | Sequence[int]
    ) -> SceneTimeline | None:
        self.full_init()
        if self._timeline is None:
            return None
        places = np.arange(len(self._timeline.times))
        if isinstance(indices, int):
            few = slice(indices) if indices >= 0 else slice(indices, None)
            return self._timeline.chosen(places[few])
        return self._timeline.chosen(places[list(indices)])

    def load_data_list(self) -> list[dict]:
        """Read the info file.

        Returns:
            list[dict]: The frames with complete paths and Occ3D's labels.

        Raises:
            InfoFileError: If the file cannot be read, is of another version,
                or a key has another type or shape than expected.
            SampleError: If a frame lacks what every frame needs, or a box has
                a class id that the file does not name.
        """
        content = load_info_file(self.ann_file)
        self._timeline = self._read_scenes(content['data_list'])
        # The rest of the file's metainfo names its origin. It stays out of
        # ours, which ConcatDataset wants equal in all parts.
        categories = content['metainfo'].get('categories')
        if categories is None:
            names = NuScenesDataset.METAINFO['classes']
            categories = {name: index for index, name in enumerate(names)}
        self._occ3d_ids = {
            index: OCC3D_CLASSES.index(name)
            for name, index in categories.items()
            if name in OCC3D_CLASSES
        }
        self._occ3d_ids[-1] = -1
        return [self._parse(info) for info in content['data_list']]

    def _parse(self, info: dict) -> dict:
        """Complete a frame; what cannot be completed is named by its key."""
        try:
            return self.parse_data_info(info)
        except (AttributeError, KeyError, TypeError):
            check_details(info, self._place_of(info))
            raise

    def _place_of(self, info: Mapping[str, Any]) -> str:
        return f'sample {info.get("token", "(unknown)")} of {self.ann_file}'

    def _read_scenes(self, data_list: list[dict]) -> SceneTimeline | None:
        """Find scene and time of each frame; None where nobody needs them."""
        try:
            return SceneTimeline.read(data_list, self.ann_file)
        except InfoFileError as error:
            if not (self.num_history or self.num_future):
                return None
            raise InfoFileError(
                f'num_history={self.num_history} and num_future='
                f'{self.num_future} of the data set need scenes and times: '
                f'{error}'
            ) from error

    def parse_data_info(self, info: dict) -> dict:
        """Complete the paths of a frame and rename its box labels.

        Args:
            info (dict): The frame's entry of the info file; is changed.

        Returns:
            dict: The entry with ``ann_info`` where boxes are asked for.
        """
        token = info.get('token', '(unknown)')
        for key in ('token', 'images'):
            if key not in info:
                raise sample_error(
                    token,
                    self.ann_file,
                    f'a frame has no {key!r}',
                    "mmdet3d's info_version 1.1",
                    'make the file with tools/create_data.py',
                )
        for key in UNREAD_KEYS:
            info.pop(key, None)
        frame = InfoFrame(info)
        info.update(
            instances=[
                self._rename_labels(token, box) for box in frame.instances
            ],
        )
        if frame.occ_path:
            info.update(occ_path=osp.join(self.data_root, frame.occ_path))
        return super().parse_data_info(info)

    def _rename_labels(self, token: str, instance: dict) -> dict:
        """Convert the labels of a box to Occ3D ids, -1 for ignored ones."""
        instance = dict(instance)
        for key in ('bbox_label', 'bbox_label_3d'):
            label = instance.get(key, -1)
            if label not in self._occ3d_ids:
                raise sample_error(
                    token,
                    self.ann_file,
                    f'a box has the unknown class id {label} in {key!r}',
                    f'one of {sorted(self._occ3d_ids)}',
                    "correct the labels, or `metainfo['categories']` (class "
                    'name to id) of the file',
                )
            instance[key] = self._occ3d_ids[label]
        return instance

    def parse_ann_info(self, info: dict) -> dict | None:
        """Return the boxes as mmdet3d's transforms want them, if asked for."""
        return super().parse_ann_info(info) if self.load_boxes else {}

    def get_cat_ids(self, idx: int) -> set[int]:
        """Return the classes of a frame's valid boxes, for class balance.

        Args:
            idx (int): Place of the frame.

        Returns:
            set[int]: Occ3D ids; empty without boxes. ``load_boxes`` makes no
            difference.
        """
        boxes = InfoFrame(self.get_data_info(idx)).lidar_boxes
        return set(boxes.labels[boxes.valid].tolist()) - {-1}

    def filter_data(self) -> list[dict]:
        """Keep the frames that have what ``filter_cfg`` requires.

        Returns:
            list[dict]: Entries in the order of the file.

        Raises:
            ValueError: If a requirement is unknown, the file lacks a key
                altogether, or no frame is left.
        """
        required = (self.filter_cfg or {}).get('require', ())
        unknown = sorted(set(required) - set(REQUIREMENTS))
        if unknown:
            raise ValueError(
                f'filter_cfg requires {unknown}; expected names out of '
                f'{sorted(REQUIREMENTS)}'
            )
        try:
            places = [
                place
                for place, info in enumerate(self.data_list)
                if all(
                    REQUIREMENTS[name](InfoFrame(info)) for name in required
                )
            ]
        except InfoFileError as error:
            raise ValueError(
                f'filter_cfg requires {list(required)} of {self.ann_file}: '
                f'{error}, or ask for less'
            ) from error
        if not places:
            raise ValueError(
                f'none of the {len(self.data_list)} frames of '
                f'{self.ann_file} has all of {list(required)} '
                '(filter_cfg.require); ask for less, or use another file'
            )
        if len(places) < len(self.data_list):
            MMLogger.get_current_instance().info(
                f'{len(places)} of {len(self.data_list)} frames of '
                f'{self.ann_file} have all of {list(required)}'
            )
        if self._timeline is not None:
            self._timeline = self._timeline.chosen(places)
        return [self.data_list[place] for place in places]

    def prepare_data(self, index: int) -> Any:
        """Run the pipeline on a frame.

        ``results['draw']`` holds the run's seed and the epoch; random
        transforms draw from these two and the sample token alone, so what
        they do depends neither on the number of workers or processes nor on
        whether a run was interrupted.

        Args:
            index (int): Place of the frame.

        Returns:
            Any: What the last transform returns: ``inputs`` and
            ``data_samples`` in the pipelines here.
        """
        results = self.get_data_info(index)
        check_details(results, self._place_of(results))
        results['draw'] = tuple(self._draw.tolist())
        results['box_type_3d'] = self.box_type_3d
        results['box_mode_3d'] = self.box_mode_3d
        if self.num_history:
            results['history'] = self.get_neighbours(
                index, self.num_history, -1
            )
        if self.num_future:
            results['future'] = self.get_neighbours(index, self.num_future, 1)
        return self.pipeline(results)

    def set_epoch(self, seed: int, epoch: int) -> None:
        """Announce an epoch to all processes that hold this data set.

        The first call must come before loader processes start: from then on
        they share the numbers.

        Args:
            seed (int): The run's seed.
            epoch (int): Epoch from 0.
        """
        self._draw.share_memory_()
        self._draw[0], self._draw[1] = seed, epoch

    def get_neighbours(
        self, index: int, count: int, step: int
    ) -> list[dict | None]:
        """Return the frames of the same scene before or after a frame.

        Args:
            index (int): Place of the frame.
            count (int): Number of key frames (0.5 s each).
            step (int): -1 for the past, 1 for the future.

        Returns:
            list[dict | None]: Infos, the nearest first, wherever they lie in
            the file; None beyond the ends of the scene, and where a frame was
            left out or filtered out.

        Raises:
            InfoFileError: If the file does not tell scenes apart.
        """
        self.full_init()
        if self._timeline is None:
            raise InfoFileError(
                f'{self.ann_file} does not tell scenes apart, so frames have '
                'no neighbours; make it with tools/create_data.py'
            )
        places = self._timeline.neighbours(index, count, step)
        infos = [None if p is None else self.get_data_info(p) for p in places]
        for info in infos:
            if info is not None:
                check_details(info, self._place_of(info))
        return infos
