"""``PredictionFiles``: every evaluated frame, written to files."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmocc.evaluation.files import (
    GridFileWriter,
    write_plan_truth,
    write_plans,
)
from mmocc.evaluation.functional import PlanSample
from mmocc.evaluation.functional.arrays import as_array
from mmocc.evaluation.metrics.fields import Sample, find
from mmocc.registry import METRICS
from mmocc.structures import DIRECTIONS, SPEEDS, MetaAction
from mmocc.structures.meta_action import IGNORE
from mmocc.utils.json_files import write_json_lines

OCC, OCC_TRUTH = 'occ.npz', 'occ_truth.npz'
PLANS, PLAN_TRUTH = 'plans.npz', 'plan_truth.npz'
ANSWERS, ACTIONS = 'answers.jsonl', 'actions.jsonl'
FRAMES = 'frames.jsonl'
_FRAME_KEYS = ('scene_name', 'frame_idx', 'cam_names', 'img_paths')


@METRICS.register_module()
class PredictionFiles(BaseMetric):
    """Write predictions, and ground truth, of every frame; score nothing.

    Into ``out_dir`` go ``occ.npz`` and ``occ_truth.npz`` (with the camera
    mask), ``plans.npz`` and ``plan_truth.npz``, in the formats of
    docs/evaluation.md, and ``frames.jsonl``: token, scene, number and images
    of each frame. What a model does not predict, or a frame has no truth of,
    is left out. The files appear at the end of the evaluation.

    Without ``truth`` there are all predictions and no ground truth, as of a
    test split: ``occ.npz``, ``plans.npz``, ``answers.jsonl`` and
    ``actions.jsonl`` beside ``frames.jsonl``.

    Args:
        out_dir (str): The folder.
        truth (bool): Whether to keep to what has ground truth, and to write
            that too. Defaults to True.
        collect_device (str): ``cpu`` or ``gpu``. Defaults to 'cpu'.

    Raises:
        ValueError: Several processes evaluate: each sees a part alone.
    """

    default_prefix = 'files'

    def __init__(
        self,
        out_dir: str,
        truth: bool = True,
        collect_device: str = 'cpu',
    ) -> None:
        super().__init__(collect_device)
        if get_world_size() > 1:
            raise ValueError(
                f'PredictionFiles writes {out_dir} from one process, and '
                f'{get_world_size()} are running; start one'
            )
        self.out_dir = Path(out_dir)
        self.truth = truth
        self._stack = ExitStack()
        self._grids: tuple[GridFileWriter, ...] | None = None
        self._plans: dict[str, tuple[np.ndarray, PlanSample | None]] = {}
        self._texts: dict[str, list[dict]] = {ANSWERS: [], ACTIONS: []}

    def process(self, data_batch: Any, data_samples: Sequence[Sample]) -> None:
        """Take the frames of a batch; the batch's inputs are not read."""
        for sample in data_samples:
            self._add_grids(sample)
            self._add_plan(sample)
            if not self.truth:
                self._add_texts(sample)
            known = {key: sample.get(key) for key in _FRAME_KEYS}
            self.results.append(
                {'token': sample.get('token')}
                | {key: _plain(v) for key, v in known.items() if v is not None}
            )

    def _add_grids(self, sample: Sample) -> None:
        pred = find(sample, 'pred_occ', 'semantics')
        truth = find(sample, 'gt_occ', 'semantics')
        if pred is None or (truth is None and self.truth):
            return
        if self._grids is None:
            names = (OCC, OCC_TRUTH) if self.truth else (OCC,)
            self._grids = tuple(
                self._stack.enter_context(GridFileWriter(self.out_dir / name))
                for name in names
            )
        token = sample.get('token')
        self._grids[0].add(token, pred)
        for writer in self._grids[1:]:
            writer.add(token, truth, find(sample, 'gt_occ', 'mask_camera'))

    def _add_plan(self, sample: Sample) -> None:
        pred = find(sample, 'pred_ego', 'trajs')
        truth = find(sample, 'gt_ego', 'fut_trajs')
        mask = find(sample, 'gt_ego', 'fut_masks')
        known = truth is not None and mask is not None
        if pred is None or (self.truth and not known):
            return
        target = None
        if self.truth:
            truth = as_array(truth).astype(np.float64)
            target = PlanSample(None, truth, as_array(mask).astype(bool))
        plan = as_array(pred)[0].astype(np.float64)
        self._plans[sample.get('token')] = plan, target

    def _add_texts(self, sample: Sample) -> None:
        """Take the answers to all questions, and the meta-action."""
        token = sample.get('token')
        questions = find(sample, 'gt_text', 'questions') or ()
        answers = find(sample, 'pred_text', 'answers') or ()
        self._texts[ANSWERS] += [
            {'token': token, 'question': asked.question, 'answer': answer}
            for asked, answer in zip(questions, answers, strict=False)
            if answer
        ]
        speed = find(sample, 'pred_meta', 'speed')
        direction = find(sample, 'pred_meta', 'direction')
        if speed is not None and IGNORE not in (int(speed), int(direction)):
            action = MetaAction(SPEEDS[int(speed)], DIRECTIONS[int(direction)])
            self._texts[ACTIONS].append(
                {'token': token, 'answer': str(action)}
            )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Give the files their names; there is no score."""
        self._stack.close()  # writes the grids
        if self._plans:
            paths, truths = zip(*self._plans.values(), strict=True)
            write_plans(self.out_dir / PLANS, self._plans, np.stack(paths))
            if self.truth:
                write_plan_truth(
                    self.out_dir / PLAN_TRUTH, list(self._plans), truths
                )
        for name, lines in self._texts.items():
            if lines:
                write_json_lines(lines, self.out_dir / name)
        write_json_lines(results, self.out_dir / FRAMES)
        MMLogger.get_current_instance().info(
            f'{len(results)} frames, {len(self._plans)} of them with a plan, '
            f'were written to {self.out_dir}'
        )
        self._grids, self._plans = None, {}
        self._texts = {ANSWERS: [], ACTIONS: []}
        return {}


def _plain(value: Any) -> Any:
    """Sequences as lists of str or int, which JSON knows."""
    if isinstance(value, str | int):
        return value
    return [str(item) for item in value]
