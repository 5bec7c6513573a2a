"""``VLAInferencer``: predict frames of one's own cameras or an info file."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.infer import BaseInferencer
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.visualization import Visualizer
from rich.progress import track

from mmocc.apis.camera_choice import for_cameras
from mmocc.apis.frame_reader import FrameReader
from mmocc.apis.frames import camera_frame, load_images, with_history
from mmocc.apis.ground_truth import add_ground_truth
from mmocc.apis.pipeline import (
    build_inference_pipeline,
    expected_cameras,
    expected_history,
)
from mmocc.apis.prediction import prediction_dict, prediction_json
from mmocc.apis.weights import load_weights
from mmocc.datasets.sample_error import sample_error
from mmocc.models.detectors import BaseVLA
from mmocc.registry import INFERENCERS, MODELS
from mmocc.structures import OccDataSample
from mmocc.utils.atomic import atomic_open
from mmocc.utils.config import ConfigError, load_config
from mmocc.utils.file_names import make_file_name
from mmocc.visualization import (
    FramePicture,
    frame_panel,
    info_overlays,
    write_png,
)

CONFIG_SUFFIXES = ('.py', '.json', '.yml', '.yaml')
# Folders below ``out_dir``.
PICTURES, PREDICTIONS = 'vis', 'preds'
VISUALIZER = 'OccLocalVisualizer'
# Keys of inputs that are the arguments of ``camera_frame``.
OWN_CAMERAS = {'images', 'intrinsics', 'extrinsics'}
OWN_KEYS = OWN_CAMERAS | {
    'ego_state',
    'past_actions',
    'token',
    'ego2global',
    'past',
}

Inputs = str | os.PathLike | Mapping[str, Any] | Iterable[Mapping[str, Any]]
Questions = Sequence[str] | str | None


@INFERENCERS.register_module(name=['VLAInferencer', 'OccVLAInferencer'])
class VLAInferencer(BaseInferencer):
    """Predict occupancy, meta-action, answers and plan without ground truth.

    The pipeline is the config's test pipeline without its loaders of ground
    truth, so a frame gets the predictions that evaluation would give it. The
    meta-action question is always asked where there is a language model.
    Parts that the config leaves out predict nothing: without a planner there
    is no ``pred_ego``.

    Models that look back (SparseOccVLA) read past frames, which come with a
    frame (:func:`with_history`). At the start of a scene, and for a single
    moment of one's own cameras, the oldest known frame stands in for them.

    .. code-block:: python

        inferencer = VLAInferencer('CONFIG.py', 'epoch_10.pth')
        own = dict(images=images, intrinsics=intrinsics,
                   extrinsics=extrinsics, ego_state={'velocity': 5.2})
        results = inferencer(own, questions=['Are there any pedestrians?'])
        results['predictions'][0]['trajectory']

    Args:
        model (str | os.PathLike | Config): Path of a config file, a config,
            or a model name of a metafile (:meth:`list_models`).
        weights (str | os.PathLike, optional): Checkpoint of the whole model,
            loaded with ``weights_only=True``. Defaults to None: the weights
            that the config itself loads, random ones otherwise.
        device (str, optional): 'cpu', 'cuda' or 'cuda:N'. Defaults to None,
            the available device.
        scope (str): Scope of the registries, if the config does not set
            ``default_scope``. Defaults to 'mmocc'.
        show_progress (bool): Whether calls show a progress bar. Defaults to
            True.
        cameras (Sequence[str], optional): Other cameras than those of the
            config, in any number, where the model allows it (see
            ``for_cameras``). Defaults to None, those of the config.

    Attributes:
        cameras (tuple[str, ...]): Names of the cameras in the model's order.
        num_history (int): Number of past key frames that the model reads.

    Raises:
        ConfigError: If the config or its pipeline cannot be used, the model
            reads a command from the future or cannot take the cameras, or
            there is no such device.
        CheckpointError: If the weights are not those of this model.
        FileNotFoundError: If there are no weights.
    """

    preprocess_kwargs: set = {'questions'}
    forward_kwargs: set = set()
    visualize_kwargs: set = {
        'return_vis',
        'show',
        'wait_time',
        'draw_gt',
        'draw_pred',
        'no_save_vis',
        'img_out_dir',
    }
    postprocess_kwargs: set = {'print_result', 'no_save_pred', 'pred_out_dir'}

    def __init__(
        self,
        model: str | os.PathLike | Config,
        weights: str | os.PathLike | None = None,
        device: str | None = None,
        scope: str = 'mmocc',
        show_progress: bool = True,
        cameras: Sequence[str] | None = None,
    ) -> None:
        self.scope = scope
        config, weights = self._load_config(model, weights)
        if cameras is not None:
            config = for_cameras(config, cameras)
        _require_no_future(config)
        init_default_scope(config.get('default_scope', scope))
        super().__init__(config, weights, device, scope, show_progress)

    def __call__(
        self,
        inputs: Inputs,
        batch_size: int = 1,
        return_datasamples: bool = False,
        **kwargs,
    ) -> dict[str, list]:
        """Predict frames, and draw and save them on request.

        Args:
            inputs (str | PathLike | Mapping | Iterable[Mapping]): One frame
                or several, each from :func:`camera_frame` or
                :func:`info_frame`, or a dict of the arguments of
                ``camera_frame`` (with ``past``, frames for
                :func:`with_history`); :class:`FrameReader`; or the path of an
                info file in its data root.
            batch_size (int): Number of frames in a batch. Defaults to 1.
            return_datasamples (bool): Whether predictions are
                ``OccDataSample`` with the occupancy grid, in place of plain
                values. Defaults to False.
            **kwargs: ``out_dir``, the folder of ``preds/TOKEN.json`` and
                ``vis/TOKEN.png``, and the keywords of :meth:`preprocess`,
                :meth:`visualize` and :meth:`postprocess`; others are refused.

        Returns:
            dict: ``predictions``, see :func:`prediction_dict`, and
            ``visualization``, pages (H, W, 3) RGB if ``return_vis`` is set.

        Raises:
            SampleError: If a frame or a question cannot be used.
            ValueError: If a keyword is unknown.
        """
        preprocess, forward, visualize, postprocess = self._dispatch_kwargs(
            **kwargs
        )
        frames = self._inputs_to_list(inputs)
        results = {'predictions': [], 'visualization': []}
        starts = range(0, len(frames), batch_size)
        if self.show_progress:
            starts = track(starts, description='Inference')
        for start in starts:
            batch = frames[start : start + batch_size]
            [data] = self.preprocess(batch, batch_size, **preprocess)
            samples = self.forward(data, **forward)
            pages = self.visualize(batch, samples, **visualize)
            done = self.postprocess(
                samples, pages, return_datasamples, **postprocess
            )
            for key, values in done.items():
                results[key].extend(values or ())
        return results

    def predict(
        self,
        frames: Iterable[Mapping],
        questions: Questions = None,
        batch_size: int = 1,
    ) -> list[OccDataSample]:
        """Predict frames without drawing or saving them.

        Args:
            frames (Iterable[Mapping]): From :func:`camera_frame` or
                :func:`info_frame`.
            questions (Sequence[str] | str, optional): See :meth:`preprocess`.
                Defaults to None.
            batch_size (int): Number of frames in a batch. Defaults to 1.

        Returns:
            list[OccDataSample]: See :meth:`forward`.

        Raises:
            SampleError: If a frame or a question cannot be used.
        """
        samples = []
        for data in self.preprocess(frames, batch_size, questions):
            samples += self.forward(data)
        return samples

    def preprocess(
        self,
        inputs: Iterable[Mapping],
        batch_size: int = 1,
        questions: Questions = None,
    ) -> Iterator[dict]:
        """Run the pipeline on frames and collate them into batches.

        Args:
            inputs (Iterable[Mapping]): Frames.
            batch_size (int): Number of frames in a batch. Defaults to 1.
            questions (Sequence[str] | str, optional): Questions to ask about
                each frame besides the meta-action. Defaults to None: those in
                the frame's own ``qa``, whose answers are kept as ``gt_text``
                and not read.

        Yields:
            dict: ``inputs`` and ``data_samples`` of a batch.
        """
        prepared = (self._prepare(frame, questions) for frame in inputs)
        yield from super().preprocess(prepared, batch_size)

    @torch.no_grad()
    def forward(self, inputs: dict) -> list[OccDataSample]:
        """Run the model on a batch.

        Args:
            inputs (dict): From :meth:`preprocess`.

        Returns:
            list[OccDataSample]: On the CPU, with ``pred_meta``,
            ``pred_text``, ``pred_ego`` and ``pred_occ`` as far as the model
            has these parts. ``gt_ego`` holds the ego motion that the model
            got.
        """
        return [sample.cpu() for sample in self.model.test_step(inputs)]

    def make_picture(
        self,
        frame: Mapping,
        sample: OccDataSample,
        draw_gt: bool = True,
        draw_pred: bool = True,
        occ_labels: str | os.PathLike | None = None,
    ) -> FramePicture:
        """Collect everything that can be drawn of a predicted frame.

        Args:
            frame (Mapping): The frame; its labels are read if they are on
                disk.
            sample (OccDataSample): The prediction; is not changed.
            draw_gt (bool): Whether to draw ground truth. Defaults to True.
            draw_pred (bool): Whether to draw predictions. Defaults to True.
            occ_labels (str | PathLike, optional): Occupancy label in place of
                the frame's own. Defaults to None.
        """
        if draw_gt:
            sample = add_ground_truth(sample, frame, occ_labels)
        return FramePicture.from_sample(
            sample,
            load_images(frame, self.cameras),
            draw_gt,
            draw_pred,
            info_overlays(frame, anchors=self._anchors()),
        )

    def visualize(
        self,
        inputs: Sequence[Mapping],
        preds: Sequence[OccDataSample],
        return_vis: bool = False,
        show: bool = False,
        wait_time: float = 0,
        draw_gt: bool = True,
        draw_pred: bool = True,
        no_save_vis: bool = False,
        img_out_dir: str | os.PathLike = '',
    ) -> list[np.ndarray] | None:
        """Draw each frame on a page.

        Args:
            inputs (Sequence[Mapping]): Frames.
            preds (Sequence[OccDataSample]): Their predictions.
            return_vis (bool): Whether to return the pages. Defaults to False.
            show (bool): Whether to open a window. Defaults to False.
            wait_time (float): Seconds that a window stays open; 0 waits for a
                key. Defaults to 0.
            draw_gt (bool): Whether to draw the frame's labels. Defaults to
                True.
            draw_pred (bool): Whether to draw predictions. Defaults to True.
            no_save_vis (bool): Whether to write no files in spite of
                ``img_out_dir``. Defaults to False.
            img_out_dir (str | PathLike): Folder of ``vis/TOKEN.png``.
                Defaults to '', none.

        Returns:
            list[np.ndarray] | None: Pages (H, W, 3) uint8 RGB, None without
            ``return_vis``.
        """
        folder = '' if no_save_vis else img_out_dir
        if not (show or folder or return_vis):
            return None
        pages = []
        for frame, sample in zip(inputs, preds, strict=True):
            page = frame_panel(
                self.make_picture(frame, sample, draw_gt, draw_pred),
                self.visualizer.page_width,
                self.visualizer.grid,
            )
            token = frame['token']
            if folder:
                name = f'{make_file_name(token)}.png'
                write_png(page, Path(folder, PICTURES, name))
            if show:
                # mmengine's window; that of Det3DLocalVisualizer is open3d's.
                Visualizer.show(
                    self.visualizer, page, win_name=token, wait_time=wait_time
                )
            if return_vis:
                pages.append(page)
        return pages if return_vis else None

    def postprocess(
        self,
        preds: Sequence[OccDataSample],
        visualization: list[np.ndarray] | None = None,
        return_datasamples: bool = False,
        print_result: bool = False,
        no_save_pred: bool = False,
        pred_out_dir: str | os.PathLike = '',
    ) -> dict[str, list | None]:
        """Convert predictions to plain values, and print or save them.

        Args:
            preds (Sequence[OccDataSample]): Predictions.
            visualization (list[np.ndarray], optional): From
                :meth:`visualize`. Defaults to None.
            return_datasamples (bool): Whether to return ``preds`` as they
                are. Defaults to False.
            print_result (bool): Whether to print the predictions as JSON.
                Defaults to False.
            no_save_pred (bool): Whether to write no files in spite of
                ``pred_out_dir``. Defaults to False.
            pred_out_dir (str | PathLike): Folder of ``preds/TOKEN.json``.
                Defaults to '', none.

        Returns:
            dict: ``predictions``, see :func:`prediction_dict`, and
            ``visualization``.
        """
        plain = [prediction_dict(sample) for sample in preds]
        folder = '' if no_save_pred else pred_out_dir
        for prediction in plain if folder or print_result else ():
            text = prediction_json(prediction)
            if print_result:
                print(text, end='')
            if folder:
                name = f'{make_file_name(prediction["token"])}.json'
                with atomic_open(Path(folder, PREDICTIONS, name), 'w') as file:
                    file.write(text)
        return {
            'predictions': list(preds) if return_datasamples else plain,
            'visualization': visualization,
        }

    @staticmethod
    def list_models(
        scope: str | None = 'mmocc', patterns: str = r'.*'
    ) -> list[str]:
        """List the model names of the metafiles, which ``model`` may be.

        Args:
            scope (str): The package. Defaults to 'mmocc'.
            patterns (str): Regular expression of the names. Defaults to all.
        """
        return BaseInferencer.list_models(scope, patterns)

    def _load_config(
        self,
        model: str | os.PathLike | Config,
        weights: str | os.PathLike | None,
    ) -> tuple[Config, str | os.PathLike | None]:
        """Find the config, and the weights that come with a model's name."""
        if isinstance(model, Config):
            return model, weights
        path = Path(model)
        if path.suffix not in CONFIG_SUFFIXES and not path.exists():
            config, known = self._load_model_from_metafile(str(model))
            return config, known if weights is None else weights
        return load_config(model), weights

    def _load_model_from_metafile(
        self, model: str
    ) -> tuple[Config, str | None]:
        """Find a model's config in the metafiles, and its weights if any."""
        folder = self._get_repo_or_mim_dir(self.scope)
        entries = list(self._get_models_from_metafile(folder))
        for entry in entries:
            if model.lower() == entry['Name'].lower():
                weights = entry.get('Weights')
                return load_config(Path(folder, entry['Config'])), weights
        names = [entry['Name'] for entry in entries]
        raise ConfigError(
            f'model is {model!r}, neither a file nor one of {names}'
        )

    def _init_model(
        self, cfg: Config, weights: str | os.PathLike | None, device: str
    ) -> BaseVLA:
        """Build the model and load its weights."""
        if device.startswith('cuda') and not torch.cuda.is_available():
            raise ConfigError(
                f'the device is {device!r}, but torch sees no GPU; use '
                "'cpu', or find out why with tools/doctor.py"
            )
        model = MODELS.build(cfg.model)
        if weights is not None:
            load_weights(model, weights)
        else:
            MMLogger.get_current_instance().warning(
                'no weights are given: all that the config does not load '
                'itself is random, and so are the predictions'
            )
        return model.to(device).eval()

    def _init_pipeline(self, cfg: Config) -> Compose:
        """Build the test pipeline without its loaders of ground truth."""
        transforms = build_inference_pipeline(cfg)
        self.cameras = expected_cameras(transforms)
        self.num_history = expected_history(cfg, transforms)
        return Compose(transforms)

    def _init_collate(self, cfg: Config) -> Callable:
        """Return the config's function that makes batches of samples."""
        if 'collate_fn' in cfg.get('test_dataloader', {}):
            return super()._init_collate(cfg)
        return pseudo_collate

    def _init_visualizer(self, cfg: Config) -> Visualizer:
        """Build the config's ``OccLocalVisualizer``, or a default one."""
        visualizer = dict(cfg.get('visualizer', {}))
        if visualizer.get('type', '').rpartition('.')[2] != VISUALIZER:
            visualizer = {}
        visualizer.pop('name', None)  # each inferencer has its own
        visualizer.update(type=VISUALIZER, vis_backends=None, save_dir=None)
        return super()._init_visualizer(ConfigDict(visualizer=visualizer))

    def _inputs_to_list(self, inputs: Inputs) -> list[Mapping]:
        """Convert all that :meth:`__call__` takes to a list of frames."""
        if isinstance(inputs, str | os.PathLike):
            inputs = FrameReader(inputs, self.num_history)
        elif isinstance(inputs, Mapping):
            inputs = [inputs]
        return [
            self._own_frame(each) if OWN_CAMERAS <= set(each) else each
            for each in inputs
        ]

    def _own_frame(self, given: Mapping) -> dict:
        """Make a frame of the arguments of ``camera_frame``."""
        unknown = sorted(set(given) - OWN_KEYS)
        if unknown:
            raise sample_error(
                given.get('token', 'own-cameras'),
                'the inputs',
                f'the keys {unknown}',
                f'keys out of {sorted(OWN_KEYS)}',
                'leave them out',
            )
        given = dict(given)
        past = given.pop('past', ())
        frame = camera_frame(**given, cameras=self.cameras)
        return with_history(frame, past)

    def _dispatch_kwargs(
        self, out_dir: str | os.PathLike = '', **kwargs
    ) -> tuple[dict, dict, dict, dict]:
        """Split keywords by method; ``out_dir`` is for pages and JSON."""
        kwargs.setdefault('img_out_dir', out_dir)
        kwargs.setdefault('pred_out_dir', out_dir)
        return super()._dispatch_kwargs(**kwargs)

    def _anchors(self) -> np.ndarray | None:
        """Return the planner's anchor trajectories (A, T, 2), if any."""
        bank = getattr(getattr(self.model, 'planner', None), 'bank', None)
        return None if bank is None else bank.anchors.cpu().numpy()

    def _prepare(self, frame: Mapping, questions: Questions) -> dict:
        """Check a frame and copy it with its past and the questions to ask."""
        token = frame['token']
        missing = [
            name for name in self.cameras if name not in frame['images']
        ]
        if missing:
            raise sample_error(
                token,
                'the cameras',
                f'{sorted(frame["images"])} without {missing}',
                f'those the model was built for, {list(self.cameras)}',
                'add the views, or name the cameras you have (`cameras` of '
                'VLAInferencer)',
            )
        frame = self._complete_history(frame)
        if questions is not None:
            if isinstance(questions, str):
                questions = [questions]
            for question in questions:
                if not question.strip():
                    raise sample_error(
                        token,
                        'the questions',
                        f'{question!r} among {list(questions)}',
                        'words',
                        'leave the empty question out',
                    )
            frame['qa'] = [dict(question=q, answer='') for q in questions]
        if 'ego' not in frame and getattr(self.model, 'planner', None):
            MMLogger.get_current_instance().warning(
                f'frame {token}: the ego motion is unknown; the planner takes '
                'the car to stand still and has no past poses'
            )
        return frame

    def _complete_history(self, frame: Mapping) -> dict:
        """Copy a frame with an entry for each past frame that is read."""
        if not self.num_history:
            return dict(frame)
        past = list(frame.get('history', ()))[: self.num_history]
        past += [None] * (self.num_history - len(past))
        known = sum(each is not None for each in past)
        if known < self.num_history:
            MMLogger.get_current_instance().warning(
                f'frame {frame["token"]}: {known} of the {self.num_history} '
                'past frames are known; the oldest one stands in for the '
                "others, as at a scene's start"
            )
        frame = {**frame, 'history': past}
        if not known:  # all views are of this frame, so any pose will do
            frame.setdefault('ego2global', np.eye(4))
        return frame


def _require_no_future(config: Config) -> None:
    """Refuse a planner whose command derives from the future."""
    planner = config.model.get('planner') or {}
    command = planner.get('condition', {}).get('command', 'none')
    if command == 'gt3s':
        raise ConfigError(
            f"{config.filename}: model.planner.condition.command is 'gt3s', "
            'which derives from the ground truth future, and inference has '
            "none; use a model that was trained with command='none'"
        )
