"""Text in OmniDrive's file layout.

OmniDrive (Wang et al., CVPR 2025) keeps four files for a key frame:
``desc`` (a description and what the car does), ``conv`` (questions and
answers), ``vqa`` (attention, next action, two counterfactual paths) and
``keywords`` (the action in a few words). Wording is our own; every statement
is computed from the scene, and what a label says comes from the labeller that
serves real data as well.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mmocc.projects.SyntheticNuScenes.synthetic.counterfactual import (
    COLLISION,
    OUT_OF_AREA,
    RED_LIGHT,
    SAFE,
    Judgement,
)
from mmocc.projects.SyntheticNuScenes.synthetic.language import (
    DIRECTIONS,
    Thing,
    described,
    direction_of,
)
from mmocc.projects.SyntheticNuScenes.synthetic.road_ahead import RoadAhead

_WEATHER = {
    'clear': 'It is a clear day.',
    'overcast': 'It is an overcast day.',
    'golden': 'The sun is low and warm.',
    'rain': 'It rains and the road is wet.',
    'night': 'It is night.',
}
_NUMBERS = ('no', 'one', 'two', 'three', 'four')
_STANDING = 0.3  # m/s
_GROUPS = 3  # kinds of things told of in one direction
_HEEDED = 3  # things to pay attention to
_HEED_RANGE = 30.0  # metres
_AHEAD = ('front', 'front left', 'front right')
_NEXT_TO_NOTHING = 0.01  # metres that are spelled without a sign
_ALTERNATIVES = 2  # counterfactual questions of a frame

_SPEED_VERBS = {
    'Maintain speed': 'keeps its speed',
    'Accelerate': 'accelerates',
    'Decelerate': 'slows down',
}
_DIRECTION_VERBS = {
    'Go Straight': 'goes straight on',
    'Turn Left': 'turns left',
    'Turn Right': 'turns right',
    'Change Lane Left': 'moves to the lane on its left',
    'Change Lane Right': 'moves to the lane on its right',
    'Stop': 'stops',
}


def spell_path(path: Sequence[Sequence[float]]) -> str:
    """Spell a path as OmniDrive does: ``[PT, (+3.81, -0.06), ...]``.

    Args:
        path (Sequence): (x, y) metres in the ego frame.
    """

    def number(value: float) -> str:
        return '0.0' if abs(value) < _NEXT_TO_NOTHING else f'{value:+.2f}'

    points = ', '.join(f'({number(x)}, {number(y)})' for x, y in path)
    return f'[PT, {points}]'


def outcome_of(judgement: Judgement) -> str:
    """Describe the outcome of a trajectory in one sentence."""
    when = f'after {judgement.time:.1f} s'
    return {
        SAFE: 'The path is safe for three seconds.',
        COLLISION: f'The car collides with a {judgement.thing} {when}.',
        OUT_OF_AREA: f'The car leaves the drivable area {when}.',
        RED_LIGHT: f'The car runs a red light {when}.',
    }[judgement.outcome]


def _metres(thing: Thing) -> int:
    return round(float(np.hypot(thing.x, thing.y)))


def _by_direction(things: Sequence[Thing]) -> dict[str, list[Thing]]:
    """Things of each direction, the nearest first."""
    found: dict[str, list[Thing]] = {word: [] for word in DIRECTIONS}
    for thing in sorted(things, key=_metres):
        found[direction_of(thing.x, thing.y)].append(thing)
    return found


def _lane_words(road: RoadAhead) -> str:
    if not road.lanes:
        return 'in an intersection'
    if road.lanes == 1:
        return 'on a road with one lane in its direction'
    side = 'left' if road.lane == 0 else 'right'
    return f'on the {side} one of {_NUMBERS[road.lanes]} lanes'


def _motion(road: RoadAhead) -> str:
    if road.speed < _STANDING:
        return f'The car stands {_lane_words(road)}.'
    return f'The car drives at {road.speed:.0f} m/s {_lane_words(road)}.'


def _road_words(road: RoadAhead) -> str:
    words = []
    if road.bend != 'straight':
        words.append(f'Its way bends to the {road.bend}.')
    if road.signal:
        words.append(
            f'A {road.signal} traffic light is {road.signal_gap:.0f} m ahead.'
        )
    if np.isfinite(road.crossing_gap):
        words.append(
            f'A pedestrian crossing is {road.crossing_gap:.0f} m ahead.'
        )
    return ' '.join(words)


def _group_words(things: Sequence[Thing]) -> str:
    """The commonest kinds of things in words, with the nearest distance."""
    counts = Counter((thing.name, thing.status) for thing in things)
    words = []
    for (name, status), count in counts.most_common(_GROUPS):
        nearest = min(
            _metres(t) for t in things if (t.name, t.status) == (name, status)
        )
        subject = described(name, status, count > 1)
        words.append(
            f'{subject} {nearest} m away'
            if count == 1
            else f'{count} {subject} from {nearest} m on'
        )
    return ', '.join(words)


class Narrator:
    """Write the texts of the frames of one scene.

    Args:
        rng (np.random.Generator): Choice of wording and of paths.
        weather (str): Name of the scene's light.
    """

    def __init__(self, rng: np.random.Generator, weather: str) -> None:
        self.rng, self.weather = rng, weather
        self.told: Counter = Counter()

    def talk(
        self,
        things: Sequence[Thing],
        road: RoadAhead,
        judgements: Sequence[Judgement],
    ) -> dict:
        """Return the texts of a frame that need no label.

        Args:
            things (Sequence[Thing]): What can be seen.
            road (RoadAhead): The ego car's road.
            judgements (Sequence[Judgement]): Paths that were tried; may be
                empty.

        Returns:
            dict: ``description`` (str), ``conversation`` (list of question
            and answer), ``attention`` (the same, one) and ``counterfactual``
            (the same with the true ``outcome``; none or two).
        """
        return {
            'description': self._description(things, road),
            'conversation': self._conversation(things, road),
            'attention': self._attention(things, road),
            'counterfactual': self._counterfactual(judgements),
        }

    def _pick(self, options: Sequence) -> object:
        return options[int(self.rng.integers(len(options)))]

    def _pair(self, wordings: Sequence[str], answer: str) -> dict:
        return {'question': self._pick(wordings), 'answer': answer}

    def _description(self, things: Sequence[Thing], road: RoadAhead) -> str:
        parts = [_WEATHER[self.weather], _motion(road), _road_words(road)]
        for word, found in _by_direction(things).items():
            if found:
                parts.append(f'{word.capitalize()}: {_group_words(found)}.')
        return ' '.join(part for part in parts if part)

    def _conversation(
        self, things: Sequence[Thing], road: RoadAhead
    ) -> list[dict]:
        return [
            self._pair(
                ('What is the weather like?', 'Describe the weather.'),
                _WEATHER[self.weather],
            ),
            self._pair(
                (
                    'Where does the car drive?',
                    'On which lane is the car, and how fast is it?',
                ),
                _motion(road),
            ),
            self._ahead(things),
            self._signal(road),
            self._people(things),
            self._parked(things),
        ]

    def _ahead(self, things: Sequence[Thing]) -> dict:
        front = _by_direction(things)['front']
        answer = 'Nothing can be seen straight ahead.'
        if front:
            first = front[0]
            subject = described(first.name, first.status, False)
            answer = f'A {subject}, {_metres(first)} m ahead.'
        return self._pair(
            (
                'What is the nearest thing ahead of the car?',
                'What comes first ahead of the car?',
            ),
            answer,
        )

    def _signal(self, road: RoadAhead) -> dict:
        answer = 'No traffic light is ahead.'
        if road.signal:
            answer = (
                f'It is {road.signal}, {road.signal_gap:.0f} m before the car.'
            )
        return self._pair(
            (
                'What does the traffic light ahead show?',
                'Is there a traffic light ahead, and what does it show?',
            ),
            answer,
        )

    def _people(self, things: Sequence[Thing]) -> dict:
        people = [t for t in things if t.name == 'pedestrian']
        walking = sum(t.status == 'moving' for t in people)
        answer = f'{len(people)} in all, {walking} of them walking.'
        if not people:
            answer = 'None.'
        return self._pair(
            (
                'How many people can be seen?',
                'Count the people around the car.',
            ),
            answer,
        )

    def _parked(self, things: Sequence[Thing]) -> dict:
        counts = Counter(
            ('left' if thing.y > 0 else 'right')
            for thing in things
            if thing.status == 'parked'
        )
        words = [
            f'{number} on the {side}'
            for side, number in sorted(counts.items())
        ]
        return self._pair(
            (
                'Where are vehicles parked?',
                'On which side of the car are parked vehicles?',
            ),
            f'{" and ".join(words)}.'.capitalize() if words else 'Nowhere.',
        )

    def _attention(self, things: Sequence[Thing], road: RoadAhead) -> dict:
        answer = []
        if road.signal in ('red', 'yellow'):
            answer.append(f'the {road.signal} traffic light ahead')
        heeded = [
            (thing, word)
            for word, found in _by_direction(things).items()
            for thing in found
            if word in _AHEAD and _metres(thing) < _HEED_RANGE
        ]
        heeded.sort(key=lambda pair: _metres(pair[0]))
        for thing, word in heeded[:_HEEDED]:
            subject = described(thing.name, thing.status, False)
            answer.append(
                f'the {subject} to the {word}, {_metres(thing)} m away'
            )
        text = '; '.join(answer) or 'nothing in particular, the way is free'
        return self._pair(
            (
                'What should the driver pay attention to?',
                'Which things ahead matter to the driver now?',
            ),
            f'{text[0].upper()}{text[1:]}.',
        )

    def _counterfactual(self, judgements: Sequence[Judgement]) -> list[dict]:
        """Choose two trajectories with different outcomes, rarest first."""
        chosen: list[Judgement] = []
        for _ in range(_ALTERNATIVES if judgements else 0):
            seen = {judgement.outcome for judgement in chosen}
            left = [j for j in judgements if j.outcome not in seen]
            options = left or [j for j in judgements if j not in chosen]
            rarest = min(self.told[j.outcome] for j in options)
            judgement = self._pick(
                [j for j in options if self.told[j.outcome] == rarest]
            )
            self.told[judgement.outcome] += 1
            chosen.append(judgement)
        return [
            {
                'question': (
                    f'If the car follows the trajectory '
                    f'{spell_path(judgement.path)}, what will happen?'
                ),
                'answer': outcome_of(judgement),
                'outcome': judgement.outcome,
            }
            for judgement in chosen
        ]


def frame_files(talk: dict, label: dict | None) -> dict[str, object]:
    """Contents of the files of one key frame.

    Args:
        talk (dict): See :meth:`Narrator.talk`.
        label (dict): ``speed`` and ``direction`` (words of a meta-action)
            and ``reasoning``; None where the recording ends too early for a
            label.

    Returns:
        dict: By folder; ``conv`` alone without a label, ``vqa`` only where
        there are counterfactual paths.
    """
    files: dict[str, object] = {'conv': talk['conversation']}
    if label is None:
        return files
    verbs = (
        f'{_SPEED_VERBS[label["speed"]]} and '
        f'{_DIRECTION_VERBS[label["direction"]]}'
    )
    reason = label['reasoning']
    action = f'The car {verbs}. {reason[:1].upper()}{reason[1:]}'
    files['desc'] = {'description': talk['description'], 'action': action}
    files['keywords'] = f'{label["speed"]}, {label["direction"]}'.lower()
    if talk['counterfactual']:
        files['vqa'] = [
            talk['attention'],
            {
                'question': 'What will the car do next, and why?',
                'answer': action,
            },
            *(
                {key: pair[key] for key in ('question', 'answer')}
                for pair in talk['counterfactual']
            ),
        ]
    return files
