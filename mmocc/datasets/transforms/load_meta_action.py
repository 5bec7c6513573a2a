"""Load meta-action labels."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmocc.datasets.sample_error import sample_error
from mmocc.registry import TRANSFORMS
from mmocc.structures import DIRECTIONS, SPEEDS
from mmocc.structures.meta_action import IGNORE


@TRANSFORMS.register_module()
class LoadMetaAction(BaseTransform):
    """Load the meta-action label as class indices.

    Required Keys: ``token``, ``meta_action`` (a dict with ``speed`` and
    ``direction``; None where the future is too short for a label).

    Added Keys: ``gt_meta``, ``dict(speed, direction)`` of int64, -1 where
    there is no label.
    """

    def transform(self, results: dict) -> dict:
        """Load the label of a frame.

        Args:
            results (dict): Has the required keys.

        Returns:
            dict: ``results`` with ``gt_meta``.

        Raises:
            SampleError: If the key is missing or a word is unknown.
        """
        label = results.get('meta_action', {})
        if label is None:
            label = {'speed': None, 'direction': None}
        results['gt_meta'] = {
            'speed': self._index(results['token'], label, 'speed', SPEEDS),
            'direction': self._index(
                results['token'], label, 'direction', DIRECTIONS
            ),
        }
        return results

    @staticmethod
    def _index(
        token: str, label: dict, part: str, words: tuple[str, ...]
    ) -> np.int64:
        word = label.get(part, 'nothing')
        if word is None:
            return np.int64(IGNORE)
        if word not in words:
            raise sample_error(
                token,
                "key 'meta_action' of the info file",
                f'{part} is {word!r}',
                f'one of {words}',
                'label the frames with tools/create_data.py, or take '
                'LoadMetaAction out of the pipeline',
            )
        return np.int64(words.index(word))
