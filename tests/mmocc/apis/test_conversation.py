"""One question after another about a frame that was looked at once."""

import copy

import pytest
import torch

from mmocc.apis import Conversation, VLAInferencer, frame_with_past
from mmocc.datasets import SampleError
from mmocc.utils.config import ConfigError

QUESTIONS = (
    'Is there a car?',
    'How many trucks are there?',
    'Is there a car?',
)


@pytest.fixture(scope='module')
def chatty(config, weights):
    """An OccVLA whose weights are so wild that it answers at length."""
    inferencer = VLAInferencer(config, weights)
    torch.manual_seed(0)
    for parameter in inferencer.model.bridge.vlm.parameters():
        parameter.data += torch.randn_like(parameter)
    return inferencer


@pytest.fixture(params=['chatty', 'sparse_inferencer'])
def inferencer_of(request):
    return request.getfixturevalue(request.param)


def test_answers_are_those_of_predict(inferencer_of, infos, root, monkeypatch):
    """Whatever was asked before, and the images are looked at once."""
    frame = frame_with_past(infos, infos[1], inferencer_of.num_history, root)
    [expected] = inferencer_of.predict([frame], QUESTIONS)
    talk = Conversation(inferencer_of, frame)
    torch.testing.assert_close(
        talk.sample.pred_ego.trajs, expected.pred_ego.trajs
    )

    def look_again(*args):
        raise AssertionError('the images are encoded again')

    monkeypatch.setattr(inferencer_of.model, 'encode_scene', look_again)
    answers = [talk.ask(question) for question in QUESTIONS]
    assert answers == expected.pred_text.answers[1:]
    # Or else the comparison would show nothing.
    assert answers[0] != answers[1] and answers[0] == answers[2]


def test_empty_question(inferencer, infos, root):
    talk = Conversation(inferencer, frame_with_past(infos, infos[0], 0, root))
    with pytest.raises(SampleError, match=r'no words.*ask anew'):
        talk.ask('  ')


def test_a_model_without_language_is_refused(
    sparse_config, sparse_weights, infos, root
):
    mute = copy.deepcopy(sparse_config)
    mute.model.update(bridge=None, forecaster=None, planner=None)
    mute.test_dataloader.dataset.pipeline = [
        step for step in mute.test_pipeline if 'QA' not in step['type']
    ]
    inferencer = VLAInferencer(mute, sparse_weights)
    with pytest.raises(ConfigError, match='no language model to talk to'):
        Conversation(inferencer, frame_with_past(infos, infos[0], 1, root))
