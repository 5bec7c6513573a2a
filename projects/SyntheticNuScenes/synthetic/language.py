"""Questions and answers in the manner of NuScenes-QA.

Five template types (exist, count, object, status, comparison), 0 or 1 hop,
and its closed vocabulary of 30 answers (Qian et al., AAAI 2024). Wording is
our own. Answers are functions of the objects that can be seen.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

CLASSES = (
    'car',
    'truck',
    'trailer',
    'bus',
    'construction vehicle',
    'bicycle',
    'motorcycle',
    'pedestrian',
    'traffic cone',
    'barrier',
)
STATUSES = (
    'moving',
    'stopped',
    'parked',
    'standing',
    'not standing',
    'with rider',
    'without rider',
)
MAX_COUNT = 10
ANSWERS = (
    *map(str, range(MAX_COUNT + 1)),
    'yes',
    'no',
    *CLASSES,
    *STATUSES,
)
DIRECTIONS = (
    'front',
    'front left',
    'front right',
    'back',
    'back left',
    'back right',
)

# Share of each type; NuScenes-QA's mix.
_MIX = {
    'exist': 0.30,
    'object': 0.21,
    'count': 0.20,
    'comparison': 0.15,
    'status': 0.14,
}
_RANGE = 50.0
_MIN_POINTS = 5
_MIN_VISIBILITY = 2
_TRIES = 40

_CLASS_OF = {
    'vehicle.car': 'car',
    'vehicle.truck': 'truck',
    'vehicle.trailer': 'trailer',
    'vehicle.bus.rigid': 'bus',
    'vehicle.construction': 'construction vehicle',
    'vehicle.bicycle': 'bicycle',
    'vehicle.motorcycle': 'motorcycle',
    'human.pedestrian.adult': 'pedestrian',
    'human.pedestrian.child': 'pedestrian',
    'human.pedestrian.construction_worker': 'pedestrian',
    'movable_object.trafficcone': 'traffic cone',
    'movable_object.barrier': 'barrier',
}
_STATUS_OF = {
    'vehicle.moving': 'moving',
    'vehicle.stopped': 'stopped',
    'vehicle.parked': 'parked',
    'pedestrian.moving': 'moving',
    'pedestrian.standing': 'standing',
    'pedestrian.sitting_lying_down': 'not standing',
    'cycle.with_rider': 'with rider',
    'cycle.without_rider': 'without rider',
}


@dataclass(frozen=True)
class Thing:
    """An object that can be seen.

    Attributes:
        name (str): One of ``CLASSES``.
        status (str): One of ``STATUSES``, '' where it has none.
        x, y (float): Metres in the ego frame.
    """

    name: str
    status: str
    x: float
    y: float


def direction_of(dx: float, dy: float) -> str:
    """Word for an offset in the ego frame (x forward, y left)."""
    bearing = np.degrees(np.arctan2(dy, dx))
    if abs(bearing) <= 30:
        return 'front'
    if abs(bearing) > 150:
        return 'back'
    side = 'left' if bearing > 0 else 'right'
    return f'front {side}' if abs(bearing) <= 90 else f'back {side}'


def visible_things(boxes: Iterable[dict]) -> list[Thing]:
    """Keep the objects that are visible in at least one camera.

    Args:
        boxes (Iterable[dict]): With ``category``, ``attribute``, ``x``, ``y``
            (ego frame, metres), ``visibility`` (1 to 4), ``points``.
    """
    things = []
    for box in boxes:
        name = _CLASS_OF.get(box['category'])
        seen = (
            box['visibility'] >= _MIN_VISIBILITY
            or box['points'] >= _MIN_POINTS
        )
        if name is None or not seen:
            continue
        if np.hypot(box['x'], box['y']) >= _RANGE:
            continue
        status = _STATUS_OF.get(box['attribute'], '')
        things.append(Thing(name, status, box['x'], box['y']))
    return things


def thing_name(category: str) -> str:
    """The word of ``CLASSES`` for a nuScenes category, or ``object``."""
    return _CLASS_OF.get(category, 'object')


def plural(name: str) -> str:
    return {'bus': 'buses'}.get(name, f'{name}s')


def described(name: str, status: str, many: bool) -> str:
    word = plural(name) if many else name
    if not status:
        return word
    if status in ('with rider', 'without rider'):
        return f'{word} {status}'.replace('rider', 'a rider')
    return f'{status} {word}'


def _join(subject: str, place: str) -> str:
    return f'{subject} {place}' if place else subject


class Questioner:
    """Generate questions on the frames of a scene with balanced answers.

    Args:
        rng (np.random.Generator): Choice of wording and of objects.
        limits (tuple): Least and most questions of a frame.
    """

    def __init__(
        self, rng: np.random.Generator, limits: tuple[int, int]
    ) -> None:
        self.rng, self.limits = rng, limits
        self.given: Counter = Counter()
        self.totals: Counter = Counter()

    def ask(self, things: Sequence[Thing]) -> list[dict]:
        """Questions about one frame.

        Returns:
            list[dict]: ``question``, ``answer``, ``num_hop``,
            ``template_type``.
        """
        wanted = int(self.rng.integers(self.limits[0], self.limits[1] + 1))
        asked: list[dict] = []
        texts: set[str] = set()
        misses: set[str] = set()
        while len(asked) < wanted and len(misses) < len(_MIX):
            kind = min(
                (k for k in _MIX if k not in misses),
                key=lambda k: self.totals[k] / _MIX[k],
            )
            found = self._best(kind, things, texts)
            if found is None:
                misses.add(kind)
                continue
            asked.append(found)
            texts.add(found['question'])
            self.totals[kind] += 1
            for topic in self._topics(found):
                self.given[(*topic, found['answer'])] += 1
        return asked

    @staticmethod
    def _topics(entry: dict) -> list[tuple]:
        """Return what a guess without images could use, coarse to fine."""
        kind, words = entry['template_type'], entry['topic']
        return [(kind,), (kind, *words[:1]), (kind, *words)]

    def _unfairness(self, entry: dict) -> float:
        """Measure how much this answer would help a model without images."""
        answer = entry['answer']
        opposite = {'yes': 'no', 'no': 'yes'}.get(answer)
        return sum(
            self.given[(*topic, answer)]
            - (self.given[(*topic, opposite)] if opposite else 0)
            for topic in self._topics(entry)
        )

    def _best(
        self, kind: str, things: Sequence[Thing], texts: set[str]
    ) -> dict | None:
        """Choose the candidate that keeps the answers most balanced."""
        make = getattr(self, f'_{kind}')
        candidates = []
        for _ in range(_TRIES):
            entry = make(things)
            if entry is None or entry['question'] in texts:
                continue
            entry['template_type'] = kind
            candidates.append(entry)
        return min(candidates, key=self._unfairness, default=None)

    # -- parts of a question -----------------------------------------------

    def _pick(self, options: Sequence) -> object:
        return options[int(self.rng.integers(len(options)))]

    def _referent(
        self, things: Sequence[Thing]
    ) -> tuple[str, tuple[float, float], Thing | None]:
        """'me', or an object that its description singles out."""
        counts = Counter((t.name, t.status) for t in things)
        single = [t for t in things if counts[t.name, t.status] == 1]
        if not single or self.rng.random() < 0.45:
            return 'me', (0.0, 0.0), None
        thing = self._pick(single)
        text = f'the {described(thing.name, thing.status, False)}'
        return text, (thing.x, thing.y), thing

    def _place(
        self, things: Sequence[Thing]
    ) -> tuple[str, list[Thing], int, Thing | None]:
        """A region in words, what is in it, the hops, the referent."""
        if self.rng.random() < 0.42:
            return '', list(things), 0, None
        text, (x, y), thing = self._referent(things)
        words = self._pick(DIRECTIONS)
        inside = [
            t
            for t in things
            if t is not thing and direction_of(t.x - x, t.y - y) == words
        ]
        return f'to the {words} of {text}', inside, 1, thing

    def _kind_of_thing(
        self, things: Sequence[Thing]
    ) -> tuple[str, str] | None:
        """A class and perhaps a status, mostly of something in the frame."""
        if things and self.rng.random() < 0.7:
            thing = self._pick(things)
            name, status = thing.name, thing.status
        else:
            name, status = self._pick(CLASSES), ''
        return name, status if self.rng.random() < 0.5 else ''

    @staticmethod
    def _matching(
        things: Sequence[Thing], name: str, status: str
    ) -> list[Thing]:
        return [
            t
            for t in things
            if t.name == name and (not status or t.status == status)
        ]

    # -- the five types ----------------------------------------------------

    def _exist(self, things: Sequence[Thing]) -> dict | None:
        place, inside, hops, _ = self._place(things)
        name, status = self._kind_of_thing(things)
        subject = described(name, status, True)
        wording = self._pick(
            (
                'Do you see any {}?',
                'Are any {} visible?',
                'Are there {}?',
                'Is it true that there are {}?',
            )
        )
        found = self._matching(inside, name, status)
        return {
            'question': wording.format(_join(subject, place)),
            'answer': 'yes' if found else 'no',
            'num_hop': hops,
            'topic': (name, status, hops),
        }

    def _count(self, things: Sequence[Thing]) -> dict | None:
        place, inside, hops, _ = self._place(things)
        name, status = self._kind_of_thing(things)
        subject = described(name, status, True)
        number = len(self._matching(inside, name, status))
        if number > MAX_COUNT:
            return None
        wording = self._pick(
            (
                'How many {} are there?',
                'What is the number of {}?',
                'Count the {}. How many are they?',
            )
        )
        return {
            'question': wording.format(_join(subject, place)),
            'answer': str(number),
            'num_hop': hops,
            'topic': (name, hops),
        }

    def _object(self, things: Sequence[Thing]) -> dict | None:
        place, inside, hops, _ = self._place(things)
        if not inside:
            return None
        status = self._pick(inside).status
        found = [t for t in inside if t.status == status]
        if len(found) != 1:
            return None
        if not status and hops == 0:
            return None
        subject = described('thing', status, False)
        if not status:
            subject = 'only thing without a status'
        wording = self._pick(
            (
                'What is the {}?',
                'What kind of thing is the {}?',
                'Name the {}.',
            )
        )
        return {
            'question': wording.format(_join(subject, place)),
            'answer': found[0].name,
            'num_hop': hops,
            'topic': (status, hops),
        }

    def _single(
        self, inside: Sequence[Thing], omit: Thing | None = None
    ) -> Thing | None:
        """Something with a status that is alone of its class there."""
        counts = Counter(t.name for t in inside)
        alone = [
            t
            for t in inside
            if counts[t.name] == 1 and t.status and t is not omit
        ]
        return self._pick(alone) if alone else None

    def _status(self, things: Sequence[Thing]) -> dict | None:
        place, inside, hops, _ = self._place(things)
        thing = self._single(inside)
        if thing is None:
            return None
        wording = self._pick(
            (
                'What is the status of the {}?',
                'What is the {} doing?',
                'In which state is the {}?',
            )
        )
        return {
            'question': wording.format(_join(thing.name, place)),
            'answer': thing.status,
            'num_hop': hops,
            'topic': (thing.name, hops),
        }

    def _comparison(self, things: Sequence[Thing]) -> dict | None:
        if self.rng.random() < 0.4:
            return self._more(things)
        place, inside, hops, referent = self._place(things)
        first = self._single(inside)
        second = self._single(things, omit=first)
        if first is None or second is None or second is referent:
            return None
        if first.name == second.name:
            return None
        wording = self._pick(
            (
                'Is the status of the {} the same as that of the {}?',
                'Are the {} and the {} in the same state?',
                'Do the {} and the {} share one status?',
            )
        )
        return {
            'question': wording.format(_join(first.name, place), second.name),
            'answer': 'yes' if first.status == second.status else 'no',
            'num_hop': hops,
            'topic': ('same', first.name, second.name),
        }

    def _more(self, things: Sequence[Thing]) -> dict | None:
        place, inside, hops, _ = self._place(things)
        first, status = self._kind_of_thing(things)
        second, _ = self._kind_of_thing(things)
        if first == second:
            return None
        many = len(self._matching(inside, first, status))
        other = len(self._matching(inside, second, ''))
        if many == other == 0:
            return None
        wording = self._pick(
            (
                'Are there more {} than {}?',
                'Do the {} outnumber the {}?',
            )
        )
        return {
            'question': wording.format(
                described(first, status, True),
                _join(plural(second), place),
            ),
            'answer': 'yes' if many > other else 'no',
            'num_hop': hops,
            'topic': ('more', first, second),
        }


def blind_accuracy(
    train: Sequence[dict], val: Sequence[dict]
) -> dict[str, float]:
    """Return the accuracy on ``val`` of a guess that ignores the images.

    Two guessers: the commonest train answer of each type, and the commonest
    train answer to the very same words (of the type where the words are new).

    Returns:
        dict: Percent by type and for ``all``, of the first guesser, and
        ``same_words`` of the second; 0 where val has none.
    """
    by_type: dict[str, Counter] = {}
    by_words: dict[str, Counter] = {}
    for entry in train:
        for table, key in (
            (by_type, entry['template_type']),
            (by_words, entry['question']),
        ):
            table.setdefault(key, Counter())[entry['answer']] += 1
    hits, totals = Counter(), Counter()
    for entry in val:
        kind = entry['template_type']
        guess = _commonest(by_type.get(kind))
        votes = by_words.get(entry['question'])
        informed = _commonest(votes) if votes else guess
        for key in (kind, 'all'):
            totals[key] += 1
            hits[key] += guess == entry['answer']
        totals['same_words'] += 1
        hits['same_words'] += informed == entry['answer']
    kinds = dict.fromkeys(entry['template_type'] for entry in (*train, *val))
    return {
        key: round(100.0 * hits[key] / totals[key], 2) if totals[key] else 0.0
        for key in (*kinds, 'all', 'same_words')
    }


def _commonest(votes: Counter | None) -> str:
    return votes.most_common(1)[0][0] if votes else ''
