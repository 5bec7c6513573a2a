"""Pictures of one frame: single views, or all of them on one page."""

import numpy as np

from mmocc.structures import OccGrid
from mmocc.visualization.camera_panel import camera_panel
from mmocc.visualization.drawing import (
    CLASS_LEGEND,
    GAP,
    PLAN,
    TRUTH,
    Colour,
    below,
    beside,
    blank,
    legend,
    with_caption,
)
from mmocc.visualization.forecast_strip import forecast_strip
from mmocc.visualization.frame_picture import FramePicture
from mmocc.visualization.occupancy_comparison import occupancy_comparison
from mmocc.visualization.plan_bev import plan_bev
from mmocc.visualization.text_panel import text_panel

# Names of the pictures of :func:`frame_pictures`.
PICTURE_NAMES = (
    'cameras',
    'camera_voxels',
    'occupancy',
    'forecast',
    'plan',
    'panel',
)
PAGE_WIDTH = 1500  # pixels inside the margin
MARGIN = 14
PLAN_SHARE = 0.37  # of the width of the page
PLAN_WIDTH = 800  # pixels of the plan as a picture of its own
TEXT_HEIGHT = 480
CAPTION_HEIGHT = 28


def frame_pictures(
    frame: FramePicture, grid: OccGrid | None = None
) -> dict[str, np.ndarray]:
    """Draw the views of a frame, each as a picture of its own with a legend.

    Args:
        frame (FramePicture): The frame, with images.
        grid (OccGrid, optional): Grid of the occupancy. Defaults to None,
            Occ3D's.

    Returns:
        dict: (H, W, 3) uint8 RGB pictures by name: ``cameras`` and ``panel``,
        and, of a model that predicts them, ``camera_voxels``, ``occupancy``,
        ``forecast`` and ``plan``.
    """
    cameras = _draw_cameras(frame, PAGE_WIDTH)
    entries = _camera_legend(frame)
    if entries:
        cameras = below([cameras, legend(entries, cameras.shape[1])])
    pictures = {'cameras': cameras, 'panel': frame_panel(frame, grid=grid)}
    if frame.pred_occ is not None:
        voxels = _draw_camera_voxels(frame, PAGE_WIDTH, grid)
        pictures['camera_voxels'] = below(
            [voxels, legend(CLASS_LEGEND, voxels.shape[1])]
        )
        pictures['occupancy'] = occupancy_comparison(
            frame.pred_occ,
            frame.gt_occ,
            frame.mask_camera,
            grid=grid,
            from_above=True,
        )
    if frame.forecast is not None:
        pictures['forecast'] = forecast_strip(frame.pred_occ, frame.forecast)
    if frame.pred_trajs is not None:
        pictures['plan'] = _draw_plan(frame, frame.pred_occ, PLAN_WIDTH, grid)
    return pictures


def frame_panel(
    frame: FramePicture,
    width: int = PAGE_WIDTH,
    grid: OccGrid | None = None,
) -> np.ndarray:
    """Draw all views of a frame on one page.

    Args:
        frame (FramePicture): The frame.
        width (int): Width inside the margin in pixels. Defaults to 1500.
        grid (OccGrid, optional): Grid of the occupancy. Defaults to None,
            Occ3D's.

    Returns:
        np.ndarray: (H, W, 3) uint8 RGB.
    """
    name, semantics = frame.occupancy
    blocks = []
    if frame.images:
        blocks.append(_draw_cameras(frame, width))
        if semantics is not None and frame.is_calibrated:
            voxels = _draw_camera_voxels(frame, width, grid)
            blocks.append(
                with_caption(
                    voxels, f'{name} occupancy', 'as the cameras see it'
                )
            )
    if semantics is not None:
        blocks.append(
            occupancy_comparison(
                frame.pred_occ, frame.gt_occ, frame.mask_camera, width, grid
            )
        )
    if frame.forecast is not None:
        blocks.append(forecast_strip(semantics, frame.forecast, width))
    last = []
    if frame.pred_trajs is not None or frame.gt_trajs is not None:
        plan = _draw_plan(frame, semantics, round(width * PLAN_SHARE), grid)
        note = '' if semantics is None else f'on {name.lower()} occupancy'
        last.append(with_caption(plan, 'Plan', note))
    if frame.rows:
        room = width - sum(image.shape[1] + 2 * GAP for image in last)
        height = len(last[0]) - CAPTION_HEIGHT if last else TEXT_HEIGHT
        last.append(
            with_caption(text_panel(frame.rows, room, height), 'Language')
        )
    if last:
        blocks.append(beside(last, 2 * GAP))
    title = with_caption(blank(width, 0), frame.title)
    page = below([title, *blocks], GAP + 4)
    margins = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    return np.pad(page, margins, constant_values=255)


def _draw_cameras(frame: FramePicture, width: int) -> np.ndarray:
    """Draw the cameras, with boxes and plans where they are calibrated."""
    if not frame.is_calibrated:
        return camera_panel(frame.images, frame.cam_names, width=width)
    return camera_panel(
        frame.images,
        frame.cam_names,
        frame.paths,
        frame.cam2img,
        frame.cam2ego,
        width,
        frame.overlays.agents,
    )


def _draw_camera_voxels(
    frame: FramePicture, width: int, grid: OccGrid | None
) -> np.ndarray:
    """Draw the cameras with voxels over them."""
    return camera_panel(
        frame.images,
        frame.cam_names,
        (),
        frame.cam2img,
        frame.cam2ego,
        width,
        semantics=frame.occupancy[1],
        grid=grid,
    )


def _draw_plan(
    frame: FramePicture,
    semantics: np.ndarray | None,
    width: int,
    grid: OccGrid | None,
) -> np.ndarray:
    """Draw plans, driven path, boxes, map and anchors from above."""
    return plan_bev(
        semantics,
        frame.gt_trajs,
        frame.pred_trajs,
        frame.his_trajs,
        width,
        grid,
        frame.pred_scores,
        frame.overlays.agents,
        frame.overlays.road,
        frame.overlays.anchors,
    )


def _camera_legend(frame: FramePicture) -> list[tuple[str, Colour]]:
    """Name the colours of the plans and of the classes of the boxes."""
    names = {PLAN: 'planned', TRUTH: 'driven'}
    entries = [(names[path.colour], path.colour) for path in frame.paths]
    agents = frame.overlays.agents
    labels = () if agents is None else np.unique(agents.labels)
    return entries + [
        CLASS_LEGEND[label]
        for label in labels
        if 0 <= label < len(CLASS_LEGEND)
    ]
