import numpy as np
import torch

from mmocc.models.layers.voxelise import voxel_index
from mmocc.structures import OccGrid


def test_it_equals_the_grid_on_borders_too():
    grid = OccGrid()
    borders = np.arange(-45, 45, 0.2)
    points = np.stack([borders, -borders, borders / 6], -1)
    points = np.concatenate(
        [points, np.random.default_rng(0).uniform(-50, 50, (500, 3))]
    ).astype(np.float32)
    expected, where = grid.to_index(points.astype(np.float64))
    index, inside = voxel_index(torch.from_numpy(points), grid)
    assert 0 < where.sum() < len(where)
    assert torch.equal(inside, torch.from_numpy(where))
    assert torch.equal(index[inside], torch.from_numpy(expected[where]))
    assert (index[~inside] == 0).all()


def test_points_that_are_no_numbers_are_outside():
    points = torch.zeros(4, 3)
    points[:, 1] = torch.tensor([float('nan'), float('inf'), -1e30, 0])
    index, inside = voxel_index(points.requires_grad_(), OccGrid())
    assert inside.tolist() == [False, False, False, True]
    assert index.tolist() == [[0, 0, 0]] * 3 + [[100, 100, 2]]
