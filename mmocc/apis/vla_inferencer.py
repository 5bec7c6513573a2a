"""``VLAInferencer``: predictions for frames, with no ground truth."""

import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

from mmocc.apis.camera_choice import for_cameras
from mmocc.apis.frames import Image, camera_frame, with_history
from mmocc.apis.pipeline import (
    build_inference_pipeline,
    expected_cameras,
    expected_history,
)
from mmocc.apis.prediction import prediction_dict
from mmocc.apis.weights import load_weights
from mmocc.datasets.sample_error import sample_error
from mmocc.registry import INFERENCERS, MODELS
from mmocc.structures import MetaAction, OccDataSample
from mmocc.utils.config import ConfigError, load_config


@INFERENCERS.register_module(name=['VLAInferencer', 'OccVLAInferencer'])
class VLAInferencer:
    """Runs OccVLA or SparseOccVLA on one's own cameras or an info file.

    The pipeline is the config's test pipeline without its loaders of ground
    truth, so a frame gets the predictions that evaluation would give it.
    The meta-action question is always asked where there is a language model.
    Parts that the config leaves out predict nothing: no planner, no
    ``pred_ego``.

    SparseOccVLA looks back; past frames come with a frame
    (``with_history``). At a scene's start, and for a single moment of one's
    own cameras, the oldest frame there is stands in for them.

    .. code-block:: python

        inferencer = VLAInferencer('CONFIG.py', 'epoch_10.pth', 'cuda')
        result = inferencer(
            images, intrinsics, extrinsics, {'velocity': 5.2},
            questions=['Are there any pedestrians?'],
        )
        result['trajectory'], result['meta_action'], result['answers']

    mmengine's ``BaseInferencer`` is no base of this class: it looks models up
    by name on the network and loads checkpoints without ``weights_only``.

    Args:
        model (str | os.PathLike | Config): A config.
        weights (str | os.PathLike, optional): Checkpoint of the whole model,
            loaded with ``weights_only=True``. Defaults to None: what the
            config itself loads, random otherwise.
        device (str): 'cpu', 'cuda' or 'cuda:N'. Defaults to 'cpu'.
        cameras (Sequence[str], optional): Other cameras than those of the
            config, in any number, where the model allows it (see
            ``for_cameras``). Defaults to None, those of the config.

    Raises:
        ConfigError: If the config or its pipeline cannot be used, the model
            reads a command from the future or cannot take the cameras, or
            there is no such device.
        CheckpointError: If the weights are not those of this model.
        FileNotFoundError: If there are no weights.
    """

    def __init__(
        self,
        model: str | os.PathLike | Config,
        weights: str | os.PathLike | None = None,
        device: str = 'cpu',
        cameras: Sequence[str] | None = None,
    ) -> None:
        self.cfg = model if isinstance(model, Config) else load_config(model)
        if cameras is not None:
            self.cfg = for_cameras(self.cfg, cameras)
        if device.startswith('cuda') and not torch.cuda.is_available():
            raise ConfigError(
                f'the device is {device!r}, but torch sees no GPU; use '
                "'cpu', or find out why with tools/doctor.py"
            )
        _require_no_future(self.cfg)
        init_default_scope(self.cfg.get('default_scope', 'mmocc'))
        transforms = build_inference_pipeline(self.cfg)
        self.cameras = expected_cameras(transforms)
        self.num_history = expected_history(self.cfg, transforms)
        self.pipeline = Compose(transforms)
        self.model = MODELS.build(self.cfg.model)
        if weights is not None:
            load_weights(self.model, weights)
        else:
            MMLogger.get_current_instance().warning(
                'no weights are given: all that the config does not load '
                'itself is random, and so are the predictions'
            )
        self.model.to(device).eval()

    def __call__(
        self,
        images: Mapping[str, Image],
        intrinsics: Mapping[str, np.ndarray],
        extrinsics: Mapping[str, np.ndarray],
        ego_state: Mapping | None = None,
        past_actions: Sequence[MetaAction | str] = (),
        questions: Sequence[str] | str = (),
        ego2global: np.ndarray | None = None,
        past: Sequence[Mapping] = (),
        return_datasample: bool = False,
    ) -> dict | OccDataSample:
        """Predict for a frame of one's own cameras.

        Args:
            images (Mapping): See ``camera_frame``, as for the next four.
            intrinsics (Mapping): By camera name, (3, 3).
            extrinsics (Mapping): By camera name, cam2ego (4, 4).
            ego_state (Mapping, optional): ``velocity`` in m/s at least.
            past_actions (Sequence): Oldest first.
            questions (Sequence[str] | str): Asked besides the meta-action.
            ego2global (np.ndarray, optional): (4, 4), needed with ``past``.
            past (Sequence[Mapping]): From ``camera_frame``, the frames 0.5 s,
                1.0 s, ... ago. Defaults to (), unknown.
            return_datasample (bool): Return the sample, with the occupancy
                grid, and not plain values. Defaults to False.

        Returns:
            dict | OccDataSample: See ``prediction_dict``.
        """
        frame = camera_frame(
            images,
            intrinsics,
            extrinsics,
            ego_state,
            past_actions,
            self.cameras,
            ego2global=ego2global,
        )
        frame = with_history(frame, past)
        samples = self.predict([frame], questions)
        return (
            samples[0] if return_datasample else self.postprocess(samples)[0]
        )

    def predict(
        self,
        frames: Iterable[Mapping],
        questions: Sequence[str] | str | None = None,
        batch_size: int = 1,
    ) -> list[OccDataSample]:
        """Predict for frames.

        Args:
            frames (Iterable[Mapping]): From ``camera_frame`` or
                ``info_frame``.
            questions (Sequence[str] | str, optional): Asked on each frame
                besides the meta-action. Defaults to None: those in the
                frame's own ``qa``, whose answers are kept as ``gt_text`` and
                not read.
            batch_size (int): Frames at a time. Defaults to 1.

        Returns:
            list[OccDataSample]: On the CPU, with ``pred_meta``,
            ``pred_text``, ``pred_ego`` and ``pred_occ`` as far as the model
            has these parts. ``gt_ego`` holds the ego motion that the model
            got.

        Raises:
            SampleError: If a frame or a question cannot be used.
        """
        frames, samples = list(frames), []
        for start in range(0, len(frames), batch_size):
            batch = frames[start : start + batch_size]
            samples += self.forward(self.preprocess(batch, questions))
        return samples

    def preprocess(
        self,
        frames: Sequence[Mapping],
        questions: Sequence[str] | str | None = None,
    ) -> dict:
        """Run the pipeline on frames and collate them.

        Args:
            frames (Sequence[Mapping]): A batch.
            questions (Sequence[str] | str, optional): As for ``predict``.

        Returns:
            dict: ``inputs`` and ``data_samples``, as a loader hands them out.
        """
        return pseudo_collate(
            [self.pipeline(self._prepare(f, questions)) for f in frames]
        )

    @torch.no_grad()
    def forward(self, batch: dict) -> list[OccDataSample]:
        """Run the model on a batch.

        Args:
            batch (dict): From ``preprocess``.

        Returns:
            list[OccDataSample]: With predictions, on the CPU.
        """
        return [sample.cpu() for sample in self.model.test_step(batch)]

    def postprocess(self, samples: Sequence[OccDataSample]) -> list[dict]:
        """Predictions as plain values, see ``prediction_dict``."""
        return [prediction_dict(sample) for sample in samples]

    def _prepare(
        self, frame: Mapping, questions: Sequence[str] | str | None
    ) -> dict:
        """A copy of a frame with the questions to ask, checked."""
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
        """A copy of a frame with as many places for past ones as are read."""
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
        if not known:  # no motion then, wherever the car is
            frame.setdefault('ego2global', np.eye(4))
        return frame


def _require_no_future(config: Config) -> None:
    """Refuse a planner that is told where the future ends."""
    planner = config.model.get('planner') or {}
    command = planner.get('condition', {}).get('command', 'none')
    if command == 'gt3s':
        raise ConfigError(
            f"{config.filename}: model.planner.condition.command is 'gt3s', "
            'which derives from the ground truth future, and inference has '
            "none; use a model that was trained with command='none'"
        )
