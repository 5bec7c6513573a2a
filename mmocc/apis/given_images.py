"""Loaders of images that are in memory already."""

from collections.abc import Iterable

import cv2
import numpy as np

from mmocc.datasets.transforms import LoadHistoryImages, LoadSurroundImages

Loaded = tuple[np.ndarray, tuple[int, int]]


class ViewMemory:
    """A cache of loaded images by view.

    Views are compared by identity, not by path: one's own cameras may write
    each frame to the same file.
    """

    def __init__(self) -> None:
        self._loaded: dict[int, tuple[dict, Loaded]] = {}

    def get(self, view: dict) -> Loaded | None:
        """Return the loaded image of a view, None without one."""
        return self._loaded.get(id(view), (None, None))[1]

    def put(self, view: dict, loaded: Loaded) -> None:
        """Store a loaded image, and its view to keep the ``id`` valid."""
        self._loaded[id(view)] = view, loaded

    def keep_only(self, views: Iterable[dict]) -> None:
        """Remove all other views."""
        kept = {id(view) for view in views}
        self._loaded = {k: v for k, v in self._loaded.items() if k in kept}


class GivenImages(LoadSurroundImages):
    """Load images that views hold as an array ``img``, or from their paths.

    An array gives the same image as a lossless file of it. JPEG files of at
    least four times the model's size are decoded at a lower resolution by
    ``LoadSurroundImages``; the array of such a file, decoded in full, differs
    from that by 0.2 grey levels on average.

    Attributes:
        memory (ViewMemory, optional): Cache, so that no view is loaded twice.
            Defaults to None.
    """

    memory: ViewMemory | None = None

    def _load(self, token: str, name: str, view: dict) -> Loaded:
        loaded = None if self.memory is None else self.memory.get(view)
        if loaded is None:
            loaded = self._load_anew(token, name, view)
            if self.memory is not None:
                self.memory.put(view, loaded)
        return loaded

    def _load_anew(self, token: str, name: str, view: dict) -> Loaded:
        if view.get('img') is None:
            return super()._load(token, name, view)
        image = np.ascontiguousarray(view['img'])
        data = cv2.imencode('.bmp', image)[1].tobytes()
        return self._decode(data, *image.shape[:2]), image.shape[:2]


class GivenHistory(GivenImages, LoadHistoryImages):
    """Load past images that views hold as arrays, or from their paths."""
