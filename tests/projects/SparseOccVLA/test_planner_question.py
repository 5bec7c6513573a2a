"""What the language model is asked to score, and where the answer is."""

from types import SimpleNamespace

import pytest
import torch
from sparseoccvla_samples import (
    ANCHORS,
    GLOBALS,
    QUERIES,
    TOKENIZER,
    build_model,
    make_batch,
)

from mmocc.projects.SparseOccVLA.sparseoccvla.planner_question import (
    PlannerQuestion,
)
from mmocc.utils.tokenizers import load_tokenizer


def build(anchors, scorer):
    change = dict(planner=dict(scorer=dict(_delete_=True, type=scorer)))
    return build_model(anchors, change).eval()


def read(model, out, field):
    """One field that the planner reads of the language model."""
    return model.question.read(model.bridge.vlm, out)[field]


def planner_with(num_anchors):
    """Stands for a planner of which only the number of anchors is read."""
    return SimpleNamespace(bank=range(num_anchors))


def ask(model):
    """Sparse queries read, with the prompt behind them."""
    inputs, samples = make_batch(2)
    scene = model.encode_scene(inputs, samples)
    return model.bridge(scene, None, model.prompt())


@torch.no_grad()
def test_the_reasoning_token_is_the_last_of_the_prompt(model):
    out = ask(model)
    token = read(model, out, 'reasoning_token')
    assert torch.equal(token, out.prompt[:, -1])
    width = model.bridge.vlm.embed_dims
    assert out.prompt.shape == (2, len(model.question.ids), width)


@torch.no_grad()
def test_an_anchor_token_sees_the_anchors_before_it(anchors):
    model = build(anchors, 'AnchorTokenScorer')
    words = len(model.question.ids)
    assert len(model.prompt()) == words + ANCHORS
    before = read(model, ask(model), 'anchor_tokens')
    assert before.shape == (2, ANCHORS, model.bridge.vlm.embed_dims)
    model.planner.bank.anchors[3] += 1.0
    after = read(model, ask(model), 'anchor_tokens')
    assert torch.equal(before[:, :3], after[:, :3])
    changed = (before != after).any(dim=-1)
    assert changed[:, 3:].all()


def test_anchor_tokens_are_trained_by_the_scores(anchors):
    model = build(anchors, 'AnchorTokenScorer')
    model(*make_batch(1), 'loss')['loss_score'].backward()
    assert model.question.anchor_tokens.weight.grad.abs().max() > 0
    assert model.bridge.tokens.project[1].weight.grad.abs().max() > 0


@torch.no_grad()
def test_answer_logits_are_those_of_the_letters(anchors):
    model = build(anchors, 'AnswerLogitScorer')
    tokenizer = load_tokenizer(TOKENIZER)
    assert tokenizer.decode(model.question.letters) == 'ABCDEF'
    out = ask(model)
    logits = model.bridge.vlm.logits(out.reasoning)
    torch.testing.assert_close(
        read(model, out, 'answer_logits'), logits[:, model.question.letters]
    )


@pytest.mark.parametrize('scorer', ['SceneScorer', 'ReasoningScorer'])
@torch.no_grad()
def test_nothing_is_asked_where_nothing_is_read(anchors, scorer):
    seen = []
    model = build(anchors, scorer)
    model.bridge.vlm.decoder.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs['inputs_embeds']),
        with_kwargs=True,
    )
    model(*make_batch(1), 'predict')
    visual = QUERIES + GLOBALS
    asked = seen[0].shape[1] - visual
    if scorer == 'SceneScorer':
        assert model.question is None and asked == 0
    else:
        assert asked == len(model.question.ids)


def test_more_anchors_than_letters_are_refused():
    tokenizer = load_tokenizer(TOKENIZER)
    with pytest.raises(ValueError, match=r'27 anchors.*there are 26'):
        PlannerQuestion(['answer_logits'], tokenizer, planner_with(27), 32)


@pytest.mark.parametrize('ids', [[3], [3, 4]])
def test_tokenizers_without_letters_are_refused(ids, monkeypatch):
    """One that cannot tell them apart, and one that cuts them up."""
    tokenizer = load_tokenizer(TOKENIZER)
    monkeypatch.setattr(
        f'{PlannerQuestion.__module__}.encode_texts',
        lambda _, texts: [ids] * len(texts),
    )
    with pytest.raises(ValueError, match='tiny_tokenizer writes the letters'):
        PlannerQuestion(['answer_logits'], tokenizer, planner_with(6), 32)
