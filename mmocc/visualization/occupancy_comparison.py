"""Predicted and true occupancy side by side, and where they differ."""

import numpy as np

from mmocc.structures import FREE, OCC3D_CLASSES, OCC3D_PALETTE, OccGrid
from mmocc.visualization.bev_view import bev_view
from mmocc.visualization.drawing import (
    GAP,
    PAPER,
    Colour,
    below,
    beside,
    blank,
    legend,
    with_caption,
)
from mmocc.visualization.voxel_view import (
    draw_voxels,
    ground_height,
    voxel_view,
)

COLUMNS = 3
# The height of a 3D view in its width.
ASPECT = 0.5

# How a voxel came out, as ids of :func:`outcome`.
NEITHER, RIGHT, WRONG_CLASS, MISSED, INVENTED = range(5)
OUTCOMES: dict[int, tuple[str, Colour]] = {
    RIGHT: ('right', (190, 197, 204)),
    WRONG_CLASS: ('wrong class', (245, 159, 0)),
    MISSED: ('missed', (25, 113, 194)),
    INVENTED: ('invented', (224, 49, 49)),
}
CLASS_LEGEND = tuple(
    (name.replace('_', ' '), colour)
    for name, colour in zip(OCC3D_CLASSES, OCC3D_PALETTE, strict=True)
)[:FREE]


def outcome(
    pred: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None
) -> np.ndarray:
    """How each voxel came out.

    Args:
        pred (np.ndarray): (X, Y, Z) Occ3D ids.
        truth (np.ndarray): (X, Y, Z) Occ3D ids; 255 is nobody's business.
        mask (np.ndarray, optional): (X, Y, Z); the rest is nobody's business
            either.

    Returns:
        np.ndarray: (X, Y, Z) uint8: ``NEITHER`` (free in both, or not asked
        for), ``RIGHT``, ``WRONG_CLASS``, ``MISSED`` (predicted free) or
        ``INVENTED`` (truly free).
    """
    counts = truth <= FREE
    if mask is not None:
        counts = counts & np.asarray(mask, dtype=bool)
    result = np.full(truth.shape, NEITHER, dtype=np.uint8)
    result[counts & (pred == truth) & (truth != FREE)] = RIGHT
    result[counts & (pred != truth)] = WRONG_CLASS
    result[counts & (pred == FREE) & (truth != FREE)] = MISSED
    result[counts & (pred != FREE) & (truth == FREE)] = INVENTED
    return result


def outcome_legend(result: np.ndarray, width: int) -> np.ndarray:
    """Colours of the outcomes with their shares of the occupied voxels."""
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
    truth: np.ndarray | None,
    mask_camera: np.ndarray | None = None,
    width: int = 1500,
    grid: OccGrid | None = None,
    from_above: bool = False,
) -> np.ndarray:
    """Draw prediction, ground truth and their difference, with legends.

    Args:
        pred (np.ndarray, optional): (X, Y, Z) Occ3D ids.
        truth (np.ndarray, optional): (X, Y, Z) Occ3D ids. Without it the
            prediction stands alone.
        mask_camera (np.ndarray, optional): (X, Y, Z); voxels outside, which
            published scores leave out, are not drawn.
        width (int): Pixels of the whole picture. Defaults to 1500.
        grid (OccGrid, optional): Defaults to Occ3D's.
        from_above (bool): Add a row of views from above. Defaults to False.

    Returns:
        np.ndarray: (H, width, 3) uint8 RGB.
    """
    grid = grid or OccGrid()
    if pred is None and truth is None:
        raise ValueError(
            'there is neither predicted nor true occupancy to draw'
        )
    note = '' if mask_camera is None else 'seen by a camera'
    cell = (width - (COLUMNS - 1) * GAP) // COLUMNS
    if pred is not None and truth is not None:
        picture = _three_columns(
            pred, truth, mask_camera, cell, grid, from_above, note
        )
    else:
        name, semantics = 'Predicted occupancy', pred
        if pred is None:
            name, semantics = 'True occupancy', truth
        wide = 2 * cell + GAP
        view = voxel_view(
            semantics, mask_camera, wide, round(wide * ASPECT), grid
        )
        above = _fit(bev_view(semantics, mask_camera), cell)
        views = beside(
            [with_caption(view, name, note), with_caption(above, '')]
        )
        picture = below([views, legend(CLASS_LEGEND, width)])
    rest = blank(width - picture.shape[1], len(picture))
    return np.concatenate([picture, rest], axis=1)


def _three_columns(
    pred: np.ndarray,
    truth: np.ndarray,
    mask: np.ndarray | None,
    cell: int,
    grid: OccGrid,
    from_above: bool,
    note: str,
) -> np.ndarray:
    """Prediction, truth and difference; see :func:`occupancy_comparison`."""
    height = round(cell * ASPECT)
    result = outcome(pred, truth, mask)
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
        ground_height(truth, grid),
    )
    views = [
        ('Predicted occupancy', voxel_view(pred, mask, cell, height, grid)),
        ('True occupancy', voxel_view(truth, mask, cell, height, grid)),
        ('Difference', difference),
    ]
    rows = [beside([with_caption(view, name, note) for name, view in views])]
    if from_above:
        above = [
            bev_view(pred, mask),
            bev_view(truth, mask),
            # Of each column the worst outcome; forward is up.
            palette[result.max(axis=2)[::-1, ::-1]],
        ]
        rows.append(beside([_fit(picture, cell) for picture in above]))
    rows.append(
        beside(
            [
                legend(CLASS_LEGEND, 2 * cell + GAP),
                outcome_legend(result, cell),
            ]
        )
    )
    return below(rows)


def _fit(image: np.ndarray, width: int) -> np.ndarray:
    """Enlarge a picture of cells to ``width`` pixels, keeping hard edges."""
    height = round(width * image.shape[0] / image.shape[1])
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    return image[rows[:, None], columns]
