import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.tracks import (
    from_points,
    quintic,
)
from mmocc.projects.SyntheticNuScenes.synthetic.traffic import (
    Driver,
    RoadUser,
    Simulation,
    crossing_time,
)

CAR = (4.5, 1.9, 1.6)


def straight(length=300.0, stops=()):
    track = from_points(np.array([[0.0, 0.0], [length, 0.0]]))
    track.stops = list(stops)
    return track


def driver_on(track, start, speed, wanted=10.0):
    return RoadUser(
        'vehicle.car',
        CAR,
        track=track,
        start=start,
        speed=speed,
        driver=Driver(wanted),
    )


def run(agents, signal=lambda arm, time: 'green', end=20.0):
    simulation = Simulation(agents, signal, 0.0, end)
    simulation.run()
    return simulation


def test_a_free_car_reaches_its_speed():
    car = driver_on(straight(), 5.0, 2.0, 9.0)
    run([car])
    assert car.v[-1] == pytest.approx(9.0, abs=0.3)
    assert car.a.max() <= car.driver.acceleration + 1e-9


def test_a_follower_stops_behind_a_standing_car():
    car = driver_on(straight(), 5.0, 10.0)
    wall = RoadUser('vehicle.car', CAR, pose=(80.0, 0.0, 0.0))
    run([car, wall])
    gap = 80.0 - CAR[0] - car.s[-1]
    assert car.v[-1] < 0.1
    assert 0.5 < gap < 4.0
    assert car.a.min() > -4.5


def test_a_car_beside_the_lane_is_passed():
    car = driver_on(straight(), 5.0, 10.0)
    run([car, RoadUser('vehicle.car', CAR, pose=(80.0, 3.5, 0.0))])
    assert car.s[-1] > 150


def test_red_stops_and_green_lets_go():
    track = straight(stops=[(70.0, 'signal', 'arm')])
    car = driver_on(track, 5.0, 9.0)
    run([car], lambda arm, time: 'red' if time < 14 else 'green', 20.0)
    assert (car.s + CAR[0] / 2)[:140].max() < 70.0
    assert car.v[130] == 0.0
    assert car.s[-1] + CAR[0] / 2 > 72.0


def test_cars_wait_for_pedestrians_on_a_crossing():
    track = straight(stops=[(70.0, 'zebra', 'z')])
    path = from_points(np.array([[72.0, -8.0], [72.0, 8.0]]), smooth=False)
    walker = RoadUser(
        'human.pedestrian.adult',
        (0.6, 0.6, 1.7),
        track=path,
        speed=1.4,
        depart=2.0,
        zebra='z',
    )
    car = driver_on(track, 5.0, 9.0)
    simulation = run([car, walker])
    needed = crossing_time(walker, car)
    # 8 m to the lane's centre, 0.95 m half a car, 1 m to be clear of it.
    assert needed == pytest.approx(9.95 / 1.4, abs=0.6)
    before = simulation.times <= 2.0 + needed
    assert (car.s + CAR[0] / 2)[before].max() < 70.6
    assert car.s[-1] > 80


def test_bends_are_taken_slowly():
    angles = np.linspace(0, np.pi / 2, 60)
    bend = np.stack([10 * np.sin(angles), 10 - 10 * np.cos(angles)], axis=1)
    points = np.concatenate([[[-60.0, 0.0]], bend, [[10.0, 90.0]]])
    car = driver_on(from_points(points), 1.0, 10.0)
    simulation = run([car])
    speed = np.interp(64.0, car.s, car.v)
    assert speed < 6.0
    assert (car.v**2 * np.abs(car.track.curvature_at(car.s))).max() < 3.5
    assert simulation.times[-1] == pytest.approx(20.0)


def test_progress_is_the_integral_of_speed():
    car = driver_on(straight(), 5.0, 3.0)
    simulation = run([car], end=5.0)
    fine = np.arange(0.0, 5.0, 1e-3)
    place = simulation.progress(car, fine)
    speed = np.interp(fine, simulation.times, car.v)
    np.testing.assert_allclose(
        np.gradient(place, fine)[5:-5], speed[5:-5], atol=0.01
    )


def test_quintic_is_flat_at_both_ends():
    u = np.array([-1.0, 0.0, 0.001, 0.5, 0.999, 1.0, 2.0])
    np.testing.assert_allclose(quintic(u), [0, 0, 0, 0.5, 1, 1, 1], atol=1e-7)
