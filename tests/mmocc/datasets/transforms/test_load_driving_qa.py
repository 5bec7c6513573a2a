import pytest
from mmocc_testing import make_occ_info

from mmocc.datasets import LoadDrivingQA, SampleError
from mmocc.structures import MetaAction, parse_meta_action


def ask(info, draw=(0, 0), **kwargs):
    return LoadDrivingQA(**kwargs)(dict(info, draw=draw))['questions']


def label(info):
    action = info['meta_action']
    return MetaAction(action['speed'], action['direction'])


@pytest.mark.parametrize('style', ['cot', 'action'])
def test_meta_action_answer_ends_in_the_label(style):
    info = make_occ_info()
    (item,) = ask(info, tasks=('meta_action',), answer_style=style)
    assert item.task == 'meta_action'
    assert parse_meta_action(item.answer) == label(info)
    assert ('Reasoning:' in item.answer) == (style == 'cot')


def test_prompt_holds_the_past_and_nothing_of_the_future():
    info = make_occ_info()
    (before,) = ask(info, tasks=('meta_action',))
    future = dict(info, cot='Action: Accelerate; Stop.', meta_action=None)
    (after,) = ask(future, tasks=('meta_action',))
    assert before.question == after.question
    (other,) = ask(dict(info, his_meta_actions=[]), tasks=('meta_action',))
    assert before.question != other.question
    for action in info['his_meta_actions']:
        assert action['direction'] in before.question


def test_all_questions_are_asked_unless_limited():
    info = make_occ_info()
    items = ask(info)
    assert [item.task for item in items] == ['meta_action'] + ['qa'] * 5
    assert [item.question for item in items[1:]] == [
        entry['question'] for entry in info['qa']
    ]
    assert items[1].template_type == 'count' and items[1].num_hop == 0


def test_draws_change_with_epoch_and_repeat_with_seed():
    info = make_occ_info()
    draws = [
        [item.question for item in ask(info, (3, epoch), max_questions=2)]
        for epoch in range(20)
    ]
    assert all(len(set(draw)) == 3 for draw in draws)
    assert len({tuple(draw) for draw in draws}) > 5
    assert len({question for draw in draws for question in draw}) == 6
    again = [item.question for item in ask(info, (3, 4), max_questions=2)]
    assert again == draws[4]


def test_unlabelled_frames_ask_but_do_not_teach():
    info = dict(make_occ_info(), cot='', meta_action=None)
    for style in ('cot', 'action'):
        (item,) = ask(info, tasks=('meta_action',), answer_style=style)
        assert item.answer == ''
        assert not ask(
            info,
            tasks=('meta_action',),
            answer_style=style,
            skip_unanswered=True,
        )


def test_counts_may_be_numbers():
    info = make_occ_info()
    info['qa'][2]['answer'] = 2
    assert ask(info, tasks=('qa',))[2].answer == '2'


@pytest.mark.parametrize('nothing', [None, ' ', float('nan')])
def test_no_answer_teaches_nothing(nothing):
    info = dict(make_occ_info(), cot=nothing)
    for question in info['qa']:
        question['answer'] = nothing
    asked = ask(info, tasks=('meta_action', 'qa'))
    assert len(asked) > 1 and {item.answer for item in asked} == {''}
    assert not ask(info, tasks=('meta_action', 'qa'), skip_unanswered=True)
    info['qa'][0]['answer'] = 0
    (item,) = ask(info, tasks=('meta_action', 'qa'), skip_unanswered=True)
    assert item.answer == '0'


def test_captions_are_asked_for_by_name():
    info = dict(
        make_occ_info(),
        captions=[{'question': 'Describe it.', 'answer': 'A road.'}],
    )
    (item,) = ask(info, tasks=('caption',))
    assert item == ('Describe it.', 'A road.', 'caption', '', -1)


@pytest.mark.parametrize(
    ('task', 'key'),
    [
        ('qa', 'qa'),
        ('meta_action', 'his_meta_actions'),
        ('caption', 'captions'),
    ],
)
def test_missing_key_is_named(task, key):
    info = make_occ_info()
    info.pop(key, None)
    with pytest.raises(SampleError, match=f'key {key!r}') as error:
        ask(info, tasks=(task,))
    assert info['token'] in str(error.value)


def test_misspelt_task_is_refused():
    with pytest.raises(ValueError, match='meta-action'):
        LoadDrivingQA(tasks=('meta-action',))
