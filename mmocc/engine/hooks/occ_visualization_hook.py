"""``OccVisualizationHook``: a page for every N-th frame of val and test."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.fileio import get
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmocc.registry import HOOKS, VISUALIZERS
from mmocc.structures import OccDataSample


@HOOKS.register_module()
class OccVisualizationHook(Hook):
    """Draw every N-th frame that the main process evaluates.

    Pages land in ``<work_dir>/<out_dir>/val_<iteration>/`` and
    ``<work_dir>/<out_dir>/test/`` as ``<scene>_<frame>_<token>.png``, or
    ``<token>.png`` where the scene is not known. The run's visualizer must be
    an ``OccLocalVisualizer``.

    Args:
        interval (int): N, in frames; the first frame is drawn. Defaults
            to 50.
        out_dir (str): Folder within the work directory. Defaults to 'vis'.
        draw_gt (bool): Show ground truth. Defaults to True.
        draw_images (bool): Show the camera images; they are read again from
            ``img_paths``, at their own size. Defaults to True.
        backend_args (dict, optional): mmengine's file backend. Defaults to
            None, local files.
    """

    def __init__(
        self,
        interval: int = 50,
        out_dir: str = 'vis',
        draw_gt: bool = True,
        draw_images: bool = True,
        backend_args: dict | None = None,
    ) -> None:
        if interval < 1:
            raise ValueError(
                f'interval is {interval}, expected 1 (every frame) or more'
            )
        self.interval = interval
        self.out_dir = out_dir
        self.draw_gt = draw_gt
        self.draw_images = draw_images
        self.backend_args = backend_args
        self._frames = 0

    def before_run(self, runner: Runner) -> None:
        """Check the visualizer before any work is done."""
        expected = VISUALIZERS.get('OccLocalVisualizer')
        if not isinstance(runner.visualizer, expected):
            raise TypeError(
                f'the visualizer is a {type(runner.visualizer).__name__}; '
                'OccVisualizationHook needs '
                "visualizer=dict(type='OccLocalVisualizer')"
            )

    def before_val_epoch(self, runner: Runner) -> None:
        """Start counting."""
        self._frames = 0

    def before_test_epoch(self, runner: Runner) -> None:
        """Start counting."""
        self._frames = 0

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[OccDataSample] | None = None,
    ) -> None:
        """Draw the frames of a batch whose turn it is."""
        self._draw(runner, outputs, f'val_{runner.iter}')

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[OccDataSample] | None = None,
    ) -> None:
        """Draw the frames of a batch whose turn it is."""
        self._draw(runner, outputs, 'test')

    def _draw(
        self, runner: Runner, samples: Sequence[OccDataSample], folder: str
    ) -> None:
        for sample in samples:
            turn = self._frames % self.interval == 0
            self._frames += 1
            if not turn:
                continue
            meta = sample.metainfo
            scene, index = meta.get('scene_name'), meta.get('frame_idx', -1)
            name = f'{meta["token"]}.png'
            if scene and index >= 0:
                name = f'{scene}_{index:03d}_{name}'
            path = Path(runner.work_dir, self.out_dir, folder, name)
            images = self._read_images(sample) if self.draw_images else []
            runner.visualizer.add_datasample(
                'frame',
                {'img': images},
                sample,
                draw_gt=self.draw_gt,
                out_file=str(path),
                step=runner.iter,
            )

    def _read_images(self, sample: OccDataSample) -> list[np.ndarray]:
        """The camera images as they are on disk, RGB."""
        images = []
        for path in sample.metainfo.get('img_paths', ()):
            data = get(path, backend_args=self.backend_args)
            # OpenCV answers None to bytes that are no image, but refuses none.
            image = cv2.imdecode(
                np.frombuffer(data or b'-', np.uint8), cv2.IMREAD_COLOR
            )
            if image is None:
                raise ValueError(
                    f'frame {sample.metainfo["token"]}: {path} is no image; '
                    'fetch the file again'
                )
            images.append(image[..., ::-1])
        return images
