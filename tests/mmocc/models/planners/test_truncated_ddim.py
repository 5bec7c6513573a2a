"""The schedule equals diffusers', and the walk ends where it should."""

import math

import pytest
import torch
from planner_examples import make_sizes

from mmocc.models.planners.truncated_ddim import TruncatedDDIM, alpha_table


def make(**options):
    return TruncatedDDIM(make_sizes(num_anchors=4), **options)


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator)


def test_noise_level_at_the_start():
    # The start is 3 % noise: sqrt(1 - alpha) at t = 8.
    spread = (1 - alpha_table()).sqrt()
    assert spread[8] == pytest.approx(0.0316, abs=1e-4)
    assert alpha_table()[50] == pytest.approx(0.991, abs=5e-4)


@pytest.mark.parametrize('timesteps', [(8, 4), (49, 25, 0), (40,), (8, 5, 2)])
def test_the_walk_equals_diffusers(timesteps):
    diffusers = pytest.importorskip(
        'diffusers', reason='compares with DDIMScheduler of diffusers'
    )
    scheduler = diffusers.DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=1e-4,
        beta_end=0.02,
        beta_schedule='scaled_linear',
        prediction_type='sample',
        clip_sample=False,
    )
    ddim = make(timesteps=timesteps)
    anchors, noise = normal(2, 4, 6, 2), normal(2, 4, 6, 2, seed=1)
    seen = []

    def denoise(x, t):
        seen.append((x, t))
        return 0.7 * x.tanh() + 0.01 * t[..., None, None]

    result = ddim.sample(anchors, noise, denoise)

    x = scheduler.add_noise(anchors, noise, torch.tensor([timesteps[0]] * 2))
    for i, t in enumerate(timesteps):
        torch.testing.assert_close(seen[i][0], x, atol=1e-6, rtol=0)
        assert (seen[i][1] == t).all()
        clean = denoise(x, torch.full((2, 4), t))
        # diffusers steps by 1000 // inference steps; ours are free.
        following = timesteps[i + 1] if i + 1 < len(timesteps) else -1
        scheduler.set_timesteps(1000 // (t - following))
        assert 1000 // scheduler.num_inference_steps == t - following
        x = scheduler.step(clean, t, x).prev_sample
    torch.testing.assert_close(result, x, atol=1e-6, rtol=0)


def test_compat_moves_as_little_as_diffusiondrive():
    ddim = make(
        timesteps=(10, 0), noise_timestep=8, schedule='diffusiondrive_compat'
    )
    seen = []
    zeros = torch.zeros(1, 4, 6, 2)

    def denoise(x, t):
        seen.append(x)
        return torch.ones_like(x)

    ddim.sample(zeros, zeros, denoise)
    # 5.25 % of the way from the anchor (0) to the prediction (1).
    assert seen[1].unique().item() == pytest.approx(0.0525, abs=2e-4)
    consistent = make(timesteps=(8, 4))
    pulled = consistent.step(zeros, zeros + 1, 8, 4)
    assert pulled.unique().item() == pytest.approx(0.27, abs=0.01)


@pytest.mark.parametrize('timesteps', [(8, 4), (49, 30, 20, 10, 0)])
def test_an_oracle_recovers_the_target(timesteps):
    ddim = make(timesteps=timesteps)
    target, seen = normal(2, 4, 6, 2), []

    def oracle(x, t):
        seen.append((x - target).abs().mean().item())
        return target

    anchors = target + 1.0
    result = ddim.sample(anchors, normal(2, 4, 6, 2, seed=1), oracle)
    assert torch.equal(result, target)
    # Each update comes nearer.
    assert seen == sorted(seen, reverse=True)


def test_the_clean_end_of_a_step_is_the_prediction():
    x, clean = normal(1, 4, 6, 2), normal(1, 4, 6, 2, seed=1)
    assert torch.equal(make().step(x, clean, 4, -1), clean)


def test_a_noisy_state_is_consistent_along_the_walk():
    # Pure DDIM: the noise in x stays the same while its share falls.
    ddim = make()
    clean, noise = normal(1, 4, 6, 2), normal(1, 4, 6, 2, seed=1)
    at = [ddim.add_noise(clean, noise, torch.tensor([[t]])) for t in (40, 10)]
    torch.testing.assert_close(ddim.step(at[0], clean, 40, 10), at[1])


def test_fixed_and_zero_noise_are_deterministic():
    torch.manual_seed(5)
    first = make(noise='fixed').draw(3, None)
    torch.manual_seed(6)
    assert torch.equal(make(noise='fixed').draw(3, None), first)
    assert torch.equal(first[0], first[2])  # the same for all frames
    assert not torch.equal(first[:, 0], first[:, 1])  # not for all anchors
    other = make(noise='fixed', seed=1).draw(3, None)
    assert not torch.equal(other, first)
    assert make(noise='zero').draw(2, None).abs().max() == 0


def test_random_noise_depends_on_seed_and_frame_only():
    torch.manual_seed(5)
    ddim = make(noise='random', seed=7)
    both = ddim.draw(2, ['a', 'b'])
    torch.manual_seed(6)
    again = make(noise='random', seed=7)
    again.draw(1, ['c'])  # what came before does not matter
    assert torch.equal(again.draw(1, ['b']), both[1:])
    assert not torch.equal(both[0], both[1])
    other = make(noise='random', seed=8).draw(2, ['a', 'b'])
    assert not torch.equal(other, both)
    assert both.std().item() == pytest.approx(1, abs=0.25)


def test_random_noise_asks_for_names():
    for keys in (None, ['a']):
        with pytest.raises(ValueError, match='pass frame_keys'):
            make(noise='random').draw(2, keys)


def test_sums_of_squares_stay_one():
    ddim = make()
    total = ddim.signal.double() ** 2 + ddim.spread.double() ** 2
    assert (total - 1).abs().max() < 1e-6
    assert math.isclose(
        ddim.signal[0].item(), math.sqrt(1 - 1e-4), abs_tol=1e-7
    )


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(timesteps=(4, 8)), 'falling'),
        (dict(timesteps=(8, 8)), 'falling'),
        (dict(timesteps=()), 'falling'),
        (dict(timesteps=(60, 4)), 'timestep 60, but training draws 0 .. 49'),
        (dict(noise_timestep=-1), 'timestep -1'),
        (dict(train_timesteps=1001), '1 .. 1000'),
        (dict(noise='none'), "noise is 'none'"),
        (dict(schedule='ddpm'), "schedule is 'ddpm'"),
    ],
)
def test_impossible_schedules_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)
