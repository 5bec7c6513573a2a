"""One frame on one page: cameras, occupancy, plan, text."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from mmocc.structures import (
    DIRECTIONS,
    SPEEDS,
    MetaAction,
    OccDataSample,
    OccGrid,
)
from mmocc.visualization.camera_panel import Path, camera_panel
from mmocc.visualization.drawing import (
    GAP,
    PLAN,
    TRUTH,
    below,
    beside,
    blank,
    with_caption,
)
from mmocc.visualization.forecast_strip import forecast_strip
from mmocc.visualization.occupancy_comparison import occupancy_comparison
from mmocc.visualization.plan_bev import plan_bev
from mmocc.visualization.surroundings import Surroundings
from mmocc.visualization.text_panel import (
    TextRow,
    answer_rows,
    meta_action_row,
    text_panel,
)

MARGIN = 14
PLAN_WIDTH, TRUTH_WIDTH = 1.2, 0.5


@dataclass(frozen=True)
class FramePicture:
    """What is known about a frame; every part may be missing.

    Attributes:
        title (str): Above everything.
        images (Sequence[np.ndarray]): (H, W, 3) RGB pictures of V cameras.
        cam_names (Sequence[str]): Their names.
        cam2img (np.ndarray, optional): (V, 3, 3) for the images as they are.
        cam2ego (np.ndarray, optional): (V, 4, 4).
        pred_occ (np.ndarray, optional): (X, Y, Z) ids.
        gt_occ (np.ndarray, optional): (X, Y, Z) ids.
        mask_camera (np.ndarray, optional): (X, Y, Z).
        forecast (np.ndarray, optional): (T, X, Y, Z) ids to come, the
            model's or, without them, the true ones.
        pred_trajs (np.ndarray, optional): (M, 6, 2), best first.
        pred_scores (np.ndarray, optional): (M,) logits of these.
        gt_trajs (np.ndarray, optional): (T, 2), the steps that exist.
        his_trajs (np.ndarray, optional): (T, 2), the steps that exist.
        surroundings (Surroundings): Boxes, map and anchors.
        rows (Sequence[TextRow]): Text.
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
    surroundings: Surroundings = field(default_factory=Surroundings)
    rows: Sequence[TextRow] = ()

    @classmethod
    def from_sample(
        cls,
        sample: OccDataSample,
        images: Sequence[np.ndarray] = (),
        draw_gt: bool = True,
        draw_pred: bool = True,
        surroundings: Surroundings | None = None,
    ) -> 'FramePicture':
        """Collect what a data sample holds.

        Args:
            sample (OccDataSample): Any of its fields may be missing.
            images (Sequence[np.ndarray]): Pictures of the first of
                ``cam_names`` (those of past frames come last), of any size:
                calibration is scaled to them. Defaults to ().
            draw_gt (bool): Show ground truth. Defaults to True.
            draw_pred (bool): Show predictions. Defaults to True.
            surroundings (Surroundings, optional): What the sample does not
                carry; its agents are ground truth. Defaults to None.

        Raises:
            ValueError: If the calibration is misshapen, or a trajectory is
                not finite.
        """
        meta = sample.metainfo
        surroundings = surroundings or Surroundings()
        if not draw_gt:
            surroundings = surroundings._replace(agents=None)
        calibration = {}
        if images and 'cam2img' in meta:
            seen = slice(len(images))
            calibration = {
                'cam2img': _scaled(
                    meta['cam2img'][seen], meta['img_shape'], images
                ),
                'cam2ego': np.asarray(meta['cam2ego'][seen]),
            }
        return cls(
            title=_title(meta),
            images=images,
            cam_names=meta.get('cam_names', ())[: len(images)],
            pred_occ=_array(sample, 'pred_occ', 'semantics', draw_pred),
            gt_occ=_array(sample, 'gt_occ', 'semantics', draw_gt),
            mask_camera=_array(sample, 'gt_occ', 'mask_camera', draw_gt),
            forecast=_forecast(sample, draw_gt, draw_pred),
            pred_trajs=_finite(
                sample,
                'pred_ego.trajs',
                _array(sample, 'pred_ego', 'trajs', draw_pred),
            ),
            pred_scores=_array(sample, 'pred_ego', 'scores', draw_pred),
            gt_trajs=_steps(sample, 'fut', draw_gt),
            his_trajs=_steps(sample, 'his', True),
            surroundings=surroundings,
            rows=_rows(sample, draw_gt, draw_pred),
            **calibration,
        )

    @property
    def paths(self) -> list[Path]:
        """The plans to paint on the road, the model's on top."""
        paths = []
        if self.gt_trajs is not None:
            paths.append(Path(self.gt_trajs, TRUTH, TRUTH_WIDTH))
        if self.pred_trajs is not None:
            paths.insert(0, Path(self.pred_trajs[0], PLAN, PLAN_WIDTH))
        return paths


def _title(meta: dict) -> str:
    """Scene, frame and token, as far as they are known."""
    parts = [meta.get('scene_name', ''), '', meta.get('token', '')]
    if meta.get('frame_idx', -1) >= 0:
        parts[1] = f'frame {meta["frame_idx"]}'
    return ' · '.join(part for part in parts if part)


def _scaled(
    cam2img: np.ndarray,
    img_shape: tuple[int, int],
    images: Sequence[np.ndarray],
) -> np.ndarray:
    """Intrinsics (V, 3, 3) for pictures of other sizes than the model's."""
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


def _array(
    sample: OccDataSample, field: str, key: str, wanted: bool
) -> np.ndarray | None:
    """``sample.<field>.<key>`` as an array; None where there is none."""
    element = sample.get(field)
    if not wanted or element is None or key not in element:
        return None
    value = torch.as_tensor(element.get(key)).detach().cpu()
    return (value.float() if value.is_floating_point() else value).numpy()


def _forecast(
    sample: OccDataSample, draw_gt: bool, draw_pred: bool
) -> np.ndarray | None:
    """Predicted grids (T, X, Y, Z), or the true ones that exist."""
    grids = _array(sample, 'pred_occ', 'future_semantics', draw_pred)
    if grids is not None or (draw_pred and sample.get('pred_occ') is not None):
        return grids
    grids = _array(sample, 'gt_occ', 'future_semantics', draw_gt)
    valid = _array(sample, 'gt_occ', 'future_valid', draw_gt)
    if grids is None or valid is None:
        return grids
    known = int(valid.astype(bool).cumprod().sum())
    # The first full second is the first that is shown.
    return grids[:known] if known > 1 else None


def _steps(
    sample: OccDataSample, side: str, wanted: bool
) -> np.ndarray | None:
    """The positions (T, 2) of ``gt_ego.<side>_trajs`` that exist."""
    trajs = _array(sample, 'gt_ego', f'{side}_trajs', wanted)
    if trajs is None:
        return None
    mask = _array(sample, 'gt_ego', f'{side}_masks', wanted)
    steps = trajs[:, :2] if mask is None else trajs[mask.astype(bool), :2]
    return _finite(sample, f'gt_ego.{side}_trajs', steps)


def _finite(
    sample: OccDataSample, name: str, values: np.ndarray | None
) -> np.ndarray | None:
    """The values, if there are none that are not finite."""
    if values is not None and not np.isfinite(values).all():
        raise ValueError(
            f'frame {sample.metainfo.get("token")}: {name} holds values that '
            'are not finite; correct the poses that it derives from, or look '
            'for the step at which the model diverged'
        )
    return values


def _meta_action(
    sample: OccDataSample, field: str, wanted: bool
) -> MetaAction | None:
    """The pair of ``sample.<field>``; None where it is missing or -1."""
    pair = [
        _array(sample, field, key, wanted) for key in ('speed', 'direction')
    ]
    if any(index is None or index < 0 for index in pair):
        return None
    speed, direction = (int(index) for index in pair)
    return MetaAction(SPEEDS[speed], DIRECTIONS[direction])


def _rows(
    sample: OccDataSample, draw_gt: bool, draw_pred: bool
) -> list[TextRow]:
    """Meta-action and answers: the model's, or the true ones without them."""
    rows = []
    pred = _meta_action(sample, 'pred_meta', draw_pred)
    truth = _meta_action(sample, 'gt_meta', draw_gt)
    if draw_pred and sample.get('pred_meta') is not None:
        rows.append(meta_action_row(pred, truth))
        reasoning = sample.pred_meta.get('text')
        if reasoning:
            rows.append(TextRow('Reasoning', reasoning))
    elif truth is not None:
        rows.append(TextRow('Meta-action', str(truth)))
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
        # Without its true answer a question has nothing to compare with.
        compared = predicted and draw_gt
        shown = question if compared else question._replace(answer='')
        rows += answer_rows(shown, answer)
    return rows


def frame_panel(
    frame: FramePicture, width: int = 1500, grid: OccGrid | None = None
) -> np.ndarray:
    """Draw everything known about a frame on one page.

    Args:
        frame (FramePicture): The frame.
        width (int): Pixels inside the margin. Defaults to 1500.
        grid (OccGrid, optional): Of the occupancy. Defaults to Occ3D's.

    Returns:
        np.ndarray: (H, W, 3) uint8 RGB.
    """
    blocks = []
    if frame.images:
        blocks += _camera_blocks(frame, width, grid)
    if frame.pred_occ is not None or frame.gt_occ is not None:
        blocks.append(
            occupancy_comparison(
                frame.pred_occ, frame.gt_occ, frame.mask_camera, width, grid
            )
        )
    if frame.forecast is not None:
        present = frame.gt_occ if frame.pred_occ is None else frame.pred_occ
        blocks.append(forecast_strip(present, frame.forecast, width))
    last = []
    if frame.pred_trajs is not None or frame.gt_trajs is not None:
        semantics = frame.pred_occ
        note = 'on predicted occupancy'
        if semantics is None:
            semantics, note = frame.gt_occ, 'on true occupancy'
        plan = plan_bev(
            semantics,
            frame.gt_trajs,
            frame.pred_trajs,
            frame.his_trajs,
            round(width * 0.37),
            grid,
            frame.pred_scores,
            frame.surroundings.agents,
            frame.surroundings.road,
            frame.surroundings.anchors,
        )
        last.append(
            with_caption(plan, 'Plan', '' if semantics is None else note)
        )
    if frame.rows:
        room = width - sum(image.shape[1] + 2 * GAP for image in last)
        height = len(last[0]) - 28 if last else 480
        last.append(
            with_caption(text_panel(frame.rows, room, height), 'Language')
        )
    if last:
        blocks.append(beside(last, 2 * GAP))
    page = below(
        [with_caption(blank(width, 0), frame.title), *blocks], GAP + 4
    )
    margins = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    return np.pad(page, margins, constant_values=255)


def _camera_blocks(
    frame: FramePicture, width: int, grid: OccGrid | None
) -> list[np.ndarray]:
    """The cameras with boxes and plans, and with voxels if there are any."""
    calibration = (frame.cam2img, frame.cam2ego)
    if any(matrices is None for matrices in calibration):
        return [camera_panel(frame.images, frame.cam_names, width=width)]
    blocks = [
        camera_panel(
            frame.images,
            frame.cam_names,
            frame.paths,
            *calibration,
            width,
            frame.surroundings.agents,
        )
    ]
    name, semantics = 'Predicted occupancy', frame.pred_occ
    if semantics is None:
        name, semantics = 'True occupancy', frame.gt_occ
    if semantics is not None:
        panel = camera_panel(
            frame.images,
            frame.cam_names,
            (),
            *calibration,
            width,
            None,
            semantics,
            grid,
        )
        blocks.append(with_caption(panel, name, 'as the cameras see it'))
    return blocks
