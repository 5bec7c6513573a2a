"""Write chains of thought by rules: offline, deterministic, short."""

from collections import Counter

from mmocc.annotation.annotator import Annotator
from mmocc.annotation.chain_of_thought import ChainOfThought
from mmocc.annotation.frame_context import Agent, FrameContext
from mmocc.annotation.lead import Lead, find_lead, is_beside, on_the_way
from mmocc.registry import ANNOTATORS
from mmocc.structures import MetaAction

_VULNERABLE = ('pedestrian', 'bicycle', 'motorcycle')
_OBSTACLES = ('traffic_cone', 'barrier')
# A pedestrian this near the middle of the lane, metres along and across it,
# is at the crosswalk: one lane and the kerb. Ours.
_CROSSWALK_REACH = 6.0
# Changes of the past that the text names; the question has all of them.
_PAST_PHRASES = 2
# Upper limits of the distance words, metres. Ours.
_DISTANCES = ((10.0, 'near'), (25.0, 'midway'), (float('inf'), 'far'))
_SPEED_PHRASES = {
    'Maintain speed': 'at steady speed',
    'Accelerate': 'speeding up',
    'Decelerate': 'slowing down',
}
_DIRECTION_PHRASES = {
    'Go Straight': 'going straight',
    'Turn Left': 'turning left',
    'Turn Right': 'turning right',
    'Change Lane Left': 'changing lane left',
    'Change Lane Right': 'changing lane right',
    'Stop': 'standing',
}


def history_sentence(history: tuple[MetaAction, ...]) -> str:
    """Spell the latest changes of past actions, oldest first."""
    if not history:
        return 'unknown.'
    phrases = []
    for action in history:
        phrase = _DIRECTION_PHRASES[action.direction]
        if action.direction != 'Stop':
            phrase += f' {_SPEED_PHRASES[action.speed]}'
        if not phrases or phrases[-1] != phrase:
            phrases.append(phrase)
    return ', then '.join(phrases[-_PAST_PHRASES:]) + '.'


@ANNOTATORS.register_module()
class RuleAnnotator(Annotator):
    """Writes chains of thought from boxes, lanes and past actions.

    Causes are tried in a fixed order and only those that fit the label are
    named, so that the reasoning never contradicts the action.

    Args:
        max_agents (int): Largest number of road users that are named.
            Defaults to 3.
        view_range (float): Metres within which road users are named.
            Defaults to 40, half the width of Occ3D's grid.
        cause_range (float): Metres ahead within which a crosswalk, stop line,
            intersection or obstacle counts. Defaults to 40, some 4 s in
            town.
        lead_gap (float): Metres to the vehicle ahead below which it is close.
            Defaults to 12.
        lead_time (float): Seconds to a collision with it below which it is
            close. Defaults to 4.
    """

    name = 'rule'

    def __init__(
        self,
        max_agents: int = 3,
        view_range: float = 40.0,
        cause_range: float = 40.0,
        lead_gap: float = 12.0,
        lead_time: float = 4.0,
    ) -> None:
        self.max_agents = max_agents
        self.view_range = view_range
        self.cause_range = cause_range
        self.lead_gap = lead_gap
        self.lead_time = lead_time

    @property
    def identity(self) -> dict:
        """Return the options that texts depend on."""
        return dict(type=self.name, **vars(self))

    def annotate(self, context: FrameContext) -> str:
        """Write the chain of thought of a frame.

        Args:
            context (FrameContext): Description of the frame.

        Returns:
            str: ``Scene: ... History: ... Reasoning: ... Action: ...``
        """
        lead = find_lead(context.agents, context.surroundings.way)
        return str(
            ChainOfThought(
                scene=self._scene(context, lead),
                history=history_sentence(context.history),
                reasoning=self._reasoning(context, lead),
                action=context.action,
            )
        )

    def _scene(self, context: FrameContext, lead: Lead | None) -> str:
        road = context.surroundings
        places = []
        if road.in_intersection:
            places.append('in an intersection')
        elif road.intersection <= self.cause_range:
            places.append('intersection ahead')
        if road.crosswalk <= self.cause_range:
            places.append('crosswalk ahead')
        named = Counter(
            (_plain(agent.name), f'{agent.sector} {_distance_word(agent)}')
            for agent in self._worth_naming(context.agents, lead)
        )
        agents = [
            f'{_plural(name) if count > 1 else name} {place}'
            for (name, place), count in named.items()
        ]
        return '; '.join([*places, *(agents or ['no road users near'])]) + '.'

    def _worth_naming(
        self, agents: tuple[Agent, ...], lead: Lead | None
    ) -> list[Agent]:
        """Choose the lead vehicle, people ahead, then the nearest others."""

        def rank(agent: Agent) -> tuple[int, float]:
            if lead is not None and agent is lead.agent:
                return 0, agent.distance
            ahead = agent.sector.startswith('front')
            if ahead and agent.name in _VULNERABLE:
                return 1, agent.distance
            return (2 if ahead else 3), agent.distance

        seen = [a for a in agents if a.distance <= self.view_range]
        return sorted(seen, key=rank)[: self.max_agents]

    def _reasoning(self, context: FrameContext, lead: Lead | None) -> str:
        reasons = [
            self._direction_reason(context, lead),
            self._speed_reason(context, lead),
        ]
        return '; '.join(reason for reason in reasons if reason) + '.'

    def _direction_reason(
        self, context: FrameContext, lead: Lead | None
    ) -> str:
        direction = context.action.direction
        if direction in ('Turn Left', 'Turn Right'):
            side = direction.split()[-1].lower()
            return f'the route turns {side}'
        if direction in ('Change Lane Left', 'Change Lane Right'):
            side = direction.split()[-1].lower()
            if self._blocked(context):
                return f'the lane is blocked, the {side} lane is free'
            if lead is not None and lead.speed < context.speed:
                return (
                    f'the {_plain(lead.agent.name)} ahead is slow, the {side} '
                    'lane is free'
                )
            return f'the route needs the {side} lane'
        return ''

    def _speed_reason(self, context: FrameContext, lead: Lead | None) -> str:
        speed, direction = context.action
        if direction == 'Stop' or speed == 'Decelerate':
            return self._brake_reason(context, lead)
        if direction in ('Change Lane Left', 'Change Lane Right'):
            return 'speed up for it' if speed == 'Accelerate' else ''
        if speed == 'Accelerate':
            if lead is None or lead.gap > self.lead_gap:
                return 'the way ahead is free'
            return f'the {_plain(lead.agent.name)} ahead moves on'
        if lead is not None and lead.gap <= self.view_range:
            return f'keep the gap to the {_plain(lead.agent.name)} ahead'
        return 'nothing asks for another speed'

    def _brake_reason(self, context: FrameContext, lead: Lead | None) -> str:
        road = context.surroundings
        if lead is not None and lead.is_close(
            context.speed, self.lead_gap, self.lead_time
        ):
            return f'the {_plain(lead.agent.name)} ahead is close'
        for agent in context.agents:
            if agent.name in _VULNERABLE and on_the_way(
                agent, road.way, self.cause_range
            ):
                return f'a {_plain(agent.name)} is on the way'
        if self._waits(context):
            return 'a pedestrian is at the crosswalk'
        if context.action.direction not in ('Go Straight', 'Stop'):
            return 'slow down for it'
        if self._blocked(context):
            return 'the lane is blocked'
        if road.stop_line <= self.cause_range:
            return 'a stop line is ahead'
        if road.crosswalk <= self.cause_range:
            return 'a crosswalk is ahead'
        if road.intersection <= self.cause_range or road.in_intersection:
            return 'be careful at the intersection'
        if lead is not None:
            return f'keep the gap to the {_plain(lead.agent.name)} ahead'
        return 'the road ahead asks for less speed'

    def _waits(self, context: FrameContext) -> bool:
        """Return whether a pedestrian is at the next crosswalk."""
        road = context.surroundings
        return road.crosswalk <= self.cause_range and any(
            agent.name == 'pedestrian'
            and is_beside(agent, road.way, road.crosswalk, _CROSSWALK_REACH)
            for agent in context.agents
        )

    def _blocked(self, context: FrameContext) -> bool:
        return any(
            agent.name in _OBSTACLES
            and on_the_way(agent, context.surroundings.way, self.cause_range)
            for agent in context.agents
        )


def _plain(name: str) -> str:
    return name.replace('_', ' ')


def _plural(name: str) -> str:
    return f'{name}es' if name.endswith('s') else f'{name}s'


def _distance_word(agent: Agent) -> str:
    return next(w for limit, w in _DISTANCES if agent.distance <= limit)
