"""NuScenes-QA accuracies worked out by hand."""

import pytest

from mmocc.evaluation.functional import (
    ANSWERS,
    normalise_answer,
    qa_counts,
    qa_scores,
)


def scores(*questions):
    return qa_scores(qa_counts(questions))


def test_truth_as_answer_scores_100():
    kinds = ('exist', 'count', 'object', 'status', 'comparison')
    result = scores(
        *((kind, hop, 'car', 'car') for kind in kinds for hop in (0, 1))
    )
    assert result.pop('questions') == 10
    assert result.pop('outside_vocabulary') == 0
    assert set(result.values()) == {100.0}
    # Strict: overall, 2 hops, 5 types, 10 of both; normalised: 6.
    assert len(result) == 18 + 6


def test_overall_is_the_share_of_questions_not_of_types():
    result = scores(
        ('exist', 0, 'yes', 'yes'),
        ('exist', 0, 'no', 'yes'),
        ('exist', 1, 'no', 'no'),
        ('count', 1, '3', '4'),
    )
    assert result['overall'] == 50.0
    assert result['exist'] == pytest.approx(200 / 3)
    assert result['exist_h0'] == 50.0
    assert result['exist_h1'] == 100.0
    assert result['count'] == 0.0
    assert result['h0'] == 50.0
    assert result['h1'] == 50.0
    assert 'object' not in result
    assert 'count_h0' not in result
    assert result['questions'] == 4


@pytest.mark.parametrize('answer', ['Yes', ' yes', 'yes.', 'yes\n', 'yep', ''])
def test_strict_match_forgives_nothing(answer):
    assert scores(('exist', 0, 'yes', answer))['overall'] == 0.0


def test_strict_match_keeps_the_case_of_the_truth():
    assert scores(('object', 0, 'Bus', 'Bus'))['overall'] == 100.0
    assert scores(('object', 0, 'Bus', 'bus'))['overall'] == 0.0


@pytest.mark.parametrize('answer', ['Yes', ' yes', 'yes.', 'YES !\n', 'yes'])
def test_normalised_match_forgives_case_space_and_punctuation(answer):
    result = scores(('exist', 0, 'yes', answer))
    assert result['normalised/overall'] == 100.0
    assert result['normalised/exist'] == 100.0


@pytest.mark.parametrize('answer', ['yes it is', 'no', '', '.'])
def test_normalised_match_forgives_no_other_words(answer):
    assert scores(('exist', 0, 'yes', answer))['normalised/overall'] == 0.0


def test_normalisation_keeps_inner_characters():
    assert normalise_answer(' With Rider. ') == 'with rider'
    assert normalise_answer('not-standing') == 'not-standing'


def test_integer_counts_equal_their_text():
    assert scores(('count', 0, 7, '7'))['overall'] == 100.0
    assert scores(('count', 0, 7, '7.0'))['overall'] == 0.0


def test_the_vocabulary_has_thirty_answers():
    assert len(ANSWERS) == len(set(ANSWERS)) == 30


def test_answers_outside_the_vocabulary_are_counted():
    result = scores(
        ('exist', 0, 'yes', 'yes'),
        ('count', 0, '3', 'three'),
        ('count', 0, '3', '11'),
        ('object', 0, 'car', ''),
    )
    assert result['outside_vocabulary'] == 75.0


def test_empty_answers_are_wrong_and_stay_in_the_denominator():
    result = scores(('exist', 0, 'yes', ''), ('exist', 0, 'yes', 'yes'))
    assert result['overall'] == result['normalised/overall'] == 50.0
    assert result['questions'] == 2


def test_unknown_hop_counts_for_its_type_only():
    result = scores(('status', -1, 'moving', 'moving'))
    assert result['overall'] == result['status'] == 100.0
    assert not {'h0', 'h1', 'status_h0', 'status_h1'} & set(result)


def test_no_question_has_no_score():
    assert scores() == {'questions': 0}


def test_counts_add_up():
    first = qa_counts([('exist', 0, 'yes', 'no')])
    second = qa_counts([('exist', 0, 'yes', 'yes'), ('count', 1, 2, '3')])
    together = qa_scores(first + second)
    assert together['overall'] == pytest.approx(100 / 3)
    assert together['questions'] == 3
    assert qa_scores(second + first) == together


def test_unknown_type_is_refused():
    with pytest.raises(ValueError, match="'colour' is not one of"):
        qa_counts([('colour', 0, 'red', 'red')])


@pytest.mark.parametrize('answer', [None, 3])
def test_answers_that_are_no_text_are_refused(answer):
    with pytest.raises(TypeError, match='expected a string'):
        qa_counts([('count', 0, 3, answer)])
