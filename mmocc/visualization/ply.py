"""Export of occupancy to PLY files for MeshLab, Blender, CloudCompare."""

import os
from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement

from mmocc.structures import FREE, OccGrid
from mmocc.utils.atomic import atomic_open
from mmocc.visualization.drawing import class_colours
from mmocc.visualization.voxel_view import check_voxels

# Corners of a cube from -1 to 1, and its faces: the step to the neighbour, and
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
    """Write occupied voxels in class colours to a PLY file, atomically.

    Coordinates are metres in the ego frame: x forward, y left, z up.

    Args:
        semantics (np.ndarray): (X, Y, Z) Occ3D ids; 17 (free) and 255 (no
            label) are left out.
        path (str | PathLike): Name that ends in ``.ply``; its folder is
            created.
        cubes (bool): Whether voxels are written as cubes, with their faces
            to free space; otherwise as points at their centres, with the
            Occ3D id as ``label``. Defaults to True.
        grid (OccGrid, optional): Grid of the voxels. Defaults to None,
            Occ3D's.

    Returns:
        Path: The file.

    Raises:
        ValueError: If the voxels do not have the shape of the grid, or the
            suffix is another one.
    """
    grid, path = grid or OccGrid(), Path(path)
    if path.suffix.lower() != '.ply':
        raise ValueError(f'{path}: occupancy is written as .ply files')
    check_voxels(semantics, grid)
    elements = _cubes(semantics, grid) if cubes else _points(semantics, grid)
    with atomic_open(path) as file:
        PlyData(elements).write(file)
    return path


def _points(semantics: np.ndarray, grid: OccGrid) -> list[PlyElement]:
    """Describe the centres of occupied voxels as vertices."""
    index = np.argwhere(semantics < FREE)
    ids = semantics[tuple(index.T)]
    vertices = np.empty(len(index), dtype=[*_VERTEX, ('label', 'u1')])
    _fill(vertices, grid.to_metres(index), class_colours(ids))
    vertices['label'] = ids
    return [PlyElement.describe(vertices, 'vertex')]


def _cubes(semantics: np.ndarray, grid: OccGrid) -> list[PlyElement]:
    """Describe the faces to free space, each with four corners of its own."""
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
    """Set the coordinates (N, 3) and colours (N, 3) of vertices, in place."""
    for name, values in zip('xyz', positions.T, strict=True):
        vertices[name] = values
    for name, channel in zip(('red', 'green', 'blue'), colours.T, strict=True):
        vertices[name] = channel
