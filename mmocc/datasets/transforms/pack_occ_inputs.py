"""Pack the loaded arrays into model inputs and a data sample."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import BaseDataElement

from mmocc.registry import TRANSFORMS
from mmocc.structures import OccDataSample

# Labels of forecasts, where LoadFutureOcc3D was in the pipeline.
FUTURE = ('future_semantics', 'future_mask_camera', 'future_valid')
# Scene of frames whose info file does not tell (plain mmdet3d files).
UNKNOWN = {'scene_token': '', 'scene_name': '', 'frame_idx': -1}


@TRANSFORMS.register_module()
class PackOccInputs(BaseTransform):
    """Pack model inputs and an ``OccDataSample``; the last transform.

    A field is there if its loader was in the pipeline: ``gt_occ``,
    ``gt_ego``, ``gt_text`` and ``gt_meta``. ``inputs['img']`` is (V, 3, H, W),
    the views of past frames behind those of the frame itself.

    Meta information: ``token``, ``scene_token``, ``scene_name``,
    ``frame_idx``, and with images ``cam2img`` (V, 3, 3) at the model's image
    size, ``cam2ego`` (V, 4, 4), ``lidar2ego`` (4, 4), ``img_shape``
    (height, width), ``cam_names`` and ``img_paths``. Geometry is float64
    NumPy.

    Args:
        meta_keys (Sequence[str]): Further keys of ``results`` that become
            meta information, such as ``lidar2img`` or ``timestamp``.
            Defaults to ().
    """

    def __init__(self, meta_keys: Sequence[str] = ()) -> None:
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        """Pack a frame.

        Args:
            results (dict): What the loaders of the pipeline have added.

        Returns:
            dict: ``inputs`` (dict) and ``data_samples`` (OccDataSample).
        """
        sample = OccDataSample()
        sample.set_metainfo(self._metainfo(results))
        if 'voxel_semantics' in results:
            sample.gt_occ = BaseDataElement(
                semantics=torch.from_numpy(
                    np.ascontiguousarray(results['voxel_semantics'])
                ),
                mask_camera=torch.from_numpy(
                    np.ascontiguousarray(results['mask_camera'])
                ),
                mask_lidar=torch.from_numpy(
                    np.ascontiguousarray(results['mask_lidar'])
                ),
            )
        for key in FUTURE:
            if key in results:
                field = torch.from_numpy(np.ascontiguousarray(results[key]))
                sample.gt_occ.set_field(field, key)
        for key in ('gt_ego', 'gt_meta'):
            if key in results:
                element = BaseDataElement()
                for name, value in results[key].items():
                    element.set_field(torch.as_tensor(value), name)
                setattr(sample, key, element)
        if 'questions' in results:
            sample.gt_text = self._text(results)
        inputs = {}
        if 'img' in results:
            images = np.stack(results['img'])  # (V, H, W, 3)
            inputs['img'] = (
                torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
            )
        return {'inputs': inputs, 'data_samples': sample}

    def _metainfo(self, results: dict) -> dict:
        metainfo = {'token': results['token']}
        for key, value in UNKNOWN.items():
            metainfo[key] = results.get(key, value)
        if 'img' in results:
            metainfo.update(
                cam2img=np.stack(results['cam2img']),
                cam2ego=results['cam2ego'],
                lidar2ego=results['lidar2ego'],
                img_shape=tuple(results['img'][0].shape[:2]),
                cam_names=list(results['cam_names']),
                img_paths=list(results['filename']),
            )
        for key in self.meta_keys:
            metainfo[key] = results[key]
        return metainfo

    @staticmethod
    def _text(results: dict) -> BaseDataElement:
        text = BaseDataElement()
        text.set_field(results['questions'], 'questions')
        for key in ('input_ids', 'labels'):
            if key in results:
                tensors = [torch.from_numpy(ids) for ids in results[key]]
                text.set_field(tensors, key)
        return text
