"""OccVLA as a whole: its losses, what they move, and what it predicts."""

import copy
import time

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from occvla_samples import build_model, make_batch

from mmocc.models.bridges import MetaActionScorer
from mmocc.structures import DIRECTIONS, SPEEDS, parse_meta_action


def parameters_with_gradient(model):
    return {
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is not None and parameter.grad.abs().max() > 0
    }


def test_every_trainable_parameter_gets_a_gradient():
    """Anything else would stop distributed training."""
    model = build_model().train()
    losses = model(*make_batch(), 'loss')
    assert set(losses) == {'loss_text', 'loss_occ'}
    sum(losses.values()).backward()
    missing = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    assert missing == []


def test_decoder_passes_gradients_and_keeps_its_weights():
    """Learning rate zero, not frozen (Sec. 3.4)."""
    model = build_model().train()
    optim = build_optim_wrapper(
        model,
        dict(
            optimizer=dict(type='AdamW', lr=1e-2, weight_decay=0.01),
            paramwise_cfg=dict(
                bypass_duplicate=True,  # the tied output embedding
                custom_keys={'occ_head.vqvae': dict(lr_mult=0.0)},
            ),
        ),
    )
    before = copy.deepcopy(model.state_dict())
    losses = model(*make_batch(), 'loss')
    losses['loss_occ'].backward()
    moved = parameters_with_gradient(model)
    decoder = 'occ_head.vqvae.decoder.conv_out.weight'
    patches = 'bridge.vlm.hf.model.vision_tower.embeddings'
    assert decoder in moved
    assert any(name.startswith(patches) for name in moved)
    optim.step()
    after = model.state_dict()
    for name, value in before.items():
        if name.startswith('occ_head.vqvae'):
            assert torch.equal(value, after[name]), name
    assert not torch.equal(
        before['occ_head.project.weight'], after['occ_head.project.weight']
    )


@torch.no_grad()
def test_predictions_do_not_depend_on_occupancy():
    model = build_model().eval()
    results = []
    for predict_occupancy in (True, False):
        model.predict_occupancy = predict_occupancy
        inputs, samples = make_batch()
        results.append(model(inputs, samples, 'predict'))
    for with_occ, without in zip(*results, strict=True):
        assert 'pred_occ' in with_occ and 'pred_occ' not in without
        assert with_occ.pred_text.answers == without.pred_text.answers
        torch.testing.assert_close(
            with_occ.pred_meta.speed_scores,
            without.pred_meta.speed_scores,
            atol=1e-6,
            rtol=0,
        )


@torch.no_grad()
def test_a_batch_of_two_is_two_batches_of_one():
    model = build_model(planner=True).eval()
    inputs, samples = make_batch(2)
    together = model(inputs, samples, 'predict')
    _, samples = make_batch(2)
    for i, sample in enumerate(samples):
        alone = model(
            dict(imgs=inputs['imgs'][i : i + 1]), [sample], 'predict'
        )[0]
        assert alone.pred_text.answers == together[i].pred_text.answers
        assert (
            alone.pred_occ.semantics == together[i].pred_occ.semantics
        ).float().mean() > 0.9999
        torch.testing.assert_close(
            alone.pred_ego.trajs, together[i].pred_ego.trajs
        )


@pytest.mark.parametrize('chain_of_thought', [True, False])
@torch.no_grad()
def test_meta_action_is_legal_and_a_distribution(chain_of_thought):
    model = build_model(chain_of_thought=chain_of_thought).eval()
    for sample in model(*make_batch(), 'predict'):
        meta = sample.pred_meta
        action = parse_meta_action(meta.text)
        assert action is not None
        assert SPEEDS[meta.speed] == action.speed
        assert DIRECTIONS[meta.direction] == action.direction
        for scores in (meta.speed_scores, meta.direction_scores):
            torch.testing.assert_close(scores.sum(), torch.tensor(1.0))
        assert sample.pred_text.answers[-1] == meta.text


@torch.no_grad()
def test_meta_scores_equal_token_by_token_decoding():
    """All 18 phrases in one pass, against one phrase at a time."""
    model = build_model().eval()
    inputs, samples = make_batch(1)
    scene = model.encode_scene(inputs, samples)
    _, memory = model.bridge.remember(scene)
    prompt = next(iter(model.prompts(samples[0], 'meta_action').values()))
    scorer = MetaActionScorer(model.tokenizer)
    context = torch.cat([prompt, torch.tensor(scorer._encode('Action:'))])
    scores = scorer(model.bridge, memory, [prompt]).scores[0]
    phrases = scorer.tree.phrases
    for k, phrase in enumerate(phrases):
        expected = 1.0
        for j, token in enumerate(phrase):
            ids = torch.cat([context, torch.tensor(phrase[:j]).long()])
            ids = ids[None, None]
            hidden = model.bridge.read(
                memory.without_text(), ids, torch.ones_like(ids).bool()
            )
            logits = model.bridge.vlm.logits(hidden[0, 0, -1])
            legal = sorted({p[j] for p in phrases if p[:j] == phrase[:j]})
            share = logits[legal].softmax(-1)[legal.index(token)]
            expected *= float(share)
        assert scores[k].item() == pytest.approx(expected, abs=1e-5)


def test_stage_3_trains_the_planner_alone():
    model = build_model(planner=True).train()
    assert not model.bridge.training and model.planner.training
    losses = model(*make_batch(), 'loss')
    assert set(losses) == {'loss_plan'}
    losses['loss_plan'].backward()
    moved = parameters_with_gradient(model)
    assert moved and all(name.startswith('planner.') for name in moved)


def test_planner_reads_no_future():
    model = build_model(planner=True).eval()
    inputs, samples = make_batch(1)
    with torch.no_grad():
        before = model(inputs, samples, 'predict')[0].pred_ego.trajs.clone()
        inputs, samples = make_batch(1)
        samples[0].gt_ego.fut_trajs += 100.0
        samples[0].gt_ego.fut_masks[:] = False
        after = model(inputs, samples, 'predict')[0].pred_ego.trajs
    assert torch.equal(before, after)


def test_latent_supervision_is_an_option():
    model = build_model()
    model.occ_head.supervise = 'latent'
    loss = model(*make_batch(), 'loss')['loss_occ']
    loss.backward()
    assert torch.isfinite(loss)
    assert model.occ_head.project.weight.grad.abs().max() > 0


@torch.no_grad()
def test_a_missing_question_names_the_frame():
    model = build_model().eval()
    inputs, samples = make_batch(1)
    samples[0].gt_text.questions.pop()
    with pytest.raises(KeyError, match='frame0 asks no meta_action'):
        model(inputs, samples, 'predict')


@pytest.mark.parametrize('stage', [2, 3])
def test_trains_under_autocast_of_the_whole_model(stage):
    """As ``--amp`` does; every loss is float32 all the same."""
    model = build_model(planner=stage == 3).train()
    with torch.autocast('cpu', torch.bfloat16):
        losses = model(*make_batch(1), 'loss')
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    sum(losses.values()).backward()
    idle = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
    assert idle == []


def test_a_question_without_supervised_words_costs_nothing():
    """Such as one whose answer was cut away, in every frame of a batch."""
    model = build_model(occ_head=False).train()
    inputs, samples = make_batch(2)
    for sample in samples:
        for labels in sample.gt_text.labels:
            labels[:] = -100
    loss = model(inputs, samples, 'loss')['loss_text']
    loss.backward()
    assert loss == 0
    assert not parameters_with_gradient(model)


def test_parts_must_be_as_wide_as_the_language_model():
    code = dict(type='RayPositionCode', embed_dims=2304)
    with pytest.raises(ValueError, match=r'position_code\.embed_dims is 2304'):
        build_model(position_code=code)


class TestRefuses:
    """Parts that do not fit, within seconds and before any weight is made."""

    @pytest.fixture(autouse=True)
    def in_ten_seconds(self):
        start = time.perf_counter()
        yield
        assert time.perf_counter() - start < 10

    def test_a_language_model_that_sees_no_images(self):
        vlm = dict(type='CausalLM', pretrained='lmsys/vicuna-7b-v1.5')
        with pytest.raises(
            ValueError,
            match=r'model\.bridge\.vlm is CausalLM, which lacks embed_images'
            r'.*fit: PaliGemma',
        ):
            build_model(bridge=dict(type='VLOBridge', vlm=vlm))

    def test_a_planner_that_reads_occupancy_queries(self):
        planner = dict(
            type='AnchorDiffusionPlanner',
            reasoning_dims=128,
            ego_dims=7,
            anchors=dict(type='AnchorBank'),
        )
        with pytest.raises(
            ValueError,
            match=r'model\.planner is AnchorDiffusionPlanner, which reads '
            r'reasoning_token .*; occ_queries .*, but this OccVLA gives '
            r'ego_history, ego_status, meta_action, visual_tokens',
        ):
            build_model(planner=planner)

    def test_a_part_that_is_no_planner(self):
        with pytest.raises(
            ValueError,
            match=r'model\.planner is OccCrossEntropyLoss, which lacks .*'
            'fit: AnchorDiffusionPlanner, MLPPlanner',
        ):
            build_model(planner=dict(type='OccCrossEntropyLoss'))
