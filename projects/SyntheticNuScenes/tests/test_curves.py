import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.curves import (
    Arc,
    Curve,
    fillet,
    wrap,
)


def test_a_quarter_circle_ends_where_it_must():
    arc = Arc(0, 0, 0, 0.1, 5 * np.pi)
    np.testing.assert_allclose(
        arc.poses([arc.length])[0], [10, 10, np.pi / 2], atol=1e-9
    )


def test_offset_to_the_left_of_a_left_bend_is_shorter():
    curve = Curve([Arc(0, 0, 0, 0.1, 5 * np.pi)])
    assert curve.offset(2.0).length == pytest.approx(4 * np.pi)
    np.testing.assert_allclose(
        curve.offset(2.0).poses([0.0])[0], [0, 2, 0], atol=1e-9
    )


def test_reversing_swaps_the_ends():
    curve = Curve.from_pose((1, 2, 0.3), [(10, 0.0), (8, 0.05), (5, -0.1)])
    back = curve.reversed()
    stations = np.linspace(0, curve.length, 30)
    there = curve.poses(stations)
    here = back.poses(curve.length - stations)
    np.testing.assert_allclose(here[:, :2], there[:, :2], atol=1e-9)
    np.testing.assert_allclose(
        wrap(here[:, 2] - there[:, 2] - np.pi), 0, atol=1e-9
    )


def test_parts_join_to_the_whole():
    curve = Curve.from_pose((0, 0, 0), [(10, 0.0), (8, 0.05)])
    head, tail = curve.part(0, 13), curve.part(13, 18)
    assert head.length + tail.length == pytest.approx(curve.length)
    np.testing.assert_allclose(
        head.poses([13.0]), tail.poses([0.0]), atol=1e-9
    )


def test_fillet_joins_two_poses_smoothly():
    start, end = np.array([0, 0, 0.0]), np.array([12, 9, np.pi / 2])
    curve = fillet(start, end)
    np.testing.assert_allclose(curve.poses([0.0])[0], start, atol=1e-9)
    np.testing.assert_allclose(curve.poses([curve.length])[0], end, atol=1e-9)
    # The shorter tangent, 9 m, is used up by the arc.
    assert np.abs(curve.curvature(np.linspace(0, 20, 50))).max() == (
        pytest.approx(1 / 9)
    )


def test_fillet_keeps_to_the_largest_radius():
    curve = fillet(np.zeros(3), np.array([12, 9, np.pi / 2]), 5.0)
    assert [arc.curvature for arc in curve.arcs] == pytest.approx([0, 0.2, 0])


def test_fillet_refuses_lines_that_do_not_meet_ahead():
    with pytest.raises(ValueError, match='parallel'):
        fillet(np.zeros(3), np.array([10.0, 3.0, 0.0]))
    with pytest.raises(ValueError, match='diverge'):
        fillet(np.zeros(3), np.array([-5.0, 9.0, np.pi / 2]))
