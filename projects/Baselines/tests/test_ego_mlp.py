import numpy as np
import pytest
import torch

from mmocc.projects.Baselines.baselines.ego_mlp import EgoMLP

SECONDS = 0.5 * np.arange(1, 7)


def frames(number, seed):
    """Cars that brake or accelerate straight ahead, as their status says."""
    rng = np.random.default_rng(seed)
    speed, acceleration = (
        rng.uniform(3, 10, number),
        rng.uniform(-1, 1, number),
    )
    status = np.stack([speed, speed, np.zeros(number), acceleration], axis=1)
    ahead = speed[:, None] * SECONDS + acceleration[:, None] * SECONDS**2 / 2
    trajs = np.stack([ahead, np.zeros_like(ahead)], axis=-1)
    return status, trajs, np.ones(ahead.shape, dtype=bool)


def test_it_learns_what_the_status_tells_beyond_the_velocity():
    mlp = EgoMLP(*frames(100, 0), velocity=(1, 2))
    status, trajs, _ = frames(50, 1)
    drive_on = status[:, None, [1, 2]] * SECONDS[:, None]
    before = np.linalg.norm(drive_on - trajs, axis=-1).mean()
    after = np.linalg.norm(mlp(status) - trajs, axis=-1).mean()
    assert after < 0.2 * before


def test_it_is_a_function_of_its_seed_and_leaves_other_draws_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    data = frames(20, 0)
    first = EgoMLP(*data, velocity=(1, 2), seed=3)(data[0])
    assert torch.equal(torch.rand(3), expected)
    second = EgoMLP(*data, velocity=(1, 2), seed=3)(data[0])
    np.testing.assert_array_equal(first, second)


def test_steps_that_do_not_exist_teach_nothing():
    status, trajs, mask = frames(30, 0)
    mask[:, 3:] = False
    plain = EgoMLP(status, trajs, mask, velocity=(1, 2))(status)
    trajs[:, 3:] = np.nan
    holes = EgoMLP(status, trajs, mask, velocity=(1, 2))(status)
    np.testing.assert_array_equal(plain, holes)


def test_no_future_at_all_is_refused():
    status, trajs, mask = frames(3, 0)
    with pytest.raises(ValueError, match='no frame has a future'):
        EgoMLP(status, trajs, np.zeros_like(mask), velocity=(1, 2))
