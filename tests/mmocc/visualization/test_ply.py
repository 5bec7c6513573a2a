"""PLY files, read back."""

import numpy as np
import pytest
from plyfile import PlyData

from mmocc.structures import FREE, OCC3D_CLASSES, OCC3D_PALETTE, OccGrid
from mmocc.visualization import write_ply

GRID = OccGrid((0, 0, 0, 4, 4, 4), (1, 1, 1))
CAR, TREE = (OCC3D_CLASSES.index(name) for name in ('car', 'vegetation'))


@pytest.fixture
def semantics():
    semantics = np.full(GRID.shape, FREE, dtype=np.uint8)
    semantics[1, 2, 3] = CAR
    semantics[2, 2, 3] = TREE
    semantics[0, 0, 0] = 255
    return semantics


def positions(vertices):
    return np.stack([vertices[axis] for axis in 'xyz'], axis=-1)


def test_points_are_the_middles_in_class_colours(semantics, tmp_path):
    path = write_ply(semantics, tmp_path / 'new' / 'a.ply', False, GRID)
    vertices = PlyData.read(path)['vertex']
    assert positions(vertices).tolist() == [[1.5, 2.5, 3.5], [2.5, 2.5, 3.5]]
    assert vertices['label'].tolist() == [CAR, TREE]
    assert vertices[0]['red'] == OCC3D_PALETTE[CAR][0]
    assert vertices[1]['green'] == OCC3D_PALETTE[TREE][1]


def test_cubes_have_no_face_between_them(semantics, tmp_path):
    path = write_ply(semantics, tmp_path / 'a.ply', grid=GRID)
    data = PlyData.read(path)
    vertices, faces = data['vertex'], data['face']
    assert len(faces.data) == 2 * 6 - 2
    corners = positions(vertices)
    assert corners.min(axis=0).tolist() == [1, 2, 3]
    assert corners.max(axis=0).tolist() == [3, 3, 4]
    quads = corners[np.stack(faces['vertex_indices'])]
    # Seen from outside, corners run counter-clockwise.
    normals = np.cross(quads[:, 1] - quads[:, 0], quads[:, 2] - quads[:, 1])
    reds = faces['red'].astype(int)
    middles = np.where(
        (reds == OCC3D_PALETTE[CAR][0])[:, None], [1.5, 2.5, 3.5], 0
    ) + np.where((reds == OCC3D_PALETTE[TREE][0])[:, None], [2.5, 2.5, 3.5], 0)
    outwards = ((quads.mean(axis=1) - middles) * normals).sum(axis=1)
    assert (outwards > 0.4).all()


def test_nothing_is_a_file_too(tmp_path):
    semantics = np.full(GRID.shape, FREE, dtype=np.uint8)
    path = write_ply(semantics, tmp_path / 'a.ply', grid=GRID)
    assert len(PlyData.read(path)['vertex'].data) == 0


def test_bad_input_is_named(semantics, tmp_path):
    with pytest.raises(ValueError, match=r'a\.obj: .*\.ply'):
        write_ply(semantics, tmp_path / 'a.obj', grid=GRID)
    with pytest.raises(ValueError, match=r'shape \(4, 4, 4\), the grid'):
        write_ply(semantics, tmp_path / 'a.ply')
