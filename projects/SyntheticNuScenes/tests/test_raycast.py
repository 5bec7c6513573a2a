import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.raycast import (
    BOX,
    CONE,
    CYLINDER,
    ELLIPSOID,
    GROUND,
    SKY,
    build_scene,
    cast_many,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes import solid


def _cast(rows, origin, direction, limit=100.0):
    scene = build_scene(np.stack(rows), (0.0, 0.0), 60.0)
    direction = np.array(direction, float)
    direction /= np.linalg.norm(direction)
    ranges, found = cast_many(
        scene, np.array(origin, float), direction[None], limit
    )
    return float(ranges[0]), int(found[0])


def _solid(kind, centre, half, yaw=0.0):
    return solid(kind, centre, half, (0, 0, 0), yaw=yaw)


def test_a_turned_box_is_met_at_its_face():
    box = _solid(BOX, (20, 30, 1), (4, 1, 1), np.pi / 2)
    assert _cast([box], (10, 30, 1), (1, 0, 0)) == (pytest.approx(9), 0)
    assert _cast([box], (20, 10, 1), (0, 1, 0)) == (pytest.approx(16), 0)


@pytest.mark.parametrize('kind', [ELLIPSOID, CYLINDER])
def test_round_solids_have_their_radius(kind):
    thing = _solid(kind, (20, 30, 2), (1.5, 1.5, 2))
    assert _cast([thing], (10, 30, 2), (1, 0, 0)) == (
        pytest.approx(8.5, abs=1e-5),
        0,
    )


def test_a_cone_is_half_as_wide_at_half_its_height():
    cone = _solid(CONE, (20, 30, 1), (0.8, 0.8, 1))
    assert _cast([cone], (10, 30, 1), (1, 0, 0)) == (
        pytest.approx(9.6, abs=1e-5),
        0,
    )
    assert _cast([cone], (10, 30, 2.05), (1, 0, 0))[1] == SKY


def test_the_top_of_a_cylinder_is_closed():
    post = _solid(CYLINDER, (20, 30, 1), (1, 1, 1))
    assert _cast([post], (20.3, 30, 5), (0, 0, -1)) == (pytest.approx(3), 0)


def test_ground_and_sky():
    box = _solid(BOX, (50, 50, 1), (1, 1, 1))
    ranges, found = _cast([box], (10, 10, 3), (0.6, 0, -0.8))
    assert (ranges, found) == (pytest.approx(3.75), GROUND)
    assert _cast([box], (10, 10, 3), (0, 0, 1)) == (100.0, SKY)


def test_the_nearest_of_many_wins_and_cells_do_not_matter():
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 4, 200)
    rows = [
        _solid(
            k, rng.uniform((5, 5, 0), (55, 55, 4)), rng.uniform(0.2, 3, 3), a
        )
        for k, a in zip(kinds, rng.uniform(-3, 3, 200), strict=True)
    ]
    many = build_scene(np.stack(rows), (0.0, 0.0), 60.0)
    origin = np.array([1.0, 1.0, 8.0])
    rays = rng.normal(size=(400, 3)) * (1, 1, 0.3) + (0.8, 0.8, -0.1)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    ranges, _ = cast_many(many, origin, rays, 50.0)
    single = [
        cast_many(build_scene(row[None], (0, 0), 60.0), origin, rays, 50.0)[0]
        for row in rows
    ]
    np.testing.assert_allclose(ranges, np.min(single, axis=0), rtol=1e-5)
    assert len(np.unique(ranges)) > 100
