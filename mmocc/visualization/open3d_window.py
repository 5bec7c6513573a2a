"""An interactive window of one frame; needs open3d and a display."""

import numpy as np

from mmocc.structures import FREE, OccGrid
from mmocc.visualization.drawing import Colour, class_colours
from mmocc.visualization.frame_picture import FramePicture

# Drawn edge length of a voxel, so that neighbours can be told apart.
VOXEL_SHARE = 0.92
# Height of lines above the ground, in metres.
LINE_HEIGHT = 0.3


def import_open3d():
    """Import open3d, or say how to install it.

    Raises:
        ImportError: If open3d is not installed, or cannot be loaded.
    """
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise ImportError(
            f'the window needs open3d, which cannot be imported ({error}); '
            'pip install open3d==0.20.0 (with the system library '
            'libusb-1.0), or write pictures, PLY or .rrd files instead'
        ) from error
    return open3d


def show_frame(frame: FramePicture, grid: OccGrid | None = None) -> None:
    """Show voxels, boxes and plans in a window until it is closed.

    The occupancy is the predicted one, or the true one without it.

    Args:
        frame (FramePicture): The frame.
        grid (OccGrid, optional): Grid of the occupancy. Defaults to None,
            Occ3D's.

    Raises:
        ImportError: If open3d is not installed, or cannot be loaded.
    """
    open3d = import_open3d()
    geometries = []
    _, semantics = frame.occupancy
    if semantics is not None:
        geometries.append(_voxels(open3d, semantics, grid or OccGrid()))
    for path in frame.paths:
        points = np.concatenate([np.zeros((1, 2)), path.points])
        points = np.pad(points, ((0, 0), (0, 1)), constant_values=LINE_HEIGHT)
        ends = np.arange(len(points) - 1)
        pairs = np.stack([ends, ends + 1], axis=1)
        geometries.append(_lines(open3d, points, pairs, path.colour))
    agents = frame.overlays.agents
    if agents is not None:
        for index, box in enumerate(agents.boxes):
            turn = open3d.geometry.get_rotation_matrix_from_xyz(
                (0.0, 0.0, box[6])
            )
            outline = open3d.geometry.OrientedBoundingBox(
                box[:3], turn, box[3:6]
            )
            outline.color = np.array(agents.colour(index)) / 255
            geometries.append(outline)
    open3d.visualization.draw_geometries(geometries, frame.title)


def _voxels(open3d, semantics: np.ndarray, grid: OccGrid):
    """Build one mesh of the cubes of all occupied voxels."""
    index = np.argwhere(semantics < FREE)
    colours = class_colours(semantics[tuple(index.T)]) / 255
    size = grid.voxel_size * VOXEL_SHARE
    cube = open3d.geometry.TriangleMesh.create_box(*size)
    corners, sides = np.asarray(cube.vertices), np.asarray(cube.triangles)
    low = grid.to_metres(index) - size / 2
    first = np.arange(len(index))[:, None, None] * len(corners)
    mesh = open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector((low[:, None] + corners).reshape(-1, 3)),
        open3d.utility.Vector3iVector((first + sides).reshape(-1, 3)),
    )
    mesh.vertex_colors = open3d.utility.Vector3dVector(
        colours.repeat(len(corners), axis=0)
    )
    mesh.compute_vertex_normals()
    return mesh


def _lines(open3d, points: np.ndarray, pairs: np.ndarray, colour: Colour):
    """Build lines between pairs (N, 2) of points (M, 3) in one colour."""
    lines = open3d.geometry.LineSet(
        open3d.utility.Vector3dVector(points),
        open3d.utility.Vector2iVector(pairs),
    )
    lines.paint_uniform_color(np.array(colour) / 255)
    return lines
