"""Rank the frames of a test by a metric, and draw the best and worst."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mmocc.evaluation.files import (
    Joined,
    NpzFile,
    PlanFiles,
    ResultFileError,
)
from mmocc.evaluation.functional import (
    displacement_errors,
    occ_histogram,
    occ_scores,
)
from mmocc.evaluation.metrics.prediction_files import (
    FRAMES,
    OCC,
    OCC_TRUTH,
    PLAN_TRUTH,
    PLANS,
)
from mmocc.utils.file_names import make_file_name
from mmocc.utils.json_files import read_json_lines
from mmocc.visualization import FramePicture, frame_panel

SEMANTICS, MASK = 'semantics', 'mask_camera'
PICTURE_WIDTH = 1000  # pixels
_JPEG_QUALITY = 80


class FrameScore(NamedTuple):
    """Value of a metric for one frame.

    Attributes:
        token (str): Sample token.
        value (float): Value of the metric.
        row (int): Row of the frame in the file of predictions.
        truth_row (int): Its row in the file of ground truth.
    """

    token: str
    value: float
    row: int
    truth_row: int


@dataclass(frozen=True)
class Ranking:
    """All frames of a test, sorted by a metric.

    Attributes:
        title (str): Name of the metric, with its unit.
        scores (Sequence[FrameScore]): Best first.
        left_out (int): Frames with nothing to measure.
    """

    title: str
    scores: Sequence[FrameScore]
    left_out: int

    def ends(self, number: int) -> tuple[list[FrameScore], list[FrameScore]]:
        """Return the best and the worst frames, none of them twice."""
        best = list(self.scores[:number])
        worst = list(self.scores[::-1][:number])
        return best, [score for score in worst if score not in best]


def rank_occupancy(folder: Path) -> Ranking:
    """Rank frames by mIoU of the classes present, in the camera mask.

    Args:
        folder (Path): With ``occ.npz`` and ``occ_truth.npz``.

    Raises:
        ResultFileError: The files do not fit, or are damaged.
    """
    scores, left_out = [], 0
    with (
        NpzFile(folder / OCC) as pred,
        NpzFile(folder / OCC_TRUTH) as truth,
    ):
        joined = Joined(pred, truth, SEMANTICS)
        pred_occ, gt_occ = pred.frames(SEMANTICS), truth.frames(SEMANTICS)
        masks = truth.frames(MASK) if MASK in truth else None
        for place, row in enumerate(joined.places):
            mask = None if masks is None else masks[place]
            try:
                histogram = occ_histogram(pred_occ[row], gt_occ[place], mask)
            except ValueError as error:
                raise ResultFileError(
                    folder / OCC, str(error), SEMANTICS, joined.names[place]
                ) from error
            found = occ_scores(histogram, absent='drop')
            if 'mIoU' not in found:
                left_out += 1
                continue
            scores.append(
                FrameScore(joined.names[place], found['mIoU'], row, place)
            )
    scores.sort(key=lambda score: -score.value)
    where = 'all voxels' if masks is None else 'camera mask'
    return Ranking(
        f'occupancy mIoU of the classes in the frame, {where}, %',
        scores,
        left_out,
    )


def rank_plans(folder: Path) -> Ranking:
    """Rank frames by mean L2 error over the steps that exist.

    Args:
        folder (Path): With ``plans.npz`` and ``plan_truth.npz``.

    Raises:
        ResultFileError: The files do not fit, or are damaged.
    """
    scores, left_out = [], 0
    with (
        NpzFile(folder / PLANS) as pred,
        NpzFile(folder / PLAN_TRUTH) as truth,
    ):
        files = PlanFiles(pred, truth)
        for place, sample in enumerate(files):
            if sample.plan is None or not sample.mask.any():
                left_out += 1
                continue
            known = np.where(sample.mask[:, None], sample.truth, 0.0)
            errors = displacement_errors(sample.plan[None], known[None])[0]
            value = float(errors[sample.mask].mean())
            scores.append(FrameScore(files.names[place], value, place, place))
    scores.sort(key=lambda score: score.value)
    return Ranking('plan, mean L2 of the known steps, m', scores, left_out)


class FrameAlbum:
    """Draw frames from the files of a test.

    Args:
        folder (Path): With the files of ``PredictionFiles``; those that are
            missing are not drawn.
        work_dir (Path): Pages that ``OccVisualizationHook`` has drawn below
            it are taken where there are some.
    """

    def __init__(self, folder: Path, work_dir: Path) -> None:
        self._folder, self._work_dir = folder, work_dir
        self._about: Mapping[str, dict] = {}
        if (folder / FRAMES).exists():
            self._about = {
                line.values.get('token', ''): line.values
                for line in read_json_lines(folder / FRAMES)
            }

    def title(self, token: str) -> str:
        """Return scene name, frame number and token."""
        about = self._about.get(token, {})
        parts = [about.get('scene_name', ''), token]
        if about.get('frame_idx', -1) >= 0:
            parts.insert(1, f'frame {about["frame_idx"]}')
        return ', '.join(part for part in parts if part)

    def picture(self, token: str) -> bytes:
        """Return a JPEG of all predictions and ground truth of a frame."""
        drawn = sorted(
            self._work_dir.rglob(f'vis/**/*{make_file_name(token)}.png')
        )
        if drawn:
            image = cv2.imread(str(drawn[-1]), cv2.IMREAD_COLOR)
            if image is not None:
                return _jpeg(image)
        return _jpeg(self._draw(token)[..., ::-1])

    def _draw(self, token: str) -> np.ndarray:
        images, names = self._images(token)
        frame = FramePicture(
            title=self.title(token),
            images=images,
            cam_names=names,
            **self._grids(token),
            **self._plan(token),
        )
        return frame_panel(frame, PICTURE_WIDTH)

    def _images(self, token: str) -> tuple[list[np.ndarray], list[str]]:
        """Read the camera images; none where their folder is gone."""
        about = self._about.get(token, {})
        names = about.get('cam_names', [])
        paths = about.get('img_paths', [])[: len(names)]
        images = [cv2.imread(path, cv2.IMREAD_COLOR) for path in paths]
        if any(image is None for image in images):
            return [], []
        return [image[..., ::-1] for image in images], names[: len(images)]

    def _grids(self, token: str) -> dict[str, np.ndarray]:
        paths = self._folder / OCC, self._folder / OCC_TRUTH
        if not all(path.exists() for path in paths):
            return {}
        with NpzFile(paths[0]) as pred, NpzFile(paths[1]) as truth:
            joined = Joined(pred, truth, SEMANTICS)
            if token not in joined.names:
                return {}
            place = joined.names.index(token)
            grids = {
                'pred_occ': pred.frames(SEMANTICS)[joined.places[place]],
                'gt_occ': truth.frames(SEMANTICS)[place],
            }
            if MASK in truth:
                grids['mask_camera'] = truth.frames(MASK)[place]
            return grids

    def _plan(self, token: str) -> dict[str, np.ndarray]:
        paths = self._folder / PLANS, self._folder / PLAN_TRUTH
        if not all(path.exists() for path in paths):
            return {}
        with NpzFile(paths[0]) as pred, NpzFile(paths[1]) as truth:
            files = PlanFiles(pred, truth)
            if token not in files.names:
                return {}
            sample = files.sample(files.names.index(token))
        plan = {}
        if sample.plan is not None:
            plan['pred_trajs'] = sample.plan[None]
        if sample.mask.any():
            plan['gt_trajs'] = sample.truth[sample.mask]
        return plan


def _jpeg(image: np.ndarray) -> bytes:
    """Encode a BGR picture, at most ``PICTURE_WIDTH`` wide."""
    scale = PICTURE_WIDTH / image.shape[1]
    if scale < 1:
        image = cv2.resize(
            image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
        )
    _, data = cv2.imencode(
        '.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    return data.tobytes()
