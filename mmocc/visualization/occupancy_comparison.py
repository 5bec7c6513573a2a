"""Predicted and true occupancy side by side, with their difference."""

import numpy as np

from mmocc.structures import FREE, OccGrid
from mmocc.visualization.bev_view import bev_view
from mmocc.visualization.drawing import (
    CLASS_LEGEND,
    GAP,
    PAPER,
    Colour,
    below,
    beside,
    blank,
    enlarge,
    legend,
    with_caption,
)
from mmocc.visualization.voxel_view import (
    draw_voxels,
    ground_height,
    voxel_view,
)

COLUMNS = 3
# Height of a 3D view divided by its width.
ASPECT = 0.5

# Ids of :func:`compare_voxels`.
NEITHER, RIGHT, WRONG_CLASS, MISSED, INVENTED = range(5)
OUTCOMES: dict[int, tuple[str, Colour]] = {
    RIGHT: ('right', (190, 197, 204)),
    WRONG_CLASS: ('wrong class', (245, 159, 0)),
    MISSED: ('missed', (25, 113, 194)),
    INVENTED: ('invented', (224, 49, 49)),
}


def compare_voxels(
    pred: np.ndarray, gt: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    """Classify each predicted voxel as right, wrong class, missed, invented.

    Args:
        pred (np.ndarray): (X, Y, Z) predicted Occ3D ids.
        gt (np.ndarray): (X, Y, Z) true Occ3D ids; voxels of 255 (no label)
            are not compared.
        mask (np.ndarray, optional): (X, Y, Z) bool; voxels outside it are not
            compared. Defaults to None, all are compared.

    Returns:
        np.ndarray: (X, Y, Z) uint8: ``NEITHER`` (free in both, or not
        compared), ``RIGHT``, ``WRONG_CLASS``, ``MISSED`` (occupied, predicted
        free) or ``INVENTED`` (free, predicted occupied).
    """
    counts = gt <= FREE
    if mask is not None:
        counts = counts & np.asarray(mask, dtype=bool)
    result = np.full(gt.shape, NEITHER, dtype=np.uint8)
    result[counts & (pred == gt) & (gt != FREE)] = RIGHT
    result[counts & (pred != gt)] = WRONG_CLASS
    result[counts & (pred == FREE) & (gt != FREE)] = MISSED
    result[counts & (pred != FREE) & (gt == FREE)] = INVENTED
    return result


def _outcome_legend(result: np.ndarray, width: int) -> np.ndarray:
    """Draw the colours of ``OUTCOMES`` with their shares of all voxels."""
    counts = np.bincount(result.reshape(-1), minlength=len(OUTCOMES) + 1)
    total = max(int(counts[RIGHT:].sum()), 1)
    return legend(
        [
            (f'{name} {counts[key] / total:.0%}', colour)
            for key, (name, colour) in OUTCOMES.items()
        ],
        width,
    )


def occupancy_comparison(
    pred: np.ndarray | None,
    gt: np.ndarray | None,
    mask_camera: np.ndarray | None = None,
    width: int = 1500,
    grid: OccGrid | None = None,
    from_above: bool = False,
) -> np.ndarray:
    """Draw predicted occupancy, true occupancy and their difference.

    If one of the two is missing, the other one is drawn alone.

    Args:
        pred (np.ndarray, optional): (X, Y, Z) predicted Occ3D ids.
        gt (np.ndarray, optional): (X, Y, Z) true Occ3D ids.
        mask_camera (np.ndarray, optional): (X, Y, Z) bool; voxels outside it,
            which published scores leave out, are not drawn. Defaults to None.
        width (int): Width of the picture in pixels. Defaults to 1500.
        grid (OccGrid, optional): Grid of the voxels. Defaults to None,
            Occ3D's.
        from_above (bool): Whether to add a row of bird's-eye views. Defaults
            to False.

    Returns:
        np.ndarray: (H, width, 3) uint8 RGB.

    Raises:
        ValueError: If there is neither prediction nor ground truth.
    """
    grid = grid or OccGrid()
    if pred is None and gt is None:
        raise ValueError(
            'there is neither predicted nor true occupancy to draw'
        )
    note = '' if mask_camera is None else 'seen by a camera'
    cell = (width - (COLUMNS - 1) * GAP) // COLUMNS
    if pred is not None and gt is not None:
        picture = _three_columns(
            pred, gt, mask_camera, cell, grid, from_above, note
        )
    else:
        name, semantics = 'Predicted occupancy', pred
        if pred is None:
            name, semantics = 'True occupancy', gt
        wide = 2 * cell + GAP
        view = voxel_view(
            semantics, mask_camera, wide, round(wide * ASPECT), grid
        )
        above = enlarge(bev_view(semantics, mask_camera), cell)
        views = beside(
            [with_caption(view, name, note), with_caption(above, '')]
        )
        picture = below([views, legend(CLASS_LEGEND, width)])
    rest = blank(width - picture.shape[1], len(picture))
    return np.concatenate([picture, rest], axis=1)


def _three_columns(
    pred: np.ndarray,
    gt: np.ndarray,
    mask: np.ndarray | None,
    cell: int,
    grid: OccGrid,
    from_above: bool,
    note: str,
) -> np.ndarray:
    """Draw prediction, ground truth and difference in columns of ``cell``."""
    height = round(cell * ASPECT)
    result = compare_voxels(pred, gt, mask)
    occupied = result != NEITHER
    palette = np.array(
        [PAPER, *(colour for _, colour in OUTCOMES.values())], dtype=np.uint8
    )
    difference = draw_voxels(
        occupied,
        palette[result[occupied]],
        cell,
        height,
        grid,
        ground_height(gt, grid),
    )
    views = [
        ('Predicted occupancy', voxel_view(pred, mask, cell, height, grid)),
        ('True occupancy', voxel_view(gt, mask, cell, height, grid)),
        ('Difference', difference),
    ]
    rows = [beside([with_caption(view, name, note) for name, view in views])]
    if from_above:
        above = [
            bev_view(pred, mask),
            bev_view(gt, mask),
            # The worst outcome of each column; forward is up.
            palette[result.max(axis=2)[::-1, ::-1]],
        ]
        rows.append(beside([enlarge(picture, cell) for picture in above]))
    rows.append(
        beside(
            [
                legend(CLASS_LEGEND, 2 * cell + GAP),
                _outcome_legend(result, cell),
            ]
        )
    )
    return below(rows)
