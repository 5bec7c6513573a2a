"""``FramePicture``: everything that is drawn of one frame."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from mmocc.structures import (
    DIRECTIONS,
    SPEEDS,
    MetaAction,
    OccDataSample,
)
from mmocc.visualization.camera_panel import GroundPath
from mmocc.visualization.drawing import PLAN, TRUTH
from mmocc.visualization.overlays import FrameOverlays
from mmocc.visualization.text_panel import (
    TextRow,
    answer_rows,
    meta_action_row,
)

# Widths of trajectories on the ground, in metres.
PLAN_WIDTH, TRUTH_WIDTH = 1.2, 0.5


@dataclass(frozen=True)
class FramePicture:
    """The data that is drawn of one frame; every part may be missing.

    Attributes:
        title (str): Text above the page.
        images (Sequence[np.ndarray]): (H, W, 3) RGB pictures of V cameras.
        cam_names (Sequence[str]): Names of the V cameras.
        cam2img (np.ndarray, optional): (V, 3, 3) intrinsics in pixels of
            ``images``.
        cam2ego (np.ndarray, optional): (V, 4, 4) poses of the cameras.
        pred_occ (np.ndarray, optional): (X, Y, Z) predicted Occ3D ids.
        gt_occ (np.ndarray, optional): (X, Y, Z) true Occ3D ids.
        mask_camera (np.ndarray, optional): (X, Y, Z) bool, True where a
            camera sees the voxel.
        forecast (np.ndarray, optional): (T, X, Y, Z) predicted ids of future
            frames, or the true ones where there are no predictions.
        pred_trajs (np.ndarray, optional): (M, 6, 2) planned trajectories in
            metres, best first.
        pred_scores (np.ndarray, optional): (M,) logits of ``pred_trajs``.
        gt_trajs (np.ndarray, optional): (T, 2) driven positions that exist.
        his_trajs (np.ndarray, optional): (T, 2) past positions that exist.
        overlays (FrameOverlays): Boxes, map and anchors.
        rows (Sequence[TextRow]): Meta-action, questions and answers.
    """

    title: str
    images: Sequence[np.ndarray] = ()
    cam_names: Sequence[str] = ()
    cam2img: np.ndarray | None = None
    cam2ego: np.ndarray | None = None
    pred_occ: np.ndarray | None = None
    gt_occ: np.ndarray | None = None
    mask_camera: np.ndarray | None = None
    forecast: np.ndarray | None = None
    pred_trajs: np.ndarray | None = None
    pred_scores: np.ndarray | None = None
    gt_trajs: np.ndarray | None = None
    his_trajs: np.ndarray | None = None
    overlays: FrameOverlays = field(default_factory=FrameOverlays)
    rows: Sequence[TextRow] = ()

    @classmethod
    def from_sample(
        cls,
        sample: OccDataSample,
        images: Sequence[np.ndarray] = (),
        draw_gt: bool = True,
        draw_pred: bool = True,
        overlays: FrameOverlays | None = None,
    ) -> 'FramePicture':
        """Collect the drawable fields of a data sample.

        Args:
            sample (OccDataSample): The frame; any field may be missing.
            images (Sequence[np.ndarray]): RGB pictures of the first of
                ``cam_names`` (those of past frames come last), of any size;
                the calibration is scaled to them. Defaults to ().
            draw_gt (bool): Whether ground truth is drawn. Defaults to True.
            draw_pred (bool): Whether predictions are drawn. Defaults to True.
            overlays (FrameOverlays, optional): Boxes, which are ground truth,
                map and anchors. Defaults to None.

        Raises:
            ValueError: If the calibration is misshapen, or a trajectory is
                not finite.
        """
        meta = sample.metainfo
        overlays = overlays or FrameOverlays()
        if not draw_gt:
            overlays = overlays._replace(agents=None)
        calibration = {}
        if images and 'cam2img' in meta:
            views = slice(len(images))
            calibration = {
                'cam2img': _scale_intrinsics(
                    meta['cam2img'][views], meta['img_shape'], images
                ),
                'cam2ego': np.asarray(meta['cam2ego'][views]),
            }
        return cls(
            title=_format_title(meta),
            images=images,
            cam_names=meta.get('cam_names', ())[: len(images)],
            pred_occ=_get_array(sample, 'pred_occ', 'semantics', draw_pred),
            gt_occ=_get_array(sample, 'gt_occ', 'semantics', draw_gt),
            mask_camera=_get_array(sample, 'gt_occ', 'mask_camera', draw_gt),
            forecast=_get_forecast(sample, draw_gt, draw_pred),
            pred_trajs=_check_finite(
                sample,
                'pred_ego.trajs',
                _get_array(sample, 'pred_ego', 'trajs', draw_pred),
            ),
            pred_scores=_get_array(sample, 'pred_ego', 'scores', draw_pred),
            gt_trajs=_get_steps(sample, 'fut', draw_gt),
            his_trajs=_get_steps(sample, 'his', True),
            overlays=overlays,
            rows=_make_rows(sample, draw_gt, draw_pred),
            **calibration,
        )

    @property
    def is_calibrated(self) -> bool:
        """Whether intrinsics and poses of the cameras are known."""
        return self.cam2img is not None and self.cam2ego is not None

    @property
    def occupancy(self) -> tuple[str, np.ndarray | None]:
        """'Predicted' and its grid, or 'True' and its grid or None."""
        if self.pred_occ is not None:
            return 'Predicted', self.pred_occ
        return 'True', self.gt_occ

    @property
    def paths(self) -> list[GroundPath]:
        """The best plan and, drawn over it, the driven trajectory."""
        paths = []
        if self.pred_trajs is not None and len(self.pred_trajs):
            paths.append(GroundPath(self.pred_trajs[0], PLAN, PLAN_WIDTH))
        if self.gt_trajs is not None and len(self.gt_trajs):
            paths.append(GroundPath(self.gt_trajs, TRUTH, TRUTH_WIDTH))
        return paths


def _format_title(meta: dict) -> str:
    """Join scene, frame number and token, as far as they are known."""
    parts = [meta.get('scene_name', ''), '', meta.get('token', '')]
    if meta.get('frame_idx', -1) >= 0:
        parts[1] = f'frame {meta["frame_idx"]}'
    return ' · '.join(part for part in parts if part)


def _scale_intrinsics(
    cam2img: np.ndarray,
    img_shape: tuple[int, int],
    images: Sequence[np.ndarray],
) -> np.ndarray:
    """Scale intrinsics (V, 3, 3) from the model's input size to ``images``."""
    matrices = np.asarray(cam2img)
    if matrices.ndim != 3 or min(matrices.shape[1:]) < 3:
        raise ValueError(
            f'cam2img has shape {matrices.shape}, expected (V, 3, 3): '
            'intrinsics of each camera; correct the calibration'
        )
    height, width = img_shape[:2]
    scales = np.array(
        [(img.shape[1] / width, img.shape[0] / height, 1.0) for img in images]
    )
    return matrices[:, :3, :3] * scales[:, :, None]


def _get_array(
    sample: OccDataSample, field: str, key: str, wanted: bool
) -> np.ndarray | None:
    """Return ``sample.<field>.<key>`` as an array, or None without it."""
    element = sample.get(field)
    if not wanted or element is None or key not in element:
        return None
    value = torch.as_tensor(element.get(key)).detach().cpu()
    return (value.float() if value.is_floating_point() else value).numpy()


def _get_forecast(
    sample: OccDataSample, draw_gt: bool, draw_pred: bool
) -> np.ndarray | None:
    """Return predicted future grids (T, X, Y, Z), or the true ones."""
    grids = _get_array(sample, 'pred_occ', 'future_semantics', draw_pred)
    if grids is not None or (draw_pred and sample.get('pred_occ') is not None):
        return grids
    grids = _get_array(sample, 'gt_occ', 'future_semantics', draw_gt)
    valid = _get_array(sample, 'gt_occ', 'future_valid', draw_gt)
    if grids is None or valid is None:
        return grids
    known = int(valid.astype(bool).cumprod().sum())
    # The picture begins with the first full second, which is the second step.
    return grids[:known] if known > 1 else None


def _get_steps(
    sample: OccDataSample, side: str, wanted: bool
) -> np.ndarray | None:
    """Return the positions (T, 2) of ``gt_ego.<side>_trajs`` that exist."""
    trajs = _get_array(sample, 'gt_ego', f'{side}_trajs', wanted)
    if trajs is None:
        return None
    mask = _get_array(sample, 'gt_ego', f'{side}_masks', wanted)
    steps = trajs[:, :2] if mask is None else trajs[mask.astype(bool), :2]
    return _check_finite(sample, f'gt_ego.{side}_trajs', steps)


def _check_finite(
    sample: OccDataSample, name: str, values: np.ndarray | None
) -> np.ndarray | None:
    """Return the values, or raise an error if one is not finite."""
    if values is not None and not np.isfinite(values).all():
        raise ValueError(
            f'frame {sample.metainfo.get("token")}: {name} holds values that '
            'are not finite; correct the poses that it derives from, or look '
            'for the step at which the model diverged'
        )
    return values


def _get_meta_action(
    sample: OccDataSample, field: str, wanted: bool
) -> MetaAction | None:
    """Return the meta-action of a field; None where it is missing or -1."""
    pair = [
        _get_array(sample, field, key, wanted)
        for key in ('speed', 'direction')
    ]
    if any(index is None or index < 0 for index in pair):
        return None
    speed, direction = (int(index) for index in pair)
    return MetaAction(SPEEDS[speed], DIRECTIONS[direction])


def _make_rows(
    sample: OccDataSample, draw_gt: bool, draw_pred: bool
) -> list[TextRow]:
    """Format meta-action and answers: predicted, or true without them."""
    rows = []
    pred = _get_meta_action(sample, 'pred_meta', draw_pred)
    gt = _get_meta_action(sample, 'gt_meta', draw_gt)
    if draw_pred and sample.get('pred_meta') is not None:
        rows.append(meta_action_row(pred, gt))
        reasoning = sample.pred_meta.get('text')
        if reasoning:
            rows.append(TextRow('Reasoning', reasoning))
    elif gt is not None:
        rows.append(TextRow('Meta-action', str(gt)))
    if sample.get('gt_text') is None:
        return rows
    questions = sample.gt_text.get('questions', [])
    predicted = draw_pred and sample.get('pred_text') is not None
    if not (predicted or draw_gt):
        return rows
    answers = (
        sample.pred_text.answers
        if predicted
        else [question.answer for question in questions]
    )
    for question, answer in zip(questions, answers, strict=True):
        # An answer is compared only if its ground truth may be shown.
        compared = predicted and draw_gt
        shown = question if compared else question._replace(answer='')
        rows += answer_rows(shown, answer)
    return rows
