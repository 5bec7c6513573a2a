import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.road_ahead import look_ahead


def test_the_red_light_comes_nearer_until_the_car_waits(stages):
    stage = stages['red_light']
    seen = [look_ahead(stage, float(time)) for time in stage.times]
    assert seen[0].signal == 'red' and 10 < seen[0].signal_gap < 30
    gaps = [road.signal_gap for road in seen if road.signal == 'red']
    assert all(np.diff(gaps) < 1e-6)
    waiting = [road for road in seen if road.speed < 0.1]
    assert waiting and all(road.signal_gap < 2 for road in waiting)


def test_lanes_are_counted_and_the_change_is_seen(stages):
    stage = stages['work_zone']
    seen = [look_ahead(stage, float(time)) for time in stage.times]
    assert {road.lanes for road in seen} == {2}
    lanes = [road.lane for road in seen]
    assert lanes[0] == 1 and 0 in lanes


def test_inside_a_junction_there_are_no_lanes(stages):
    stage = stages['left_turn']
    seen = [look_ahead(stage, float(time)) for time in stage.times]
    assert any((road.lanes, road.lane) == (0, -1) for road in seen)
    assert any(road.bend == 'left' for road in seen)
