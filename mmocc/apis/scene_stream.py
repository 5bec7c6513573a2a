"""Predict a scene frame by frame, as a car drives through it."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mmocc.apis.frames import with_history
from mmocc.apis.given_images import GivenImages, ViewMemory
from mmocc.apis.vla_inferencer import VLAInferencer
from mmocc.datasets.sample_error import sample_error
from mmocc.structures import OccDataSample


class _PastFrame(NamedTuple):
    """A past frame and the feature maps (1, V, D, h, w) of its images."""

    frame: Mapping
    maps: list[Tensor]


class SceneStream:
    """Predict frames one by one, each with the frames before it as its past.

    The results are those of frames with their past (:func:`with_history`),
    but each image is read once and passes the backbone once. Nothing is
    cached for models that do not look back.

    Frames are key frames at steps of 0.5 s. ``scene_token`` and ``frame_idx``
    of an info file are respected: another scene starts without a past, and a
    frame that was left out is a gap in the past. A frame that cannot be used
    raises its error and becomes a gap as well; the stream can go on.

    .. code-block:: python

        stream = SceneStream(inferencer)
        for info in find_scene(infos, 'scene-0103'):
            sample = stream.step(info_frame(info, root), 'Is there a car?')

    Args:
        inferencer (VLAInferencer): Inferencer of the model.
    """

    def __init__(self, inferencer: VLAInferencer) -> None:
        self.inferencer = inferencer
        # The latest frame first; None is a gap.
        self._past: deque[_PastFrame | None] = deque(
            maxlen=inferencer.num_history
        )
        self._last: tuple[str, int] | None = None
        self._views = ViewMemory()

    def step(
        self, frame: Mapping, questions: Sequence[str] | str | None = None
    ) -> OccDataSample:
        """Predict the next frame.

        Args:
            frame (Mapping): From ``camera_frame`` or ``info_frame``; its own
                history is not read. Models that look back need its
                ``ego2global``.
            questions (Sequence[str] | str, optional): See
                ``VLAInferencer.preprocess``. Defaults to None.

        Returns:
            OccDataSample: Predictions, on the CPU.

        Raises:
            SampleError: If the frame cannot be used, or is not later than
                the frame before it.
        """
        self._advance(frame)
        maps = None
        try:
            maps, sample = self._predict(frame, questions)
        finally:
            past = None if maps is None else _PastFrame(frame, maps)
            self._past.appendleft(past)
            self._views.keep_only(
                view
                for past in filter(None, self._past)
                for view in past.frame['images'].values()
            )
        return sample

    def run(
        self,
        frames: Iterable[Mapping],
        questions: Sequence[str] | str | None = None,
    ) -> Iterator[OccDataSample]:
        """Predict frames in order until the first error.

        Args:
            frames (Iterable[Mapping]): See :meth:`step`.
            questions (Sequence[str] | str, optional): Questions about each
                frame. Defaults to None.

        Yields:
            OccDataSample: Predictions of each frame.
        """
        for frame in frames:
            yield self.step(frame, questions)

    def _advance(self, frame: Mapping) -> None:
        """Forget the past in another scene; add gaps for missing frames."""
        if 'scene_token' not in frame:
            return
        scene, index = frame['scene_token'], frame['frame_idx']
        if self._last is not None and self._last[0] == scene:
            ahead = index - self._last[1]
            if ahead < 1:
                raise sample_error(
                    frame['token'],
                    'the stream',
                    f'frame {index} of scene {scene} after frame '
                    f'{self._last[1]}',
                    'a later one',
                    'sort the frames, or use a SceneStream for each pass',
                )
            self._past.extendleft([None] * min(ahead - 1, self._past.maxlen))
        else:
            self._past.clear()
        self._last = scene, index

    @torch.no_grad()
    def _predict(
        self, frame: Mapping, questions: Sequence[str] | str | None
    ) -> tuple[list[Tensor] | None, OccDataSample]:
        """Return the feature maps of the frame's images and its prediction."""
        inferencer = self.inferencer
        if not inferencer.num_history:
            return None, inferencer.predict([frame], questions)[0]
        past = [each and each.frame for each in self._past]
        loaders = [
            each
            for each in inferencer.pipeline.transforms
            if isinstance(each, GivenImages)
        ]
        try:
            for loader in loaders:
                loader.memory = self._views
            [batch] = inferencer.preprocess(
                [with_history(frame, past)], questions=questions
            )
        finally:
            for loader in loaders:
                loader.memory = None
        data = inferencer.model.data_preprocessor(batch, False)
        views = len(inferencer.cameras)
        imgs = data['inputs']['imgs']  # (1, T * V, 3, H, W), now first
        maps = inferencer.model.extract_feat(imgs[:, :views])
        missing = self._past.maxlen - len(self._past)
        times = [maps]
        for each in [*self._past, *[None] * missing]:
            times.append(times[-1] if each is None else each.maps)
        data['inputs']['maps'] = [
            torch.cat(level, dim=1) for level in zip(*times, strict=True)
        ]  # each (1, T * V, D, h, w)
        [sample] = inferencer.model.predict(**data)
        return maps, sample.cpu()
