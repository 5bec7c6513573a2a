from dataclasses import replace

import numpy as np
import pytest

from mmocc.annotation import (
    Agent,
    FrameContext,
    Surroundings,
    parse_chain_of_thought,
)
from mmocc.annotation.lead import find_lead
from mmocc.annotation.road_map import straight_way
from mmocc.registry import ANNOTATORS
from mmocc.structures import META_ACTIONS, MetaAction

WAY = straight_way(np.zeros(3), 40.0)


def agent(name: str, x: float, y: float, vx: float = 0.0) -> Agent:
    return Agent(name=name, attribute='', x=x, y=y, length=4.0, vx=vx, vy=0.0)


def context(*agents: Agent, action: MetaAction, **road) -> FrameContext:
    return FrameContext(
        agents=agents,
        surroundings=Surroundings(way=WAY, **road),
        history=(
            MetaAction('Accelerate', 'Go Straight'),
            MetaAction('Maintain speed', 'Go Straight'),
            MetaAction('Maintain speed', 'Go Straight'),
        ),
        speed=8.0,
        action=action,
    )


@pytest.fixture
def annotator():
    return ANNOTATORS.build(dict(type='RuleAnnotator'))


def parts(annotator, frame: FrameContext):
    return parse_chain_of_thought(annotator.annotate(frame))


def test_a_close_lead_is_named_first_and_is_the_cause(annotator):
    text = annotator.annotate(
        context(
            agent('pedestrian', 6, 4),
            agent('bus', 14, 0.3, vx=2.0),
            action=MetaAction('Decelerate', 'Go Straight'),
        )
    )
    assert text == (
        'Scene: bus front midway; pedestrian front left near. '
        'History: going straight speeding up, then going straight at steady '
        'speed. '
        'Reasoning: the bus ahead is close. '
        'Action: Decelerate; Go Straight.'
    )


def test_causes_of_braking_are_tried_in_order(annotator):
    brake = MetaAction('Decelerate', 'Stop')
    walker = agent('pedestrian', 15, 0.5)
    road = dict(stop_line=10.0, crosswalk=12.0, intersection=15.0)
    expected = [
        ((agent('car', 12, 0),), road, 'the car ahead is close'),
        ((walker,), road, 'a pedestrian is on the way'),
        (
            (agent('pedestrian', 14, -5), agent('traffic_cone', 9, 0)),
            road,
            'a pedestrian is at the crosswalk',
        ),
        ((agent('traffic_cone', 9, 0),), road, 'the lane is blocked'),
        ((), road, 'a stop line is ahead'),
        ((), dict(crosswalk=12.0), 'a crosswalk is ahead'),
        ((), dict(intersection=9.0), 'be careful at the intersection'),
        ((), {}, 'the road ahead asks for less speed'),
    ]
    for agents, around, reason in expected:
        frame = context(*agents, action=brake, **around)
        assert parts(annotator, frame).reasoning == f'{reason}.'


def test_lane_change_names_what_it_avoids(annotator):
    action = MetaAction('Maintain speed', 'Change Lane Left')
    cones = parts(
        annotator, context(agent('traffic_cone', 15, 0), action=action)
    )
    slow = parts(annotator, context(agent('truck', 30, 0), action=action))
    free = parts(annotator, context(action=action))
    assert cones.reasoning.startswith('the lane is blocked, the left lane')
    assert slow.reasoning.startswith('the truck ahead is slow, the left lane')
    assert free.reasoning == 'the route needs the left lane.'
    slower = context(
        agent('traffic_cone', 15, 0),
        action=action._replace(speed='Decelerate'),
    )
    assert parts(annotator, slower).reasoning == (
        'the lane is blocked, the left lane is free; slow down for it.'
    )


def test_like_agents_are_named_together(annotator):
    frame = context(
        agent('bus', 14, 0),
        agent('pedestrian', 12, 1),
        agent('pedestrian', 13, -2),
        agent('bus', 15, 1),
        action=MetaAction('Decelerate', 'Go Straight'),
    )
    assert parts(annotator, frame).scene == (
        'bus front midway; pedestrians front midway.'
    )


@pytest.mark.parametrize('action', META_ACTIONS, ids=str)
@pytest.mark.parametrize('crowded', [True, False])
def test_every_pair_gives_a_short_parseable_answer(annotator, action, crowded):
    agents = [
        agent('construction_vehicle', 14, 0),
        agent('pedestrian', 12, -11),
        agent('construction_vehicle', 20, -15),
        agent('car', -9, 3),
    ]
    frame = context(
        *(agents if crowded else ()),
        action=action,
        crosswalk=10.0,
        intersection=12.0,
    )
    frame = replace(
        frame, history=(MetaAction('Accelerate', 'Change Lane Right'),) * 3
    )
    text = annotator.annotate(frame)
    assert parse_chain_of_thought(text).action == action
    assert len(text.split()) <= 60
    assert text == annotator.annotate(frame)


def test_scene_and_history_do_not_know_the_label(annotator):
    """Only reasoning and action may look ahead."""
    agents = (agent('car', 12, 0), agent('pedestrian', 8, 6))
    texts = [
        parts(annotator, context(*agents, action=action, stop_line=12.0))
        for action in META_ACTIONS
    ]
    assert len({text.scene for text in texts}) == 1
    assert len({text.history for text in texts}) == 1
    assert len({text.reasoning for text in texts}) > 3


def test_far_and_absent_agents_are_not_named(annotator):
    action = MetaAction('Maintain speed', 'Go Straight')
    frame = context(agent('car', 55, 0), action=action)
    assert parts(annotator, frame).scene == 'no road users near.'


@pytest.mark.parametrize(
    ('x', 'y', 'sector'),
    [
        (10, 0, 'front'),
        (10, 5, 'front'),
        (10, 6, 'front left'),
        (10, -6, 'front right'),
        (-1, 10, 'back left'),
        (-1, -10, 'back right'),
        (-10, 1, 'back'),
    ],
)
def test_six_sectors(x, y, sector):
    assert agent('car', x, y).sector == sector


def test_lead_is_on_the_way_even_where_it_bends():
    """A quarter circle of radius 12 m to the left, then a car on it."""
    angle = np.linspace(0, np.pi / 2, 20)
    way = np.stack(
        (12 * np.sin(angle), 12 * (1 - np.cos(angle)), angle), axis=1
    )
    on = Agent('car', '', *way[14, :2], length=4.0, vx=0.0, vy=3.0)
    lead = find_lead([agent('car', 13, 0), on], way)
    assert lead.agent is on
    # Its velocity along the way, which points 66 degrees to the left there.
    assert lead.speed == pytest.approx(3 * np.sin(angle[14]))
    assert find_lead([agent('car', -8, 0), agent('car', 9, 3)], WAY) is None


def test_parser_wants_all_parts_and_a_legal_action():
    whole = 'Scene: a. History: b. Reasoning: c. Action: Accelerate; Stop.'
    assert parse_chain_of_thought(whole) == (
        'a.',
        'b.',
        'c.',
        MetaAction('Accelerate', 'Stop'),
    )
    assert str(parse_chain_of_thought(whole)) == whole
    assert parse_chain_of_thought(whole.replace('History:', '')) is None
    assert parse_chain_of_thought(whole.replace('Stop', 'Fly')) is None
