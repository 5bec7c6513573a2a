"""The planner's dependency graph, its shortcuts and its losses."""

import copy

import pytest
import torch
from planner_examples import (
    ANCHORS,
    HEADS,
    LLM_DIMS,
    REGRESSION,
    denoising,
    drive,
    make_planner,
    make_samples,
    make_scene,
    make_truth,
    one_frame,
)

from mmocc.models.planners.anchor_set import AnchorError

COUPLED = (
    dict(head=denoising(anchor_self_attn=True)),
    dict(scorer=dict(type='DenoisedScorer')),
)
KEYS = ['a', 'b', 'c']
NAMES = {'loss_score', 'loss_denoise'}


def gradients(planner, losses):
    planner.zero_grad()
    sum(losses.values()).backward()
    return {name: weight.grad for name, weight in planner.named_parameters()}


def touched(planner, part):
    """Names of weights that ``part`` has any gradient from."""
    names, weights = zip(*planner.named_parameters(), strict=True)
    found = torch.autograd.grad(
        part.sum(), weights, allow_unused=True, retain_graph=True
    )
    return {
        name.split('.')[0]
        for name, gradient in zip(names, found, strict=True)
        if gradient is not None and gradient.abs().max() > 0
    }


# --- Shortcuts -----------------------------------------------------------


@pytest.mark.parametrize(
    'options',
    [
        {},
        dict(head=denoising(spatial_bias=True)),
        dict(head=denoising(fusion='mean')),
        dict(head=denoising(dict(noise='random', timesteps=(8, 5, 2)))),
        dict(head=denoising(dict(noise='zero'))),
        dict(scorer=dict(type='SceneScorer')),
        *(dict(head=HEADS[name]) for name in ('regression', 'mlp', 'vae')),
    ],
)
@pytest.mark.parametrize(
    'dtype, tolerance', [(torch.float64, 1e-12), (torch.float32, 1e-5)]
)
def test_winner_only_equals_denoise_all(tmp_path, options, dtype, tolerance):
    plans = [
        make_planner(tmp_path, denoise=denoise, **copy.deepcopy(options))
        .to(dtype)
        .forward(make_scene(3, dtype), KEYS)
        for denoise in ('winner', 'topk', 'all')
    ]
    assert [plan.candidates.shape[1] for plan in plans] == [1, 3, 6]
    for plan in plans[:2]:
        assert torch.equal(plan.chosen, plans[2].chosen)
        count = plan.candidates.shape[1]
        for part, whole in (
            (plan.trajectory, plans[2].trajectory),
            (plan.candidates, plans[2].candidates[:, :count]),
        ):
            assert (part - whole).abs().max() <= tolerance


@pytest.mark.parametrize('coupling', COUPLED)
@pytest.mark.parametrize(
    'shortcut',
    [
        {},
        dict(denoise='topk', train_on='all'),
        dict(denoise='winner', train_on='all'),
        dict(denoise='all', train_on='positive'),
    ],
)
def test_inexact_shortcuts_are_refused(tmp_path, coupling, shortcut):
    with pytest.raises(ValueError, match="set both to 'all'"):
        make_planner(tmp_path, **coupling, **shortcut)


def test_the_refused_shortcut_would_change_the_plan(tmp_path):
    planner = make_planner(
        tmp_path, **COUPLED[0], denoise='all', train_on='all'
    )
    whole = planner(make_scene())
    condition = planner.memory(make_scene())
    anchors = planner.bank.normalized().expand(3, -1, -1, -1)
    noise = planner.head.noise(anchors, None)
    rows = torch.arange(3)[:, None], whole.chosen[:, None]
    with pytest.raises(RuntimeError):  # a winner is no complete group
        planner.head(anchors[rows], noise[rows], condition)


@pytest.mark.parametrize('coupling', COUPLED)
def test_coupled_planners_denoise_all(tmp_path, coupling):
    planner = make_planner(
        tmp_path, denoise='all', train_on='all', noise_draws=2, **coupling
    )
    plan = planner(make_scene())
    assert plan.candidates.shape == (3, 6, 6, 2)
    assert plan.scores.argmax(dim=1).equal(plan.chosen)
    losses = planner.loss(make_scene(), make_samples(*make_truth()))
    assert set(losses) == NAMES
    # Scores and trajectories share weights here.
    assert 'head' in touched(planner, losses['loss_denoise'])
    reached = 'head' in touched(planner, losses['loss_score'])
    assert reached == ('scorer' in coupling)


@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('draws', [1, 3])
@pytest.mark.parametrize('space', ['normalized', 'metres'])
def test_training_on_the_positive_equals_the_full_computation(
    tmp_path, head, draws, space
):
    results = []
    for train_on in ('positive', 'all'):
        planner = make_planner(
            tmp_path,
            train_on=train_on,
            head=HEADS[head],
            noise_draws=draws,
            loss_space=space,
        ).double()
        torch.manual_seed(4)
        losses = planner.loss(
            make_scene(3, torch.float64),
            make_samples(*make_truth(torch.float64)),
        )
        results.append((losses, gradients(planner, losses)))
    (losses, grads), (all_losses, all_grads) = results
    for name, value in losses.items():
        torch.testing.assert_close(value, all_losses[name], atol=1e-12, rtol=0)
    assert losses['loss_denoise'] > 0
    for name, gradient in grads.items():
        torch.testing.assert_close(
            gradient, all_grads[name], atol=1e-12, rtol=0
        )


# --- Dependency graph ----------------------------------------------------


def test_scores_and_denoiser_share_nothing(tmp_path):
    planner = make_planner(tmp_path)
    plan = planner(make_scene())
    assert touched(planner, plan.scores) == {'scorer'}
    assert touched(planner, plan.trajectory) == {'memory', 'head'}
    losses = planner.loss(make_scene(), make_samples(*make_truth()))
    assert touched(planner, losses['loss_score']) == {'scorer'}
    assert touched(planner, losses['loss_denoise']) == {'memory', 'head'}


def test_the_language_model_scores_and_the_encoder_denoises(tmp_path):
    planner = make_planner(tmp_path)
    scene = make_scene()
    inputs = (
        scene.reasoning_token,
        scene.occ_queries.features,
        scene.occ_queries.centres,
        scene.ego_status,
    )
    for value in inputs:
        value.requires_grad_()

    def reads(part):
        found = torch.autograd.grad(
            part.sum(), inputs, allow_unused=True, retain_graph=True
        )
        return [g is not None and bool(g.abs().max() > 0) for g in found]

    plan = planner(scene)
    assert reads(plan.scores) == [True, False, False, False]
    assert reads(plan.trajectory) == [False, True, True, True]
    losses = planner.loss(scene, make_samples(*make_truth()))
    assert reads(losses['loss_score']) == [True, False, False, False]
    assert reads(losses['loss_denoise']) == [False, True, True, True]


def test_detach_llm_keeps_gradients_out(tmp_path):
    condition = dict(
        type='ConditionMemory', reasoning=True, global_tokens=True
    )
    for detach in (False, True):
        planner = make_planner(
            tmp_path, detach_llm=detach, condition=condition
        )
        tokens = torch.ones(3, 4, LLM_DIMS, requires_grad=True)
        scene = make_scene(overview_tokens=tokens)
        reasoning = scene.reasoning_token.requires_grad_()
        losses = planner.loss(scene, make_samples(*make_truth()))
        sum(losses.values()).backward()
        assert (reasoning.grad is None) == (tokens.grad is None) == detach


@pytest.mark.parametrize('head', HEADS)
def test_every_weight_gets_a_gradient(tmp_path, head):
    # Distributed training stops at weights that a loss does not reach.
    planner = make_planner(tmp_path, awake=False, head=HEADS[head])
    losses = planner.loss(make_scene(), make_samples(*make_truth()))
    missing = [k for k, v in gradients(planner, losses).items() if v is None]
    assert missing == []


# --- Loss ----------------------------------------------------------------


def test_a_planner_that_has_learnt_nothing_yet_says_the_anchor(tmp_path):
    planner = make_planner(
        tmp_path,
        awake=False,
        head=denoising(dict(noise='zero', timesteps=(0,))),
    )
    plan = planner(make_scene())
    # alpha at t = 0 is 0.9999: the anchor, half a millimetre short.
    raw = planner.bank.anchors[plan.chosen]
    assert (plan.trajectory - raw).abs().max() < 2e-3


def test_regression_loss_is_the_distance_of_the_nearest_anchor(tmp_path):
    planner = make_planner(
        tmp_path, awake=False, head=REGRESSION, loss_space='metres'
    )
    future = torch.from_numpy(drive(8.0)).float()[None]
    mask = torch.ones(1, 6, dtype=torch.bool)
    given = make_scene(1), make_samples(future, mask)
    loss = planner.loss(*given)['loss_denoise']
    # 9 m/s against 8 m/s, half a metre more each step; nothing sideways.
    expected = sum(0.5 * i for i in range(1, 7)) / 6 / 2
    torch.testing.assert_close(loss, torch.tensor(expected))
    planner.loss_space = 'normalized'
    loss = planner.loss(*given)['loss_denoise']
    # Half a metre in each step, of 2.5 m half range.
    torch.testing.assert_close(loss, torch.tensor(0.2 / 2))


@pytest.mark.parametrize('head', HEADS)
@pytest.mark.parametrize('space', ['normalized', 'metres'])
def test_steps_that_do_not_exist_cost_nothing(tmp_path, head, space):
    planner = make_planner(tmp_path, head=HEADS[head], loss_space=space)
    future, mask = make_truth()
    losses = []
    for filler in (0.0, 1e6, torch.nan):
        future[~mask] = filler
        torch.manual_seed(4)
        samples = make_samples(future, mask)
        losses.append(planner.loss(make_scene(), samples))
    for name, value in losses[0].items():
        assert value.isfinite()
        assert value == losses[1][name] == losses[2][name]


def test_a_displacement_needs_both_of_its_ends(tmp_path):
    planner = make_planner(tmp_path, awake=False, head=REGRESSION)
    future = torch.from_numpy(drive(9.0)).float()[None]
    mask = torch.tensor([[True, True, False, True, True, True]])
    future[:, 2] = 500.0
    samples = make_samples(future, mask)
    loss = planner.loss(make_scene(1), samples)['loss_denoise']
    assert loss < 1e-6


def test_scenes_that_end_here_cost_nothing(tmp_path):
    planner = make_planner(tmp_path)
    future, mask = make_truth()
    samples = make_samples(future * torch.nan, mask & False)
    losses = planner.loss(make_scene(), samples)
    assert losses['loss_score'] == 0 and losses['loss_denoise'] == 0
    for gradient in gradients(planner, losses).values():
        assert gradient.isfinite().all()


@pytest.mark.parametrize('value', [torch.nan, torch.inf])
def test_a_broken_trajectory_is_refused(tmp_path, value):
    planner = make_planner(tmp_path)
    future, mask = make_truth()
    future[2, 5, 1] = value
    for call in (
        lambda: planner.loss(make_scene(), make_samples(future, mask)),
        lambda: planner.diagnose(make_scene(), make_samples(future, mask)),
    ):
        with pytest.raises(ValueError, match=r'NaN or infinite.*frames \[2\]'):
            call()


def test_another_horizon_is_refused(tmp_path):
    future, mask = make_truth()
    samples = make_samples(future[:, :4], mask[:, :4])
    with pytest.raises(ValueError, match=r'\(3, 4, 2\).*expected \(B, 6, 2\)'):
        make_planner(tmp_path).loss(make_scene(), samples)


def test_a_batch_is_the_mean_of_its_frames(tmp_path):
    planner = make_planner(tmp_path, head=REGRESSION)
    future, mask = make_truth()
    mask[:] = True
    scene, samples = make_scene(), make_samples(future, mask)
    whole = planner.loss(scene, samples)
    singles = [
        planner.loss(one_frame(scene, i), samples[i : i + 1]) for i in range(3)
    ]
    for name, value in whole.items():
        mean = torch.stack([each[name] for each in singles]).mean()
        torch.testing.assert_close(value, mean)


def test_it_learns_three_frames_by_heart(tmp_path):
    planner = make_planner(tmp_path, awake=False, noise_draws=4)
    optimizer = torch.optim.Adam(planner.parameters(), lr=1e-2)
    future, mask = make_truth()
    torch.manual_seed(0)
    for _ in range(120):
        optimizer.zero_grad()
        losses = planner.loss(make_scene(), make_samples(future, mask))
        sum(losses.values()).backward()
        optimizer.step()
    rows = planner.diagnose(make_scene(), make_samples(future, mask))
    error = {
        name: (row - future).norm(dim=-1)[mask].mean()
        for name, row in rows.items()
    }
    # The scores are right.
    assert torch.equal(rows['zero_step'], rows['anchor_oracle_zero_step'])
    assert error['plan'] < 0.5 * error['anchor_oracle_zero_step']
    assert error['anchor_oracle_zero_step'] < error['random_winner']


# --- Prediction ----------------------------------------------------------


@pytest.mark.parametrize('noise', ['fixed', 'zero', 'random'])
def test_a_frame_does_not_depend_on_its_batch(tmp_path, noise):
    planner = make_planner(tmp_path, head=denoising(dict(noise=noise)))
    whole = planner(make_scene(), KEYS)
    row = slice(1, 2)
    torch.manual_seed(99)
    single = planner(one_frame(make_scene(), 1), KEYS[row])
    torch.testing.assert_close(single.trajectory, whole.trajectory[row])
    torch.testing.assert_close(single.scores, whole.scores[row])


def test_noise_seeds_move_the_plan_a_little(tmp_path):
    plans = [
        make_planner(tmp_path, head=denoising(dict(noise='random', seed=seed)))
        .forward(make_scene(), KEYS)
        .trajectory
        for seed in (0, 0, 1)
    ]
    assert torch.equal(plans[0], plans[1])
    assert 0 < (plans[0] - plans[2]).abs().mean() < 1


def test_equal_scores_choose_the_first_anchor(tmp_path):
    for denoise in ('winner', 'all'):
        planner = make_planner(
            tmp_path,
            scorer=dict(type='AnswerLogitScorer'),
            denoise=denoise,
        )
        plan = planner(make_scene(answer_logits=torch.zeros(3, 6)))
        assert plan.chosen.tolist() == [0, 0, 0]


def test_given_logits_are_the_scores(tmp_path):
    planner = make_planner(tmp_path, scorer=dict(type='AnswerLogitScorer'))
    logits = torch.eye(6)[[4, 0, 2]]
    plan = planner(make_scene(answer_logits=logits))
    assert torch.equal(plan.scores, logits)
    assert plan.chosen.tolist() == [4, 0, 2]
    assert not [*planner.scorer.parameters()]


def test_a_token_for_each_anchor(tmp_path):
    planner = make_planner(tmp_path, scorer=dict(type='AnchorTokenScorer'))
    tokens = make_scene().reasoning_token[:, None].repeat(1, 6, 1)
    before = planner(make_scene(anchor_tokens=tokens)).scores
    tokens[:, 2] += 1
    after = planner(make_scene(anchor_tokens=tokens)).scores
    moved = (after - before).abs() > 1e-6
    assert moved.tolist() == [[False, False, True, False, False, False]] * 3


def test_scores_without_a_language_model(tmp_path):
    planner = make_planner(tmp_path, scorer=dict(type='SceneScorer'))
    scene = make_scene(reasoning_token=None)
    plan = planner(scene)
    assert touched(planner, plan.scores) == {'scorer'}
    assert set(planner.loss(scene, make_samples(*make_truth()))) == NAMES
    with pytest.raises(ValueError, match='scorer reads occ_queries, but'):
        make_planner(
            tmp_path,
            scorer=dict(type='SceneScorer'),
            condition=dict(type='ConditionMemory', occ=False),
        )(make_scene(occ_queries=None))


@pytest.mark.parametrize('kind', ['ReasoningScorer', 'AnchorTokenScorer'])
def test_the_scorer_can_read_the_ego_status(tmp_path, kind):
    def scene(ego):
        tokens = make_scene().reasoning_token[:, None].repeat(1, 6, 1)
        return make_scene(anchor_tokens=tokens, ego_status=ego)

    ego = make_scene().ego_status
    for with_ego in (False, True):
        planner = make_planner(
            tmp_path, scorer=dict(type=kind, with_ego=with_ego)
        )
        plans = [planner(scene(ego + i)) for i in (0, 1)]
        assert torch.equal(plans[0].scores, plans[1].scores) != with_ego
        assert touched(planner, plans[0].scores) == {'scorer'}
    with pytest.raises(ValueError, match=r'with_ego reads ego_status, but'):
        make_planner(
            tmp_path,
            scorer=dict(type=kind, with_ego=True),
            condition=dict(type='ConditionMemory', ego=False),
        )(scene(None))


@pytest.mark.parametrize(
    'kind, field, expected',
    [
        ('ReasoningScorer', 'reasoning_token', r'\(3, 10\)'),
        ('AnchorTokenScorer', 'anchor_tokens', r'\(3, 6, 10\)'),
        ('AnswerLogitScorer', 'answer_logits', r'\(3, 6\)'),
    ],
)
def test_wrong_features_are_named(tmp_path, kind, field, expected):
    planner = make_planner(tmp_path, scorer=dict(type=kind))
    with pytest.raises(ValueError, match=f'got {field}.*takes {expected}'):
        planner(make_scene(**{field: torch.zeros(3, 4)}))
    with pytest.raises(ValueError, match=f'reads {field}, but the model gave'):
        planner(make_scene(**{field: None}))


def test_the_command_masks_anchors(tmp_path):
    condition = dict(type='ConditionMemory', command='gt3s')
    planner = make_planner(
        tmp_path, mode='per_command', mask_by_command=True, condition=condition
    )
    command = torch.tensor([0, 1, 2])
    plan = planner(make_scene(), command=command)
    assert torch.equal(planner.bank.commands[plan.chosen], command)
    with pytest.raises(ValueError, match='command is None, expected an index'):
        planner(make_scene())
    with pytest.raises(ValueError, match="mode='per_command'"):
        make_planner(tmp_path, mask_by_command=True, condition=condition)
    with pytest.raises(ValueError, match=r"command is 'none'.*'gt3s'"):
        make_planner(tmp_path, mode='per_command', mask_by_command=True)


def test_a_future_that_ends_early_gives_a_command_still(tmp_path):
    planner = make_planner(
        tmp_path, condition=dict(type='ConditionMemory', command='gt3s')
    )
    future = torch.zeros(3, 6, 2)
    mask = torch.ones(3, 6, dtype=torch.bool)
    mask[0, 4:] = False  # 2.5 m to the left by then
    future[0, :4, 1] = 2.5
    future[1, :, 1] = -9.0
    mask[2] = False
    command = planner._command(make_samples(future, mask))
    assert command.tolist() == [0, 2, 1]


def test_a_copy_with_spatial_bias_computes_in_its_own_units(tmp_path):
    planner = make_planner(tmp_path, head=denoising(spatial_bias=True))
    twin = copy.deepcopy(planner).double()
    plan = twin(make_scene(dtype=torch.float64)).trajectory
    torch.testing.assert_close(
        plan.float(), planner(make_scene()).trajectory, atol=1e-4, rtol=0
    )


def test_a_checkpoint_is_complete_without_the_anchor_file(tmp_path):
    planner = make_planner(tmp_path)
    other = make_planner(tmp_path, anchors=dict(file=None))
    with pytest.raises(AnchorError, match='no anchors'):
        other(make_scene())
    other.load_state_dict(planner.state_dict())
    torch.testing.assert_close(
        other(make_scene()).trajectory, planner(make_scene()).trajectory
    )


# --- Diagnosis -----------------------------------------------------------


def test_diagnosis_tells_scoring_from_denoising(tmp_path):
    planner = make_planner(tmp_path)
    future, mask = make_truth()
    rows = planner.diagnose(make_scene(), make_samples(future, mask))
    plan = planner(make_scene())
    assert torch.equal(rows['plan'], plan.trajectory)
    anchors = torch.from_numpy(ANCHORS).float()
    torch.testing.assert_close(rows['zero_step'], anchors[plan.chosen])
    # Nearest: 9 m/s straight on, and the turns to the left and right.
    torch.testing.assert_close(
        rows['anchor_oracle_zero_step'], anchors[[2, 3, 4]]
    )
    everything = make_planner(tmp_path, denoise='all')(make_scene())
    index = everything.candidate_index
    for i, nearest in enumerate((2, 3, 4)):
        place = index[i].tolist().index(nearest)
        torch.testing.assert_close(
            rows['anchor_oracle'][i], everything.candidates[i, place]
        )
        # The random winner is one of them.
        apart = everything.candidates[i] - rows['random_winner'][i]
        assert apart.abs().amax(dim=(1, 2)).min() < 1e-5


def test_the_random_winner_depends_on_seed_and_frame(tmp_path):
    planner = make_planner(tmp_path)
    truth = make_truth()

    def winners(keys, seed):
        samples = make_samples(*truth, tokens=keys)
        rows = planner.diagnose(make_scene(), samples, seed)
        return rows['random_winner']

    keys = ['x', 'y', 'z']
    first = winners(keys, 0)
    torch.manual_seed(9)
    assert torch.equal(winners(keys, 0), first)
    assert not torch.equal(winners(keys, 1), first)
    other = winners(['x', 'y', 'w'], 0)
    assert torch.equal(other[:2], first[:2])


@pytest.mark.parametrize('coupling', COUPLED)
def test_diagnosis_of_coupled_planners(tmp_path, coupling):
    planner = make_planner(tmp_path, denoise='all', train_on='all', **coupling)
    rows = planner.diagnose(make_scene(), make_samples(*make_truth()))
    everything = planner(make_scene())
    place = everything.candidate_index[0].tolist().index(2)
    torch.testing.assert_close(
        rows['anchor_oracle'][0], everything.candidates[0, place]
    )


# --- Building ------------------------------------------------------------


@pytest.mark.parametrize(
    'options, message',
    [
        (
            dict(scorer=dict(type='SceneScorer', source='text')),
            "scorer.source is 'text'",
        ),
        (dict(ego_scales=[1.0]), 'expected 7 positive numbers'),
        (dict(denoise='best'), "denoise is 'best'"),
        (dict(train_on='winner'), "train_on is 'winner'"),
        (dict(loss_space='feet'), "loss_space is 'feet'"),
        (dict(top_k=7), r'top_k 7, expected 1 or more, and 1 .. 6'),
        (dict(noise_draws=0), 'noise_draws is 0'),
        (
            dict(
                head=HEADS['mlp'],
                scorer=dict(type='DenoisedScorer'),
                denoise='all',
                train_on='all',
            ),
            'ignores the anchors',
        ),
        (
            dict(head=denoising(spatial_bias=True, fusion='mean')),
            'spatial_bias',
        ),
        (
            dict(
                head=denoising(spatial_bias=True),
                condition=dict(type='ConditionMemory', occ=False),
            ),
            'spatial_bias',
        ),
    ],
)
def test_impossible_planners_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        make_planner(tmp_path, **options)
