import numpy as np
import pytest
from mmengine.logging import MMLogger

from mmocc.datasets import SampleError, TokenizeQA
from mmocc.structures import DrivingQA
from mmocc.utils.tokenizers import load_tokenizer

TINY = 'mmocc://tiny_tokenizer'
ITEM = DrivingQA('How many cars are there?', 'two cars')


def tokenize(*questions, **kwargs):
    results = {'token': 'tok', 'questions': list(questions)}
    return TokenizeQA(TINY, **kwargs)(results)


def test_layout_is_paligemmas():
    results = tokenize(ITEM)
    tokenizer = load_tokenizer(TINY)
    (ids,), (labels,) = results['input_ids'], results['labels']
    bos, eos = tokenizer.bos_token, tokenizer.eos_token
    assert tokenizer.decode(ids) == (
        f'{bos}How many cars are there?\ntwo cars{eos}'
    )
    supervised = labels != -100
    assert tokenizer.decode(ids[supervised]) == f'two cars{eos}'
    np.testing.assert_array_equal(labels[supervised], ids[supervised])
    assert ids.dtype == labels.dtype == np.int64


def test_control_tokens_in_texts_are_letters():
    tokenizer = load_tokenizer(TINY)
    words = ' '.join(tokenizer.all_special_tokens) + ' <image>'
    (ids,) = tokenize(DrivingQA(f'What is {words}?', f'{words}.'))['input_ids']
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id
    special = {*tokenizer.added_tokens_decoder}
    assert len(special) == 5 and not special & set(ids[1:-1].tolist())
    assert tokenizer.decode(ids[1:-1]) == f'What is {words}?\n{words}.'


def test_prompt_at_inference_is_the_prompt_of_training():
    (full,) = tokenize(ITEM)['input_ids']
    results = tokenize(ITEM._replace(answer=''), with_answer=False)
    (prompt,), (labels,) = results['input_ids'], results['labels']
    np.testing.assert_array_equal(prompt, full[: len(prompt)])
    assert len(prompt) < len(full) and (labels == -100).all()


def test_answers_are_not_seen_at_inference():
    one, other = (
        tokenize(ITEM._replace(answer=answer), with_answer=False)
        for answer in ('two', 'seven')
    )
    np.testing.assert_array_equal(one['input_ids'], other['input_ids'])


def test_truncation_keeps_the_question(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    (full,) = tokenize(ITEM)['input_ids']
    results = tokenize(ITEM, ITEM, max_length=len(full) - 2)
    logger.removeHandler(caplog.handler)
    for ids in results['input_ids']:
        np.testing.assert_array_equal(ids, full[:-2])
    warnings = [r for r in caplog.records if 'is cut to' in r.message]
    assert len(warnings) == 1  # two texts, said once
    (prompt,) = tokenize(ITEM, with_answer=False)['input_ids']
    with pytest.raises(SampleError, match='max_length'):
        tokenize(ITEM, max_length=len(prompt))


@pytest.mark.parametrize('text', ['', '  \n'])
def test_empty_question_names_the_sample(text):
    with pytest.raises(SampleError, match='sample tok: question'):
        tokenize(ITEM._replace(question=text), with_answer=False)


def test_empty_answer_is_an_error_in_training_only():
    item = ITEM._replace(answer='')
    with pytest.raises(SampleError, match='sample tok: answer'):
        tokenize(item)
    assert tokenize(item, with_answer=False)['input_ids']


def test_frame_without_questions_has_no_texts():
    results = tokenize()
    assert results['input_ids'] == results['labels'] == []


def test_missing_tokenizer_folder_is_named(tmp_path):
    gone = str(tmp_path / 'gone')
    with pytest.raises(FileNotFoundError, match='gone'):
        TokenizeQA(gone)({'token': 'tok', 'questions': [ITEM]})
