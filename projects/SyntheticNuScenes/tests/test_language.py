from collections import Counter

import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic.language import (
    ANSWERS,
    CLASSES,
    STATUSES,
    Questioner,
    Thing,
    blind_accuracy,
    direction_of,
    visible_things,
)


@pytest.mark.parametrize(
    ('dx', 'dy', 'word'),
    [
        (10, 0, 'front'),
        (10, 5, 'front'),
        (5, 10, 'front left'),
        (1, -10, 'front right'),
        (-1, 10, 'back left'),
        (-5, -10, 'back right'),
        (-10, 1, 'back'),
        (-10, -1, 'back'),
    ],
)
def test_directions(dx, dy, word):
    assert direction_of(dx, dy) == word


def test_the_vocabulary_has_thirty_words():
    assert len(ANSWERS) == len(set(ANSWERS)) == 30


def test_hidden_and_distant_objects_are_not_talked_about():
    def box(**more):
        return {
            'category': 'vehicle.car',
            'attribute': 'vehicle.parked',
            'x': 10.0,
            'y': 0.0,
            'visibility': 4,
            'points': 9,
        } | more

    things = visible_things(
        [
            box(),
            box(visibility=1, points=4),
            box(visibility=1, points=5),
            box(x=50.0),
            box(category='movable_object.pushable_pullable'),
        ]
    )
    assert things == [Thing('car', 'parked', 10.0, 0.0)] * 2


def frames(count):
    rng = np.random.default_rng(0)
    states = {
        'pedestrian': ('moving', 'standing', 'not standing'),
        'bicycle': ('with rider', 'without rider'),
        'motorcycle': ('with rider', 'without rider'),
        'traffic cone': ('',),
        'barrier': ('',),
    }
    for _ in range(count):
        things = []
        for _ in range(rng.integers(4, 22)):
            name = CLASSES[rng.integers(len(CLASSES))]
            options = states.get(name, ('moving', 'stopped', 'parked'))
            status = options[rng.integers(len(options))]
            things.append(Thing(name, status, *rng.uniform(-40, 40, 2)))
        yield things


@pytest.fixture(scope='module')
def asked():
    asker = Questioner(np.random.default_rng(1), (10, 14))
    return [(things, asker.ask(things)) for things in frames(30)]


def test_questions_are_many_unlike_and_in_the_vocabulary(asked):
    for _, entries in asked:
        assert 10 <= len(entries) <= 14
        assert len({entry['question'] for entry in entries}) == len(entries)
        for entry in entries:
            assert entry['answer'] in ANSWERS
            assert entry['num_hop'] in (0, 1)
            assert entry['question'].endswith(('?', '.'))


def test_types_hops_and_answers_are_mixed(asked):
    every = [entry for _, entries in asked for entry in entries]
    kinds = Counter(entry['template_type'] for entry in every)
    total = len(every)
    assert kinds['exist'] / total == pytest.approx(0.30, abs=0.03)
    assert kinds['object'] / total == pytest.approx(0.21, abs=0.03)
    assert kinds['count'] / total == pytest.approx(0.20, abs=0.03)
    assert kinds['comparison'] / total == pytest.approx(0.15, abs=0.03)
    assert kinds['status'] / total == pytest.approx(0.14, abs=0.03)
    for kind in kinds:
        hops = {e['num_hop'] for e in every if e['template_type'] == kind}
        assert hops == {0, 1}
        answers = Counter(
            e['answer'] for e in every if e['template_type'] == kind
        )
        limit = 0.56 if set(answers) <= {'yes', 'no'} else 0.4
        assert max(answers.values()) <= limit * answers.total()
    assert blind_accuracy(every, every)['all'] < 45


def counted(things, name, status, place):
    chosen = [
        t
        for t in things
        if t.name == name and (not status or t.status == status)
    ]
    return [t for t in chosen if place in ('', direction_of(t.x, t.y))]


def test_simple_answers_can_be_recounted(asked):
    """Questions about a class, perhaps in a direction from the ego car."""
    checked = 0
    for things, entries in asked:
        for entry in entries:
            kind, text = entry['template_type'], entry['question']
            if kind not in ('exist', 'count'):
                continue
            if entry['num_hop'] and not text.rstrip('?').replace(
                ' visible', ''
            ).replace(' are there', '').endswith('of me'):
                continue
            name = max(
                (n for n in CLASSES if n in text), key=len, default=None
            )
            words = text.replace('without a rider', 'without rider').replace(
                'with a rider', 'with rider'
            )
            status = max(
                (s for s in STATUSES if s in words), key=len, default=''
            )
            place = ''
            if entry['num_hop']:
                place = text.partition('to the ')[2].partition(' of me')[0]
            number = len(counted(things, name, status, place))
            answer = (
                str(number) if kind == 'count' else ('no', 'yes')[number > 0]
            )
            assert entry['answer'] == answer, text
            checked += 1
    assert checked > 60


def entries(*answers, words='Is it?'):
    return [
        {'template_type': 'exist', 'answer': a, 'question': words}
        for a in answers
    ]


def test_a_blind_guess_takes_the_commonest_answer():
    train = entries('no', 'no', 'yes')
    val = entries('no', 'yes', 'yes', 'yes')
    assert blind_accuracy(train, val)['exist'] == 25.0
    assert blind_accuracy(train, [])['all'] == 0.0


def test_a_guess_by_the_same_words_knows_them_by_heart():
    train = entries('no', 'no', 'yes') + entries('yes', words='Is that?')
    known = entries('yes', words='Is that?')
    new = entries('no', words='Is this?')
    scores = blind_accuracy(train, known + new)
    # By type it would say "no" to both (two to two, the first one counts).
    assert scores['all'] == 50.0
    assert scores['same_words'] == 100.0
