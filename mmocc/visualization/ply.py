"""Occupancy as PLY files, which MeshLab, Blender and CloudCompare open."""

import os
from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement

from mmocc.structures import FREE, OccGrid
from mmocc.utils.atomic import atomic_open
from mmocc.visualization.voxel_view import class_colours

# Corners of a cube from -1 to 1, and its faces: the neighbour across, and
# corners counter-clockwise from outside.
_CORNERS = np.array(
    [[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
)
_FACES = (
    ((-1, 0, 0), (0, 1, 3, 2)),
    ((1, 0, 0), (4, 6, 7, 5)),
    ((0, -1, 0), (0, 4, 5, 1)),
    ((0, 1, 0), (2, 3, 7, 6)),
    ((0, 0, -1), (0, 2, 6, 4)),
    ((0, 0, 1), (1, 5, 7, 3)),
)
_RGB = [('red', 'u1'), ('green', 'u1'), ('blue', 'u1')]
_VERTEX = [('x', 'f4'), ('y', 'f4'), ('z', 'f4'), *_RGB]


def write_ply(
    semantics: np.ndarray,
    path: str | os.PathLike,
    cubes: bool = True,
    grid: OccGrid | None = None,
) -> Path:
    """Write occupied voxels in class colours; whole or not at all.

    Metres in the ego frame: x forward, y left, z up. Points carry their
    Occ3D id as ``label``.

    Args:
        semantics (np.ndarray): (X, Y, Z) Occ3D ids; 17 (free) and 255 (no
            label) are left out.
        path (str | PathLike): Ends in ``.ply``; folders are made.
        cubes (bool): Write cubes, of which only faces to free space are
            there; else the middles of voxels as points. Defaults to True.
        grid (OccGrid, optional): Defaults to Occ3D's.

    Returns:
        Path: The file.

    Raises:
        ValueError: If the voxels do not fill the grid, or the name has
            another ending.
    """
    grid, path = grid or OccGrid(), Path(path)
    if path.suffix.lower() != '.ply':
        raise ValueError(f'{path}: occupancy is written as .ply files')
    if semantics.shape != grid.shape:
        raise ValueError(
            f'the voxels have shape {semantics.shape}, the grid {grid.shape}; '
            'pass the grid that the voxels belong to'
        )
    elements = _cubes(semantics, grid) if cubes else _points(semantics, grid)
    with atomic_open(path) as file:
        PlyData(elements).write(file)
    return path


def _points(semantics: np.ndarray, grid: OccGrid) -> list[PlyElement]:
    index = np.argwhere(semantics < FREE)
    ids = semantics[tuple(index.T)]
    vertices = np.empty(len(index), dtype=[*_VERTEX, ('label', 'u1')])
    _fill(vertices, grid.to_metres(index), class_colours(ids))
    vertices['label'] = ids
    return [PlyElement.describe(vertices, 'vertex')]


def _cubes(semantics: np.ndarray, grid: OccGrid) -> list[PlyElement]:
    """Faces to free space, each with four corners of its own."""
    occupied = np.pad(semantics < FREE, 1)
    index = np.argwhere(semantics < FREE)
    colours = class_colours(semantics[tuple(index.T)])
    centres = grid.to_metres(index)
    quads, shades = [], []
    for step, corners in _FACES:
        free = ~occupied[tuple((index + 1 + np.array(step)).T)]
        offsets = _CORNERS[list(corners)] * grid.voxel_size / 2
        quads.append(centres[free, None] + offsets)
        shades.append(colours[free])
    quads, shades = np.concatenate(quads), np.concatenate(shades)
    vertices = np.empty(4 * len(quads), dtype=_VERTEX)
    _fill(vertices, quads.reshape(-1, 3), shades.repeat(4, axis=0))
    faces = np.empty(len(quads), dtype=[('vertex_indices', 'i4', (4,)), *_RGB])
    faces['vertex_indices'] = np.arange(4 * len(quads)).reshape(-1, 4)
    for name, channel in zip(('red', 'green', 'blue'), shades.T, strict=True):
        faces[name] = channel
    return [
        PlyElement.describe(vertices, 'vertex'),
        PlyElement.describe(faces, 'face'),
    ]


def _fill(
    vertices: np.ndarray, positions: np.ndarray, colours: np.ndarray
) -> None:
    for name, values in zip('xyz', positions.T, strict=True):
        vertices[name] = values
    for name, channel in zip(('red', 'green', 'blue'), colours.T, strict=True):
        vertices[name] = channel
