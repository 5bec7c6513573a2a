"""``OccVisualizationHook``: a page for every N-th frame of val and test."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from mmengine.dist import is_main_process
from mmengine.fileio import get
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch.nn import Module
from torch.utils.data import Dataset

from mmocc.registry import HOOKS, VISUALIZERS
from mmocc.structures import OccDataSample
from mmocc.utils.file_names import make_file_name

# In the names of the views of past frames, see LoadHistoryImages.
PAST_VIEW = '@'


@HOOKS.register_module()
class OccVisualizationHook(Hook):
    """Draw every N-th frame that the main process evaluates.

    Pages land in ``<work_dir>/<out_dir>/val_<iteration>/`` and
    ``<work_dir>/<out_dir>/test/`` as ``<scene>_<frame>_<token>.png``, or
    ``<token>.png`` where the scene is not known. The run's visualizer must be
    an ``OccLocalVisualizer``.

    The true boxes and the map come from the info file of the data set, the
    anchors from a planner that has them. A frame that cannot be drawn (an
    image is broken, a prediction is not finite, the disk is full) is skipped
    with one warning a run, and the run goes on.

    Args:
        interval (int): N, in frames; the first frame is drawn. Defaults
            to 50.
        out_dir (str): Folder within the work directory, or a whole path.
            Defaults to 'vis'.
        draw_gt (bool): Show ground truth, boxes among it. Defaults to True.
        draw_images (bool): Show the camera images; they are read again from
            ``img_paths``, at their own size. Defaults to True.
        show (bool): Show each page in a window as well. Defaults to False.
        wait_time (float): Seconds that a page stays in the window; 0 waits
            for a key. Defaults to 2.
        backend_args (dict, optional): mmengine's file backend. Defaults to
            None, local files.
    """

    def __init__(
        self,
        interval: int = 50,
        out_dir: str = 'vis',
        draw_gt: bool = True,
        draw_images: bool = True,
        show: bool = False,
        wait_time: float = 2.0,
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
        self.show = show
        self.wait_time = wait_time
        self.backend_args = backend_args
        self._frames = 0
        self._warned = False
        self._index_of: dict[str, int] = {}

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
        self._start()

    def before_test_epoch(self, runner: Runner) -> None:
        """Start counting."""
        self._start()

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[OccDataSample] | None = None,
    ) -> None:
        """Draw the frames of a batch whose turn it is."""
        self._draw_turns(
            runner,
            outputs,
            f'val_{runner.iter}',
            runner.val_dataloader.dataset,
            runner.iter,
        )

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: Sequence[OccDataSample] | None = None,
    ) -> None:
        """Draw the frames of a batch whose turn it is."""
        # There `runner.iter` would build the training data set first.
        self._draw_turns(
            runner, outputs, 'test', runner.test_dataloader.dataset, 0
        )

    def _start(self) -> None:
        self._frames = 0
        self._index_of = {}

    def _draw_turns(
        self,
        runner: Runner,
        samples: Sequence[OccDataSample],
        folder: str,
        dataset: Dataset,
        step: int,
    ) -> None:
        """Draw every N-th frame; warn once where that fails."""
        if not is_main_process():
            return
        for sample in samples:
            turn = self._frames % self.interval == 0
            self._frames += 1
            if not turn:
                continue
            try:
                self._draw(runner, sample, folder, dataset, step)
            # A picture is not worth a training run, whatever went wrong.
            except Exception as error:
                self._warn(runner, sample, error)

    def _draw(
        self,
        runner: Runner,
        sample: OccDataSample,
        folder: str,
        dataset: Dataset,
        step: int,
    ) -> None:
        meta = sample.metainfo
        scene, index = meta.get('scene_name'), meta.get('frame_idx', -1)
        name = meta['token']
        if scene and index >= 0:
            name = f'{scene}_{index:03d}_{name}'
        name = f'{make_file_name(name)}.png'
        path = Path(runner.work_dir, self.out_dir, folder, name)
        runner.visualizer.add_datasample(
            'frame',
            {
                'img': self._read_images(sample) if self.draw_images else [],
                'info': self._find_info(dataset, meta['token']),
                'data_root': getattr(dataset, 'data_root', ''),
                'anchors': _planner_anchors(runner.model),
            },
            sample,
            draw_gt=self.draw_gt,
            show=self.show,
            wait_time=self.wait_time,
            out_file=str(path),
            step=step,
        )

    def _warn(
        self, runner: Runner, sample: OccDataSample, error: Exception
    ) -> None:
        if self._warned:
            return
        self._warned = True
        runner.logger.warning(
            f'frame {sample.metainfo.get("token")} cannot be drawn '
            f'({type(error).__name__}: {error}); the run goes on, and further '
            'frames that cannot be drawn are left out without a word'
        )

    def _find_info(self, dataset: Dataset, token: str) -> dict:
        """Return the frame's entry of the info file, empty without one."""
        if not hasattr(dataset, 'get_data_info'):
            return {}
        if not self._index_of:
            self._index_of = {
                dataset.get_data_info(index).get('token', ''): index
                for index in range(len(dataset))
            }
        if token not in self._index_of:
            return {}
        return dataset.get_data_info(self._index_of[token])

    def _read_images(self, sample: OccDataSample) -> list[np.ndarray]:
        """Read the camera images of the key frame from disk, RGB."""
        images = []
        meta = sample.metainfo
        paths = [
            path
            for name, path in zip(
                meta.get('cam_names', ()),
                meta.get('img_paths', ()),
                strict=True,
            )
            if PAST_VIEW not in name
        ]
        for path in paths:
            data = get(path, backend_args=self.backend_args)
            # OpenCV answers None to bytes that are no image, but refuses none.
            image = cv2.imdecode(
                np.frombuffer(data or b'-', np.uint8),
                cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION,
            )
            if image is None:
                raise ValueError(
                    f'frame {sample.metainfo["token"]}: {path} is no image; '
                    'fetch the file again'
                )
            images.append(image[..., ::-1])
        return images


def _planner_anchors(model: Module) -> np.ndarray | None:
    """The anchors (A, T, 2) of a model's planner, if it has any."""
    if is_model_wrapper(model):
        model = model.module
    bank = getattr(getattr(model, 'planner', None), 'bank', None)
    anchors = getattr(bank, 'anchors', None)
    return None if anchors is None else anchors.detach().cpu().numpy()
