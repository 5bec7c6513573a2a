from mmocc.structures import MetaAction, parse_meta_action
from mmocc.structures.prompts import meta_action_question, spell_history


def test_history_is_spelled_oldest_first():
    text = spell_history(
        [
            MetaAction('Accelerate', 'Go Straight'),
            MetaAction('Maintain speed', 'Turn Left'),
        ]
    )
    assert text == '(Accelerate, Go Straight) -> (Maintain speed, Turn Left)'


def test_question_without_history_says_so():
    assert meta_action_question([]).endswith('Past actions: none.')


def test_question_depends_on_nothing_but_the_history():
    history = [MetaAction('Decelerate', 'Stop')]
    assert meta_action_question(history) == meta_action_question(history)
    assert meta_action_question(history) != meta_action_question([])


def test_an_answer_behind_the_question_is_still_read():
    question = meta_action_question([MetaAction('Accelerate', 'Turn Left')])
    answer = 'Action: Decelerate; Turn Right.'
    expected = MetaAction('Decelerate', 'Turn Right')
    assert parse_meta_action(f'{question} {answer}') == expected
