"""qa, caption, counterfactual and meta, from files to scores."""

import pytest

from mmocc.evaluation.files import ResultFileError
from mmocc.evaluation.functional import (
    CaptionPair,
    MissingScorerError,
    caption_scores,
)
from mmocc.evaluation.tasks import TASKS, caption
from mmocc.utils.json_files import write_json_lines


@pytest.fixture
def paths(tmp_path):
    return tmp_path / 'pred.jsonl', tmp_path / 'truth.jsonl'


def run(task, paths, pred, truth, presets=()):
    write_json_lines(pred, paths[0])
    write_json_lines(truth, paths[1])
    return TASKS[task].evaluate(*paths, presets)


def ask(token, question, answer, **more):
    return {'token': token, 'question': question, 'answer': answer} | more


QA_TRUTH = [
    ask('a', 'Any cars?', 'yes', template_type='exist', num_hop=0),
    ask('a', 'How many?', 3, template_type='count', num_hop=1),
    ask('b', 'Any cars?', 'no', template_type='exist', num_hop=1),
]


def test_qa_is_joined_by_token_and_question(paths):
    pred = [
        ask('b', 'Any cars?', 'no'),
        ask('a', 'How many?', '3'),
        ask('a', 'Any cars?', 'Yes'),
    ]
    result = run('qa', paths, pred, QA_TRUTH)
    scores = result.results['nuscenes_qa']
    assert scores['overall'] == pytest.approx(200 / 3)
    assert scores['normalised/overall'] == 100
    assert scores['count_h1'] == 100
    assert scores['questions'] == 3
    assert result.about['nuscenes_qa']['decoding'] == 'not stated'


def test_qa_says_how_answers_were_decoded(paths):
    pred = [
        ask(r['token'], r['question'], 'yes', decoding='constrained')
        for r in QA_TRUTH
    ]
    result = run('qa', paths, pred, QA_TRUTH)
    assert result.about['nuscenes_qa']['decoding'] == 'constrained'
    assert 'decoding: constrained' in result.notes[0]
    pred[0]['decoding'] = 'magic'
    with pytest.raises(ResultFileError, match="'magic', expected one of"):
        run('qa', paths, pred, QA_TRUTH)


def test_equal_questions_of_a_frame_need_ids(paths):
    truth = [QA_TRUTH[0] | {'id': i} for i in range(2)]
    pred = [ask('a', 'Any cars?', word, id=i) for i, word in enumerate('xy')]
    assert (
        run('qa', paths, pred, truth).results['nuscenes_qa']['questions'] == 2
    )
    for record in (*truth, *pred):
        del record['id']
    with pytest.raises(ResultFileError, match=r'a / Any cars.; give'):
        run('qa', paths, pred, truth)


GOOD = [ask(r['token'], r['question'], 'yes') for r in QA_TRUTH]


@pytest.mark.parametrize(
    ('pred', 'truth', 'says'),
    [
        (GOOD[:2], QA_TRUTH, r"pred.jsonl: lacks 1 of the 3.*'b', 'Any cars"),
        (GOOD, QA_TRUTH[:2], 'pred.jsonl: has 1 records'),
        (GOOD + GOOD[:1], QA_TRUTH, '1 records are there more than once'),
        ([GOOD[0] | {'answer': 3}, *GOOD[1:]], QA_TRUTH, '"answer", sample a'),
        (
            [{'token': 'a', 'question': 'Any cars?'}, *GOOD[1:]],
            QA_TRUTH,
            '"answer", sample a: line 1: is missing',
        ),
        (
            [{'question': 'Any?'}],
            QA_TRUTH,
            '"token": line 1: is None',
        ),
        (
            GOOD,
            [QA_TRUTH[0] | {'template_type': 'colour'}, *QA_TRUTH[1:]],
            'truth.jsonl, field "template_type", sample a: line 1',
        ),
        (
            GOOD,
            [QA_TRUTH[0] | {'num_hop': 7}, *QA_TRUTH[1:]],
            '"num_hop", sample a: line 1: is 7',
        ),
        (
            GOOD,
            [QA_TRUTH[0] | {'answer': None}, *QA_TRUTH[1:]],
            'truth.jsonl, field "answer", sample a: line 1: is empty',
        ),
    ],
)
def test_bad_answers_are_named(paths, pred, truth, says):
    with pytest.raises(ResultFileError, match=says):
        run('qa', paths, pred, truth)


CAPTIONS = [
    ask('a', 'Describe.', 'A car waits ahead of us .'),
    ask('a', 'And then ?', 'It turns left at the light .'),
    ask('b', 'Describe.', 'Two buses stand there .'),
    ask('b', 'What will you do?', 'Go on .', kind='action'),
    ask('b', 'Imagine.', 'Something .', kind='future'),
]
SAID = [
    ask('a', 'Describe.', 'A car waits .'),
    ask('a', 'And then ?', ''),
    ask('b', 'Describe.', 'Two buses stand there .'),
    ask('b', 'What will you do?', 'Stop .'),
    ask('b', 'Imagine.', 'Nothing .'),
]


def test_captions_are_scored_together_without_templates(paths, monkeypatch):
    monkeypatch.setattr(caption, 'meteor', lambda pairs: 0.25)
    result = run('caption', paths, SAID[::-1], CAPTIONS)
    scores = result.results['raw']
    expected = caption_scores(
        [
            CaptionPair(s['answer'], t['answer'])
            for s, t in zip(SAID[:3], CAPTIONS[:3], strict=True)
        ]
    )
    assert scores.pop('METEOR') == 0.25
    assert scores.pop('templates_left_out') == 2
    assert scores == pytest.approx(expected)
    assert scores['empty_answers'] == 1
    assert result.notes == []


def test_captions_without_meteor_say_so(paths, monkeypatch):
    def absent(pairs):
        raise MissingScorerError('METEOR needs nltk: pip install it')

    monkeypatch.setattr(caption, 'meteor', absent)
    result = run('caption', paths, SAID, CAPTIONS)
    assert 'METEOR' not in result.results['raw']
    assert result.notes == [
        'METEOR is not given: METEOR needs nltk: pip install it'
    ]


@pytest.mark.parametrize('nothing', [' ', None])
def test_references_must_not_be_empty(paths, nothing):
    truth = [CAPTIONS[0] | {'answer': nothing}, *CAPTIONS[1:]]
    with pytest.raises(
        ResultFileError, match=r'truth\.jsonl, field "answer", sample a'
    ):
        run('caption', paths, SAID, truth)


FUTURES = [
    {'token': 'a', 'question': '[PT, (1, 0)]', 'labels': ['safe']},
    {'token': 'a', 'question': '[PT, (9, 9)]', 'labels': ['collision']},
]
SEEN = [
    ask('a', '[PT, (1, 0)]', 'This is safe.'),
    ask('a', '[PT, (9, 9)]', 'You would leave the road.'),
]


def any_collision(text):
    """An extractor of somebody else's."""
    return {'collision'}


def test_counterfactual_extractor_can_be_replaced(paths):
    scores = run('counterfactual', paths, SEEN, FUTURES).results['keywords']
    assert scores['recall_safe'] == 100
    assert scores['recall_collision'] == 0
    name = f'{__name__}:any_collision'
    result = run('counterfactual', paths, SEEN, FUTURES, [name])
    assert result.results[name]['recall_collision'] == 100
    assert result.about[name]['extractor'] == name
    both = run('counterfactual', paths, SEEN, FUTURES, [name, 'keywords'])
    assert list(both.results) == ['keywords', name]


@pytest.mark.parametrize(
    ('name', 'says'),
    [
        ('no.such:thing', 'cannot be imported'),
        (f'{__name__}:nothing', 'a function from a text'),
        ('gpt', "'gpt', expected one of"),
    ],
)
def test_unknown_extractors_are_refused(paths, name, says):
    with pytest.raises(ValueError, match=says):
        run('counterfactual', paths, SEEN, FUTURES, [name])


@pytest.mark.parametrize('labels', [None, 'safe', ['fine'], []])
def test_bad_labels_are_named(paths, labels):
    truth = [FUTURES[0] | {'labels': labels}, FUTURES[1]]
    with pytest.raises(ResultFileError, match='field "labels", sample a'):
        run('counterfactual', paths, SEEN, truth)


META = [
    {'token': 'a', 'speed': 'Accelerate', 'direction': 'Turn Left'},
    {'token': 'b', 'speed': 'Maintain speed', 'direction': 'Stop'},
]


def test_meta_actions_are_parsed_and_unparsable_is_wrong(paths):
    pred = [
        {'token': 'b', 'answer': 'I do not know.'},
        {'token': 'a', 'answer': 'Scene: ... Action: accelerate; turn left.'},
    ]
    scores = run('meta', paths, pred, META).results['occvla']
    assert scores['joint'] == scores['speed'] == 50
    assert scores['unparsable'] == 50
    assert scores['frames'] == 2
    assert scores['recall_stop'] == 0


def test_words_outside_the_vocabulary_are_named(paths):
    pred = [{'token': t, 'answer': ''} for t in 'ab']
    truth = [META[0] | {'direction': 'U-Turn'}, META[1]]
    with pytest.raises(
        ResultFileError,
        match=r'field "direction", sample a: line 1: is .U-Turn',
    ):
        run('meta', paths, pred, truth)
