import numpy as np
import pytest

from mmocc.evaluation.functional.counterfactual import keyword_extractor
from mmocc.projects.SyntheticNuScenes.synthetic.counterfactual import (
    COLLISION,
    OUT_OF_AREA,
    RED_LIGHT,
    SAFE,
    Judgement,
)
from mmocc.projects.SyntheticNuScenes.synthetic.language import Thing
from mmocc.projects.SyntheticNuScenes.synthetic.light import WEATHERS
from mmocc.projects.SyntheticNuScenes.synthetic.omnidrive import (
    Narrator,
    frame_files,
    outcome_of,
    spell_path,
)
from mmocc.projects.SyntheticNuScenes.synthetic.road_ahead import RoadAhead

ROAD = RoadAhead(8.2, 2, 0, 'red', 21.4, 17.6, 'straight')
THINGS = [
    Thing('car', 'moving', 12.0, 0.5),
    Thing('car', 'moving', 30.0, -0.5),
    Thing('pedestrian', 'standing', 6.0, 8.0),
    Thing('pedestrian', 'moving', -5.0, -8.0),
    Thing('truck', 'parked', 9.0, -9.0),
    Thing('barrier', '', 40.0, 1.0),
]
LABEL = {
    'speed': 'Decelerate',
    'direction': 'Stop',
    'reasoning': 'The light is red.',
}


def judgement(outcome):
    path = [[0.5 * k, 0.0] for k in range(1, 7)]
    thing = 'car' if outcome == COLLISION else ''
    return Judgement(path, outcome, thing, 1.5)


def talk(things=THINGS, road=ROAD, outcomes=(SAFE, COLLISION)):
    narrator = Narrator(np.random.default_rng(0), 'clear')
    return narrator.talk(things, road, [judgement(o) for o in outcomes])


def test_paths_are_spelled_as_omnidrive_does():
    text = spell_path([[3.814, -0.06], [0.004, -12.5]])
    assert text == '[PT, (+3.81, -0.06), (0.0, -12.50)]'


def test_the_description_names_what_is_there_and_nothing_else():
    text = talk()['description']
    assert 'clear day' in text
    assert '8 m/s on the left one of two lanes' in text
    assert 'A red traffic light is 21 m ahead.' in text
    assert 'A pedestrian crossing is 18 m ahead.' in text
    assert 'Front: 2 moving cars from 12 m on, barrier 40 m away.' in text
    assert 'Front left: standing pedestrian 10 m away.' in text
    assert 'bicycle' not in text


def test_an_empty_road_is_described_as_such():
    empty = RoadAhead(0.0, 0, -1, '', np.inf, np.inf, 'left')
    said = talk((), empty, ())
    assert said['description'] == (
        'It is a clear day. The car stands through an intersection. '
        'Its way bends to the left.'
    ).replace('through', 'in')
    answers = [pair['answer'] for pair in said['conversation']]
    assert 'Nothing can be seen straight ahead.' in answers
    assert 'No traffic light is ahead.' in answers
    assert 'None.' in answers and 'Nowhere.' in answers
    assert said['counterfactual'] == []


def test_the_conversation_answers_from_the_scene():
    pairs = talk()['conversation']
    assert 4 <= len(pairs) <= 6
    answers = [pair['answer'] for pair in pairs]
    assert 'A moving car, 12 m ahead.' in answers
    assert 'It is red, 21 m before the car.' in answers
    assert '2 in all, 1 of them walking.' in answers
    assert '1 on the right.' in answers


def test_attention_goes_to_the_light_and_what_is_near_ahead():
    answer = talk()['attention']['answer']
    assert answer.startswith('The red traffic light ahead; the standing ped')
    assert 'moving car to the front, 12 m away' in answer
    assert 'barrier' not in answer


@pytest.mark.parametrize('outcome', [SAFE, COLLISION, RED_LIGHT, OUT_OF_AREA])
def test_the_evaluation_reads_every_outcome(outcome):
    sentence = outcome_of(judgement(outcome))
    assert keyword_extractor(sentence) == {outcome}


def test_counterfactual_outcomes_differ_and_take_turns():
    narrator = Narrator(np.random.default_rng(0), 'rain')
    options = [judgement(o) for o in (SAFE, SAFE, SAFE, COLLISION, RED_LIGHT)]
    told = []
    for _ in range(9):
        pairs = narrator.talk(THINGS, ROAD, options)['counterfactual']
        assert len({pair['outcome'] for pair in pairs}) == 2
        told += [pair['outcome'] for pair in pairs]
    counts = [told.count(o) for o in (SAFE, COLLISION, RED_LIGHT)]
    assert counts == [6, 6, 6]


def test_every_weather_has_words():
    for name in WEATHERS:
        narrator = Narrator(np.random.default_rng(0), name)
        assert narrator.talk((), ROAD, ())['description']


def test_files_have_omnidrives_layout():
    files = frame_files(talk(), LABEL)
    assert set(files) == {'conv', 'desc', 'vqa', 'keywords'}
    assert set(files['desc']) == {'description', 'action'}
    assert files['desc']['action'] == (
        'The car slows down and stops. The light is red.'
    )
    assert files['keywords'] == 'decelerate, stop'
    assert len(files['vqa']) == 4
    for pair in (*files['conv'], *files['vqa']):
        assert set(pair) == {'question', 'answer'}
    assert '[PT, (+0.50, 0.0)' in files['vqa'][2]['question']


def test_without_a_label_only_the_conversation_is_written():
    assert set(frame_files(talk(), None)) == {'conv'}
    assert set(frame_files(talk(outcomes=()), LABEL)) == {
        'conv',
        'desc',
        'keywords',
    }
