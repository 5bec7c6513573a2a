"""SparseOccVLA as a whole: what depends on what, and what must not."""

import copy

import pytest
import torch
from sparseoccvla_samples import (
    ANCHORS,
    GLOBALS,
    GRID,
    QUERIES,
    STEPS,
    VIEWS,
    ask,
    build_model,
    make_batch,
    write_anchors,
)

from mmocc.models.planners.anchor_set import AnchorError
from mmocc.structures import FREE, DrivingQA
from mmocc.structures.meta_action import IGNORE

STAGES = {
    1: dict(bridge=None, tokenizer=None, forecaster=None, planner=None),
    2: dict(forecaster=None, planner=None),
    3: {},
}
# Every way to tell the model less or other things about its own motion.
EGO_OPTIONS = {
    'all': {},
    'no status': dict(
        use_status=False,
        planner=dict(scorer=dict(with_ego=False), condition=dict(ego=False)),
        forecaster=dict(use_status=False, use_history=False),
    ),
    'no history': dict(forecaster=dict(use_history=False)),
    'no status in forecasts': dict(forecaster=dict(use_status=False)),
    'scores without': dict(planner=dict(scorer=dict(with_ego=False))),
    'denoiser without': dict(planner=dict(condition=dict(ego=False))),
}


@torch.no_grad()
def predict(model, inputs, samples):
    """Samples with predictions; those that are given stay as they are."""
    return model(inputs, copy.deepcopy(samples), 'predict')


def assert_same(first, second, atol=0.0):
    """All that two samples predict, but for the texts."""
    for key in ('semantics', 'future_semantics'):
        different = first.pred_occ.get(key) != second.pred_occ.get(key)
        assert different.float().mean() <= atol
    for key in ('trajs', 'scores'):
        torch.testing.assert_close(
            first.pred_ego.get(key),
            second.pred_ego.get(key),
            rtol=0,
            atol=atol,
        )


def occupied(sample):
    return int((sample.pred_occ.semantics != FREE).sum())


def gradients(model, *losses):
    """Names of the weights that a loss reaches at all."""
    model.zero_grad(set_to_none=True)
    sum(losses).backward()
    return {name for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize('stage', STAGES)
def test_every_weight_of_a_stage_gets_a_gradient(anchors, stage):
    """Anything else would stop distributed training."""
    model = build_model(anchors, STAGES[stage]).train()
    losses = model(*make_batch(), 'loss')
    assert all(torch.isfinite(value) for value in losses.values())
    wanted = {n for n, p in model.named_parameters() if p.requires_grad}
    assert wanted == gradients(model, *losses.values())
    names = ' '.join(losses)
    assert ('loss_text' in names) == (stage > 1)
    assert ('step6' in names and 'loss_denoise' in names) == (stage > 2)


@pytest.mark.parametrize('stage', STAGES)
def test_a_stage_predicts_what_it_has(anchors, stage):
    model = build_model(anchors, STAGES[stage]).eval()
    for sample in predict(model, *make_batch()):
        assert sample.pred_occ.semantics.shape == GRID
        assert ('pred_text' in sample) == ('pred_meta' in sample)
        assert ('pred_text' in sample) == (stage > 1)
        assert ('pred_ego' in sample) == (stage > 2)
        if stage > 2:
            future = sample.pred_occ.future_semantics
            assert future.shape == (STEPS, *GRID)
            assert sample.pred_ego.trajs.shape == (1, STEPS, 2)


def test_a_batch_of_two_predicts_what_two_batches_of_one_do(model):
    inputs, samples = make_batch(2)
    # Texts of other number and length are padded.
    samples[1].gt_text.questions.pop(0)
    samples[1].gt_text.input_ids.pop(0)
    samples[1].gt_text.labels.pop(0)
    together = predict(model, inputs, samples)
    for i, both in enumerate(together):
        [alone] = predict(
            model, dict(imgs=inputs['imgs'][i : i + 1]), samples[i : i + 1]
        )
        assert_same(alone, both, atol=1e-4)
        assert alone.pred_text.answers == both.pred_text.answers
    assert occupied(together[0]) > 0
    first, second = (sample.pred_ego.trajs for sample in together)
    assert (first - second).abs().max() > 1e-3


def test_a_batch_of_two_has_the_mean_loss_of_two_batches_of_one(anchors):
    """With as many voxels and words in each, and no noise in the plan."""
    head = dict(
        _delete_=True,
        type='RegressionHead',
        denoiser=dict(type='AnchorDenoiser'),
    )
    change = dict(planner=dict(head=head))
    model = build_model(anchors, change).eval()
    inputs, samples = make_batch(2)
    together = model(inputs, samples, 'loss')
    alone = [
        model(dict(imgs=inputs['imgs'][i : i + 1]), samples[i : i + 1], 'loss')
        for i in range(2)
    ]
    for name, value in together.items():
        both = [losses[name] for losses in alone]
        torch.testing.assert_close(
            value, sum(both) / 2, rtol=1e-4, atol=1e-5, msg=name
        )
    assert alone[0]['loss_score'] != alone[1]['loss_score']


@torch.no_grad()
def test_the_llm_sees_each_query_and_twelve_globals_of_the_images(model):
    """Whatever the images show, it reads as many tokens, and no others."""
    seen = []
    hook = model.bridge.vlm.decoder.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs['inputs_embeds']),
        with_kwargs=True,
    )
    inputs, samples = make_batch(1)
    model(inputs, samples, 'loss')
    predict(model, inputs, samples)
    hook.remove()
    visual = QUERIES + GLOBALS
    prompt = model.prompt()
    ids = samples[0].gt_text.input_ids
    words = len(ids) * max(map(len, ids))
    assert seen[0].shape[1] == visual + words + len(prompt)
    assert seen[1].shape[1] == visual + len(prompt)
    scene = model.encode_scene(inputs, samples)
    tokens = torch.cat(model.bridge.tokens(scene), dim=1)
    for embeds in seen[:2]:
        torch.testing.assert_close(embeds[:, :visual], tokens)
        torch.testing.assert_close(embeds[0, -len(prompt) :], prompt)
    text = model.stack_text(samples, torch.device('cpu')).input_ids
    torch.testing.assert_close(
        seen[0][:, visual : visual + words],
        model.bridge.vlm.embed_text(text).flatten(1, 2),
    )


class TestText:
    def test_questions_change_answers_and_nothing_else(self, model):
        inputs, samples = make_batch(1)
        first = predict(model, inputs, samples)[0]
        ask(samples[0], [DrivingQA('What is behind?', 'a bus', 'qa')])
        assert_same(first, predict(model, inputs, samples)[0])

    def test_without_any_question_all_else_is_the_same(self, model):
        inputs, samples = make_batch(1)
        first = predict(model, inputs, samples)[0]
        ask(samples[0], [])
        silent = predict(model, inputs, samples)[0]
        assert_same(first, silent)
        assert silent.pred_text.answers == []
        assert len(first.pred_text.answers) == 3

    def test_true_answers_are_not_read(self, model):
        inputs, samples = make_batch(1)
        first = predict(model, inputs, samples)[0]
        changed = [
            item._replace(answer='no, never')
            for item in samples[0].gt_text.questions
        ]
        ask(samples[0], changed)
        second = predict(model, inputs, samples)[0]
        assert first.pred_text.answers == second.pred_text.answers

    def test_in_training_texts_change_their_own_loss_alone(self, model):
        inputs, samples = make_batch(1)
        losses = []
        for answer in ('yes', 'a very long answer'):
            ask(samples[0], [DrivingQA('What is behind?', answer, 'qa')])
            torch.manual_seed(0)
            losses.append(model(inputs, samples, 'loss'))
        assert losses[0].pop('loss_text') != losses[1].pop('loss_text')
        for name, value in losses[0].items():
            torch.testing.assert_close(
                value, losses[1][name], rtol=1e-5, atol=1e-6, msg=name
            )

    def test_meta_actions_are_read_from_answers(self, model, monkeypatch):
        inputs, samples = make_batch(2)
        replies = [
            {0: '', 1: '', 2: 'Action: Accelerate; Turn Left.'},
            {0: '', 1: '', 2: 'perhaps'},
        ]
        monkeypatch.setattr(model, 'generate_answers', lambda *_: replies)
        first, second = predict(model, inputs, samples)
        assert (first.pred_meta.speed, first.pred_meta.direction) == (1, 1)
        assert second.pred_meta.speed == second.pred_meta.direction == IGNORE


class TestDependencies:
    """Scores and denoised trajectories share images alone."""

    @pytest.fixture(scope='class')
    def reached(self, anchors):
        model = build_model(anchors).train()
        reached = {}
        for name in ('loss_score', 'loss_denoise'):
            losses = model(*make_batch(), 'loss')
            reached[name] = gradients(model, losses[name])
        return reached

    def test_scores_do_not_depend_on_the_denoiser(self, reached):
        parts = {name.split('.')[0] for name in reached['loss_score']}
        assert {'bridge', 'encoder', 'backbone', 'planner'} <= parts
        assert not any(
            name.startswith(('planner.head', 'planner.memory', 'forecaster'))
            for name in reached['loss_score']
        )

    def test_the_denoiser_depends_on_neither_scores_nor_language(
        self, reached
    ):
        parts = {name.split('.')[0] for name in reached['loss_denoise']}
        assert parts == {'backbone', 'neck', 'encoder', 'planner'}
        assert not any(
            name.startswith('planner.scorer')
            for name in reached['loss_denoise']
        )

    @torch.no_grad()
    def test_other_weights_of_one_side_leave_the_other_bit_for_bit(
        self, anchors
    ):
        change = dict(planner=dict(denoise='all'))
        model = build_model(anchors, change).eval()
        batch = make_batch(1)
        before = predict(model, *batch)[0].pred_ego
        for weight in model.planner.head.parameters():
            weight.mul_(1.5)
        other = predict(model, *batch)[0].pred_ego
        assert torch.equal(before.scores, other.scores)
        assert not torch.equal(before.trajs, other.trajs)
        for part in (model.planner.scorer, model.bridge):
            for weight in part.parameters():
                weight.mul_(1.5)
        last = predict(model, *batch)[0].pred_ego
        assert not torch.equal(other.scores, last.scores)
        # Candidates come best first.
        in_order = [
            ego.trajs[ego.trajs[:, -1, 0].argsort()] for ego in (other, last)
        ]
        torch.testing.assert_close(*in_order, rtol=0, atol=1e-5)

    def test_forecasts_do_not_depend_on_the_planner(self, anchors):
        model = build_model(anchors).train()
        losses = model(*make_batch(), 'loss')
        steps = [v for name, v in losses.items() if name.startswith('step')]
        parts = {name.split('.')[0] for name in gradients(model, *steps)}
        assert parts == {'backbone', 'neck', 'encoder', 'bridge', 'forecaster'}


class TestNoFuture:
    """A prediction is made of what is known at its moment."""

    @staticmethod
    def change_the_future(samples):
        """All that is ground truth, and none that was known before."""
        for sample in samples:
            sample.gt_ego.fut_trajs *= -3
            sample.gt_ego.fut_masks[2:] = False
            sample.gt_ego.command = torch.tensor(2)
            truth = sample.gt_occ
            for key in ('semantics', 'future_semantics'):
                truth.set_field(torch.full_like(truth.get(key), 4), key)
            truth.mask_camera = ~truth.mask_camera
            truth.future_valid = ~truth.future_valid

    @pytest.mark.parametrize('option', EGO_OPTIONS)
    def test_ground_truth_changes_no_prediction(self, anchors, option):
        model = build_model(anchors, EGO_OPTIONS[option]).eval()
        inputs, samples = make_batch(2)
        before = predict(model, inputs, samples)
        self.change_the_future(samples)
        after = predict(model, inputs, samples)
        for first, second in zip(before, after, strict=True):
            assert_same(first, second)
            assert first.pred_text.answers == second.pred_text.answers
            assert first.pred_meta.speed == second.pred_meta.speed

    @pytest.mark.parametrize('option', EGO_OPTIONS)
    def test_what_is_known_matters_where_it_is_switched_on(
        self, anchors, option
    ):
        """Or else the test above would show nothing."""
        model = build_model(anchors, EGO_OPTIONS[option]).eval()
        inputs, samples = make_batch(1)
        before = predict(model, inputs, samples)[0]
        samples[0].gt_ego.status *= 2
        samples[0].gt_ego.his_trajs *= 2
        after = predict(model, inputs, samples)[0]
        same_plan = all(
            torch.equal(before.pred_ego.get(key), after.pred_ego.get(key))
            for key in ('trajs', 'scores')
        )
        same_forecast = torch.equal(
            before.pred_occ.future_semantics, after.pred_occ.future_semantics
        )
        assert torch.equal(before.pred_occ.semantics, after.pred_occ.semantics)
        silent = option == 'no status'
        assert same_forecast == silent
        assert same_plan == silent

    def test_the_command_is_off_unless_it_is_called_gt3s(self, anchors):
        inputs, samples = make_batch(1)
        turned = copy.deepcopy(samples)
        turned[0].gt_ego.fut_trajs[:, 1] *= -1

        def moved(*changes):
            model = build_model(anchors, *changes).eval()
            first = predict(model, inputs, samples)[0].pred_ego.trajs
            second = predict(model, inputs, turned)[0].pred_ego.trajs
            return not torch.equal(first, second)

        assert not moved()
        condition = dict(command='gt3s')
        assert moved(dict(planner=dict(condition=condition)))

    def test_the_command_masks_anchors(self, anchors, tmp_path):
        grouped = write_anchors(tmp_path, mode='per_command')
        change = dict(
            anchors=dict(mode='per_command'),
            mask_by_command=True,
            condition=dict(command='gt3s'),
        )
        model = build_model(grouped, dict(planner=change)).eval()
        inputs, samples = make_batch(1)
        ends = []
        for aside in (9.0, -9.0):
            samples[0].gt_ego.fut_trajs[:, 1] = aside
            with torch.no_grad():
                scene = model.encode_scene(inputs, samples)
                out, _ = model.bridge.remember(scene, model.prompt())
                plan = model.planner(
                    model.scene_features(scene, out, samples),
                    command=model.planner._command(samples),
                )
            ends.append(model.planner.bank.anchors[plan.chosen[0], -1, 1])
        assert ends[0] > 2 > -2 > ends[1]


@torch.no_grad()
def test_cameras_in_another_order_change_nothing(model):
    """Images, intrinsics and poses go together, in the past as well."""
    inputs, samples = make_batch(1)
    first = predict(model, inputs, samples)[0]
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    order = torch.cat([order, VIEWS + order.flip(0)])
    inputs['imgs'] = inputs['imgs'][:, order]
    for key in ('cam2img', 'cam2ego'):
        value = samples[0].get(key)[order.numpy()]
        samples[0].set_metainfo({key: value})
    second = predict(model, inputs, samples)[0]
    assert_same(first, second, atol=1e-4)
    assert first.pred_text.answers == second.pred_text.answers
    # Images without their matrices are another world.
    inputs['imgs'] = inputs['imgs'].flip(1)
    third = predict(model, inputs, samples)[0]
    assert (third.pred_ego.trajs - first.pred_ego.trajs).abs().max() > 1e-3


@torch.no_grad()
def test_the_past_is_seen_from_where_the_car_was(model):
    """Other poses of past cameras are another past."""
    inputs, samples = make_batch(1)
    first = predict(model, inputs, samples)[0]
    moved = samples[0].cam2ego.copy()
    moved[VIEWS:, 0, 3] -= 10
    samples[0].set_metainfo(dict(cam2ego=moved))
    second = predict(model, inputs, samples)[0]
    assert not torch.equal(first.pred_ego.trajs, second.pred_ego.trajs)


def test_too_few_past_frames_name_the_keys(model):
    inputs, samples = make_batch(1)
    inputs['imgs'] = inputs['imgs'][:, :VIEWS]
    with pytest.raises(ValueError, match=r'encoder\.num_frames'):
        model(inputs, samples, 'predict')


class TestSparseWorlds:
    def test_points_outside_the_range_do_no_harm(self, anchors):
        model = build_model(anchors).train()
        with torch.no_grad():
            model.encoder.query_points[::2] += 3  # 240 m away
        losses = model(*make_batch(), 'loss')
        sum(losses.values()).backward()
        for parameter in model.parameters():
            assert torch.isfinite(parameter.grad).all()
        sample = predict(model.eval(), *make_batch(1))[0]
        assert sample.pred_occ.semantics.shape == GRID
        assert 0 < occupied(sample) <= QUERIES // 2 * 4
        assert torch.isfinite(sample.pred_ego.trajs).all()

    def test_nothing_above_the_threshold_is_a_free_and_valid_grid(
        self, anchors
    ):
        """And the car still answers and plans."""
        change = dict(occ_head=dict(decoder=dict(score_thr=1.0)))
        model = build_model(anchors, change).eval()
        for sample in predict(model, *make_batch()):
            for key, shape in (
                ('semantics', GRID),
                ('future_semantics', (STEPS, *GRID)),
            ):
                grid = sample.pred_occ.get(key)
                assert grid.shape == shape and grid.dtype == torch.uint8
                assert (grid == FREE).all()
            assert len(sample.pred_text.answers) == 3
            assert torch.isfinite(sample.pred_ego.trajs).all()

    @pytest.mark.parametrize('voxels', [0, 1])
    @pytest.mark.parametrize('target', ['all', 'visible'])
    def test_zero_and_one_voxel_train(self, anchors, voxels, target):
        """Now and at each step to come."""
        model = build_model(
            anchors, dict(occ_head=dict(target=target))
        ).train()
        losses = model(*make_batch(voxels=voxels), 'loss')
        assert all(torch.isfinite(value) for value in losses.values())
        sum(losses.values()).backward()
        for parameter in model.parameters():
            assert torch.isfinite(parameter.grad).all()

    def test_voxels_that_no_camera_sees_train_all_but_not_visible(
        self, anchors
    ):
        inputs, samples = make_batch(1)
        hidden = copy.deepcopy(samples)
        hidden[0].gt_occ.semantics[:9] = 4
        for each in (samples, hidden):
            each[0].gt_occ.mask_camera[:9] = False
        for target in ('visible', 'all'):
            model = build_model(
                anchors, dict(occ_head=dict(target=target))
            ).eval()
            first, second = (
                model(inputs, each, 'loss')['loss_points_0']
                for each in (samples, hidden)
            )
            assert (first == second) == (target == 'visible')

    def test_scenes_that_end_train_as_far_as_they_go(self, anchors):
        model = build_model(anchors).train()
        inputs, samples = make_batch(2)
        for sample, known in zip(samples, (2, 0), strict=True):
            sample.gt_occ.future_valid[known:] = False
            sample.gt_ego.fut_masks[known:] = False
        losses = model(inputs, samples, 'loss')
        assert all(torch.isfinite(value) for value in losses.values())
        assert losses['step2.loss_points_0'] > 0
        assert losses['step3.loss_points_0'] == 0


class TestRefuses:
    def test_labels_without_a_future(self, model):
        inputs, samples = make_batch(2)
        del samples[1].gt_occ.future_semantics
        with pytest.raises(KeyError, match=r'frame1.*LoadFutureOcc3D'):
            model(inputs, samples, 'loss')

    def test_frames_without_text(self, model):
        inputs, samples = make_batch(2)
        del samples[1].gt_text
        with pytest.raises(KeyError, match=r'frame1.*TokenizeQA'):
            model(inputs, samples, 'loss')

    @pytest.mark.parametrize(
        ('origin', 'config', 'message'),
        [
            (dict(split='val'), {}, "split 'val'.*fit_anchors"),
            (dict(steps=4), {}, 'num_steps 4.*num_steps is 6'),
            (dict(count=8), {}, f'num_anchors 8.*num_anchors is {ANCHORS}'),
            (dict(step_seconds=1.0), {}, r'steps of 1\.0 s, expected 0\.5'),
            ({}, dict(mode='per_command'), "mode 'global'"),
        ],
    )
    def test_anchors_of_another_origin(
        self, tmp_path, origin, config, message
    ):
        path = write_anchors(tmp_path, **origin)
        with pytest.raises(AnchorError, match=message):
            build_model(path, dict(planner=dict(anchors=config)))

    def test_a_language_model_without_the_layers_that_lora_names(
        self, anchors
    ):
        lora = dict(r=2, lora_alpha=2, target_modules=['q_proj', 'query'])
        change = dict(bridge=dict(vlm=dict(lora=lora)))
        with pytest.raises(ValueError, match=r"names \['query'\].*'v_proj'"):
            build_model(anchors, change)

    def test_unknown_targets(self, anchors):
        with pytest.raises(ValueError, match=r"occ_head\.target is 'seen'"):
            build_model(anchors, dict(occ_head=dict(target='seen')))


def test_a_frozen_encoder_stays_as_it_is(anchors):
    model = build_model(anchors, dict(freeze_encoder=True)).train()
    assert not model.backbone.bn1.training and model.bridge.training
    before = {
        name: value.clone() for name, value in model.state_dict().items()
    }
    inputs, samples = make_batch()
    losses = model(inputs, samples, mode='loss')
    assert not any(name.startswith('loss_points') for name in losses)
    assert {'loss_text', 'loss_score', 'loss_ego_motion'} <= set(losses)
    sum(losses.values()).backward()
    frozen = ('backbone.', 'neck.', 'encoder.')
    for name, weight in model.named_parameters():
        has_gradient = weight.grad is not None
        assert has_gradient != name.startswith(frozen), name
    for name, value in model.state_dict().items():  # running means, too
        assert torch.equal(value, before[name]), name


def test_freezing_all_there_is_is_refused(anchors):
    with pytest.raises(ValueError, match='nothing would learn'):
        build_model(
            anchors,
            dict(
                freeze_encoder=True,
                bridge=None,
                tokenizer=None,
                forecaster=None,
                planner=None,
            ),
        )


def test_a_frozen_encoder_teaches_forecasts_and_plans_without_words(anchors):
    model = build_model(
        anchors,
        dict(
            freeze_encoder=True,
            bridge=None,
            tokenizer=None,
            forecaster=dict(fusion='encoder'),
            planner=dict(scorer=dict(_delete_=True, type='SceneScorer')),
        ),
    ).train()
    sum(model(*make_batch(1), 'loss').values()).backward()
    idle = [
        name
        for name, weight in model.named_parameters()
        if weight.requires_grad and weight.grad is None
    ]
    assert idle == [] and not model.encoder.training


@pytest.mark.parametrize(
    ('part', 'key'),
    [('forecaster', 'llm_dims'), ('planner', 'reasoning_dims')],
)
def test_parts_must_be_as_wide_as_the_language_model(anchors, part, key):
    change = {part: {key: 4096}}
    with pytest.raises(ValueError, match=rf'model\.{part}\.{key} is 4096'):
        build_model(anchors, change)
