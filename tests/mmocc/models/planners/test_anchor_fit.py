"""Anchors are the clusters of futures."""

import numpy as np
import pytest

from mmocc.models.planners.anchor_fit import fit_anchors, step_range
from mmocc.models.planners.anchor_set import AnchorError

SECONDS = 0.5 * np.arange(1, 7)


def drive(speed, lateral=0.0):
    """Straight on at m/s, drifting sideways to metres after 3 s."""
    return np.stack([speed * SECONDS, lateral * SECONDS / 3], axis=-1)


def drives():
    """22 futures: 0 to 10 m/s, turning left, going straight, turning right."""
    laterals = (-8.0, 0.0, 8.0)
    return np.stack(
        [drive(i, laterals[i % 3]) for _ in range(2) for i in range(11)]
    )


def test_anchors_are_the_clusters():
    rng = np.random.default_rng(0)
    centres = np.stack([drive(2.0), drive(8.0), drive(6.0, 5.0)])
    futures = np.repeat(centres, 30, axis=0)
    futures += rng.normal(scale=0.05, size=futures.shape)
    anchors = fit_anchors(futures, 3, 'global', 'train')
    # From near to far.
    np.testing.assert_allclose(anchors.anchors, centres[[0, 2, 1]], atol=0.05)
    assert anchors.commands.tolist() == [-1, -1, -1]
    # Two components of 0.05 m: 0.05 sqrt(pi / 2) from the mean.
    assert anchors.oracle_ade == pytest.approx(0.0627, abs=0.004)


def test_the_oracle_error_of_a_worked_example():
    futures = np.stack([drive(4.0), drive(6.0)])
    anchors = fit_anchors(futures, 1, 'global', 'train')
    np.testing.assert_allclose(anchors.anchors[0], drive(5.0))
    # 1 m/s too slow or too fast: 0.5 .. 3 m off, 1.75 m on average.
    assert anchors.oracle_ade == pytest.approx(1.75)


def test_equal_arguments_give_equal_anchors():
    futures = drives()
    first = fit_anchors(futures, 6, 'global', 'train', seed=3)
    assert (
        fit_anchors(futures, 6, 'global', 'train', seed=3).hash == first.hash
    )
    assert fit_anchors(futures, 6, 'global', 'train', seed=4).seed == 4


def test_anchors_of_commands():
    futures = drives()
    anchors = fit_anchors(futures, 9, 'per_command', 'train')
    assert anchors.commands.tolist() == [0] * 3 + [1] * 3 + [2] * 3
    lateral = anchors.anchors[:, -1, 1].reshape(3, 3)
    np.testing.assert_allclose(lateral, [[8.0] * 3, [0.0] * 3, [-8.0] * 3])
    with pytest.raises(AnchorError, match='multiple of 3'):
        fit_anchors(futures, 8, 'per_command', 'train')
    straight = futures[np.abs(futures[:, -1, 1]) < 2]
    with pytest.raises(AnchorError, match=r'command left.*0 different'):
        fit_anchors(straight, 9, 'per_command', 'train')


def test_the_range_of_steps_covers_most_of_them():
    futures = drives()
    centre, half_range = step_range(futures)
    steps = np.diff(futures, axis=1, prepend=0.0)
    inside = np.abs((steps - centre) / half_range) <= 1
    assert inside.mean() > 0.98
    _, half_range = step_range(np.stack([drive(0.0)] * 4))
    assert (half_range > 0).all()


def test_too_few_futures_are_refused():
    futures = np.stack([drive(1.0), drive(1.0), drive(2.0)])
    with pytest.raises(AnchorError, match=r'3 anchors.*2 different futures'):
        fit_anchors(futures, 3, 'global', 'train')
