"""A scene frame by frame, as a car drives through it."""

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


class _Seen(NamedTuple):
    """A past frame, and the feature maps (1, V, D, h, w) of its images."""

    frame: Mapping
    maps: list[Tensor]


class SceneStream:
    """Predicts on frames as they come, each with those before it as its past.

    Results are those of frames that bring their past along
    (:func:`with_history`), but every image is read once and goes through the
    backbone once. Models that do not look back have nothing to keep.

    Frames are key frames, 0.5 s after each other. Where they come from an
    info file, ``scene_token`` and ``frame_idx`` are heeded: another scene
    starts anew, and a frame that is left out is a gap in the past. A frame
    that cannot be used raises its error and becomes a gap as well; the stream
    goes on with the next one.

    .. code-block:: python

        stream = SceneStream(inferencer)
        for info in scene_infos(infos, 'scene-0103'):
            sample = stream.step(info_frame(info, root), 'Is there a car?')

    Args:
        inferencer (VLAInferencer): Runs the model.
    """

    def __init__(self, inferencer: VLAInferencer) -> None:
        self.inferencer = inferencer
        # The nearest first; None is a gap.
        self._past: deque[_Seen | None] = deque(maxlen=inferencer.num_history)
        self._last: tuple[str, int] | None = None
        self._views = ViewMemory()

    def step(
        self, frame: Mapping, questions: Sequence[str] | str | None = None
    ) -> OccDataSample:
        """Predict on the next frame.

        Args:
            frame (Mapping): From ``camera_frame`` or ``info_frame``; a
                history of its own is not read. Models that look back need
                its ``ego2global``.
            questions (Sequence[str] | str, optional): As for
                ``VLAInferencer.predict``.

        Returns:
            OccDataSample: On the CPU, with predictions.

        Raises:
            SampleError: If the frame cannot be used, or is no later than the
                one before it.
        """
        self._advance(frame)
        maps = None
        try:
            maps, sample = self._predict(frame, questions)
        finally:
            seen = None if maps is None else _Seen(frame, maps)
            self._past.appendleft(seen)
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
        """Take one step for each frame; ends at the first error.

        Args:
            frames (Iterable[Mapping]): As for :meth:`step`.
            questions (Sequence[str] | str, optional): Asked on each.

        Yields:
            OccDataSample: As soon as the frame has come.
        """
        for frame in frames:
            yield self.step(frame, questions)

    def _advance(self, frame: Mapping) -> None:
        """Start anew in another scene, and leave gaps for missing frames."""
        if 'scene_token' not in frame:
            return
        scene, index = frame['scene_token'], frame['frame_idx']
        if self._last is not None and self._last[0] == scene:
            ahead = index - self._last[1]
            if ahead < 1:
                raise sample_error(
                    frame['token'],
                    'the stream',
                    f'frame {index} of scene {scene} behind frame '
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
        """Feature maps of the frame's own images, and the prediction."""
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
            batch = inferencer.preprocess(
                [with_history(frame, past)], questions
            )
        finally:
            for loader in loaders:
                loader.memory = None
        data = inferencer.model.data_preprocessor(batch, False)
        views = len(inferencer.cameras)
        imgs = data['inputs']['imgs']  # (1, T * V, 3, H, W), now first
        maps = inferencer.model.extract_feat(imgs[:, :views])
        every = [maps]
        oldest = maps
        for each in self._padded_past():
            oldest = oldest if each is None else each.maps
            every.append(oldest)
        data['inputs']['maps'] = [
            torch.cat(level, dim=1) for level in zip(*every, strict=True)
        ]
        [sample] = inferencer.model.predict(**data)
        return maps, sample.cpu()

    def _padded_past(self) -> list[_Seen | None]:
        """As many places as the model looks back."""
        missing = self._past.maxlen - len(self._past)
        return [*self._past, *[None] * missing]
