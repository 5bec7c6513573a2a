"""What the planner may be told of the language model's meta-action."""

import pytest
import torch
from mmengine.structures import BaseDataElement
from sparseoccvla_samples import ask, build_model, make_batch

from mmocc.structures import META_ACTIONS, DrivingQA
from mmocc.structures.meta_action import ACTION_MARKER
from mmocc.structures.tokens import TextBatch
from mmocc.utils.tokenizers import load_tokenizer


@pytest.fixture(scope='module')
def told(anchors):
    """A model whose denoiser is told. Must not be changed."""
    change = dict(planner=dict(condition=dict(meta='soft')))
    return build_model(anchors, change).eval()


@torch.no_grad()
def likely(model, inputs, samples):
    queries = model.encode_scene(inputs, samples)
    return model.meta_action_scores(queries, samples)


@torch.no_grad()
def test_equal_to_each_phrase_read_alone(told):
    """One text at a time, without padding."""
    inputs, samples = make_batch(1)
    found = likely(told, inputs, samples)
    assert found.shape == (1, 18)
    scene = told.encode_scene(inputs, samples)
    _, memory = told.bridge.remember(scene)
    [(_, prompt)] = told.prompts(samples[0], 'meta_action').items()
    tokenizer = load_tokenizer('mmocc://tiny_tokenizer')
    opening = tokenizer(ACTION_MARKER, add_special_tokens=False)['input_ids']
    opening = torch.cat([prompt, torch.tensor(opening)])
    tree = told.score_actions.tree
    longest = max(map(len, tree.phrases))
    logits = torch.zeros(1, 18, longest, len(tree.vocabulary))
    for k, phrase in enumerate(tree.phrases):
        text = torch.cat([opening, torch.tensor(phrase)])
        batch = TextBatch.pad([[text]], [[text]], 'cpu')
        hidden = told.bridge.read(
            memory.without_text(), batch.input_ids, batch.valid
        )
        before = hidden[0, 0, len(opening) - 1 : -1]
        logits[0, k, : len(phrase)] = told.bridge.vlm.logits(
            before, tree.vocabulary
        )
    expected = tree.probabilities(logits)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.sum(), torch.tensor(1.0))
    assert len(META_ACTIONS) == 18


@torch.no_grad()
def test_a_batch_of_two_equals_two_of_one(told):
    inputs, samples = make_batch(2)
    # Questions of different lengths.
    ask(samples[1], [DrivingQA('What now?', 'x', 'meta_action')])
    both = likely(told, inputs, samples)
    for i in range(2):
        alone = likely(
            told, dict(imgs=inputs['imgs'][i : i + 1]), samples[i:][:1]
        )
        torch.testing.assert_close(both[i : i + 1], alone, atol=1e-5, rtol=0)
    assert not torch.allclose(both[0], both[1], atol=1e-4)


@torch.no_grad()
def test_the_true_action_is_not_read(told):
    inputs, samples = make_batch(1)
    before = likely(told, inputs, samples)
    questions = samples[0].gt_text.questions
    ask(
        samples[0],
        [
            DrivingQA(q.question, 'Action: Accelerate; Turn Left.', q.task)
            for q in questions
        ],
    )
    samples[0].gt_meta = BaseDataElement(speed=1, direction=1)
    assert torch.equal(likely(told, inputs, samples), before)


@torch.no_grad()
def test_visual_tokens_that_were_read_before_serve(told):
    """Whatever was asked behind them."""
    inputs, samples = make_batch(2)
    scene = told.encode_scene(inputs, samples)
    _, memory = told.bridge.remember(scene, told.prompt())
    told.answer_questions(memory, samples)
    found = told.meta_action_scores(scene, samples, memory)
    torch.testing.assert_close(
        found, likely(told, inputs, samples), atol=1e-5, rtol=0
    )


def test_the_denoiser_reads_it_and_the_language_model_learns_nothing(told):
    inputs, samples = make_batch(2)
    scene = told.encode_scene(inputs, samples)
    assert not told.meta_action_scores(scene, samples).requires_grad
    with torch.no_grad():
        first = told.predict(inputs, samples)[0].pred_ego.trajs.clone()
        weight = told.planner.memory.project['meta'].weight
        kept = weight.clone()
        weight.zero_()
        second = told.predict(inputs, samples)[0].pred_ego.trajs
        weight.copy_(kept)
    assert not torch.allclose(first, second, atol=1e-6)


def test_a_frame_without_the_question_says_so(told):
    inputs, samples = make_batch(1)
    ask(samples[0], [DrivingQA('Is it?', 'yes', 'qa', 'exist', 0)])
    with pytest.raises(KeyError, match='asks no meta_action question; add'):
        likely(told, inputs, samples)


def test_trains_beside_a_language_model_that_recomputes_its_layers(anchors):
    """And reads the same as at prediction, without dropout."""
    model = build_model(
        anchors,
        dict(
            planner=dict(condition=dict(meta='soft')),
            bridge=dict(
                vlm=dict(
                    gradient_checkpointing=True,
                    lora=dict(
                        r=4, lora_dropout=0.5, target_modules=['q_proj']
                    ),
                )
            ),
        ),
    )
    inputs, samples = make_batch(1)
    scene = model.eval().encode_scene(inputs, samples)
    expected = model.meta_action_scores(scene, samples)
    found = model.train().meta_action_scores(scene, samples)
    assert torch.equal(found, expected)
    assert all(part.training for part in model.bridge.modules())
    sum(model(inputs, samples, 'loss').values()).backward()
