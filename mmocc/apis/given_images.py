"""Images that are in memory already."""

from collections.abc import Iterable

import cv2
import numpy as np

from mmocc.datasets.transforms import LoadHistoryImages, LoadSurroundImages

Loaded = tuple[np.ndarray, tuple[int, int]]


class ViewMemory:
    """What was loaded for views that will be asked for again.

    A view is told from others by being the same dict, not by its path: one's
    own cameras may write each moment to the same file.
    """

    def __init__(self) -> None:
        self._loaded: dict[int, tuple[dict, Loaded]] = {}

    def get(self, view: dict) -> Loaded | None:
        """What was loaded for a view, None if nothing was."""
        return self._loaded.get(id(view), (None, None))[1]

    def put(self, view: dict, loaded: Loaded) -> None:
        """Keep what was loaded, and the view, whose ``id`` stays its own."""
        self._loaded[id(view)] = view, loaded

    def keep_only(self, views: Iterable[dict]) -> None:
        """Forget all other views."""
        kept = {id(view) for view in views}
        self._loaded = {k: v for k, v in self._loaded.items() if k in kept}


class GivenImages(LoadSurroundImages):
    """``LoadSurroundImages`` for views that hold an array as ``img``.

    Views without one are read from their path, as the parent does. An array
    becomes the same picture as a lossless file of it. JPEG files of at least
    four times the model's size are decoded at a lower resolution by the
    parent; an array of such a file, decoded in full, differs from that by
    0.2 grey levels on average.

    Attributes:
        memory (ViewMemory, optional): Where there is one, no view is loaded
            twice.
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
    """``LoadHistoryImages`` for views that hold an array as ``img``."""
