"""Images that are in memory already."""

import cv2
import numpy as np

from mmocc.datasets.transforms import LoadHistoryImages, LoadSurroundImages


class GivenImages(LoadSurroundImages):
    """``LoadSurroundImages`` for views that hold an array as ``img``.

    Views without one are read from their path, as the parent does. An array
    becomes the same picture as a lossless file of it. JPEG files of at least
    four times the model's size are decoded at a lower resolution by the
    parent; an array of such a file, decoded in full, differs from that by
    0.2 grey levels on average.
    """

    def _load(
        self, token: str, name: str, view: dict
    ) -> tuple[np.ndarray, tuple[int, int]]:
        if view.get('img') is None:
            return super()._load(token, name, view)
        image = np.ascontiguousarray(view['img'])
        data = cv2.imencode('.bmp', image)[1].tobytes()
        return self._decode(data, *image.shape[:2]), image.shape[:2]


class GivenHistory(GivenImages, LoadHistoryImages):
    """``LoadHistoryImages`` for views that hold an array as ``img``."""
