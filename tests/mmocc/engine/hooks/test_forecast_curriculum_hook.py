"""Steps of a forecast by epoch, also after a break."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.model.wrappers import MMDistributedDataParallel
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import Dataset

from mmocc.engine.hooks.forecast_curriculum_hook import ForecastCurriculumHook
from mmocc.registry import HOOKS

SCHEDULE = [(0, 1), (2, 3), (3, 6)]
BY_EPOCH = [1, 1, 3, 6, 6]


class Forecaster(nn.Module):
    num_steps = 6
    horizon = 6


class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.forecaster = Forecaster()
        self.weight = nn.Parameter(torch.zeros(()))
        self.seen = []

    def forward(self, inputs, mode):
        self.seen.append(self.forecaster.horizon)
        return dict(loss=self.weight * inputs[0].mean())


class Numbers(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return dict(inputs=torch.tensor(float(index)))


def train(work_dir, name, epochs, resume=False, **options):
    hook = dict(type='ForecastCurriculumHook', schedule=SCHEDULE, **options)
    runner = Runner(
        model=Model(),
        work_dir=str(work_dir),
        experiment_name=name,
        default_scope='mmocc',
        train_dataloader=dict(
            dataset=Numbers(),
            batch_size=1,
            sampler=dict(type='DefaultSampler', shuffle=False),
            collate_fn=dict(type='pseudo_collate'),
        ),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
        default_hooks=dict(
            checkpoint=dict(type='SafeCheckpointHook', interval=1)
        ),
        custom_hooks=[hook],
        resume=resume,
    )
    runner.train()
    return runner.model.seen[::2]


def test_steps_follow_the_schedule(tmp_path):
    assert train(tmp_path, 'straight', len(BY_EPOCH)) == BY_EPOCH


@pytest.mark.parametrize('done', [1, 3])
def test_a_resumed_run_goes_on_where_it_was(tmp_path, done):
    assert train(tmp_path, f'first{done}', done) == BY_EPOCH[:done]
    rest = train(tmp_path, f'rest{done}', len(BY_EPOCH), resume=True)
    assert rest == BY_EPOCH[done:]


def test_a_model_without_forecaster_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"'heads\.future', which Model"):
        train(tmp_path, 'other', 1, module='heads.future')


def fake_runner(loop=EpochBasedTrainLoop, model=None, epoch=0):
    return SimpleNamespace(
        train_loop=loop.__new__(loop),
        model=model or Model(),
        epoch=epoch,
        logger=SimpleNamespace(info=lambda text: None),
    )


def test_the_model_may_be_wrapped():
    wrapper = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    nn.Module.__init__(wrapper)
    wrapper.module = Model()
    runner = fake_runner(model=wrapper, epoch=2)
    hook = ForecastCurriculumHook(SCHEDULE)
    hook.before_train(runner)
    hook.before_train_epoch(runner)
    assert wrapper.module.forecaster.horizon == 3


@pytest.mark.parametrize(
    'schedule', [[], [(1, 2)], [(0, 1), (3, 2), (2, 3)], [(0, 1), (0, 2)]]
)
def test_a_schedule_starts_at_zero_and_ascends(schedule):
    with pytest.raises(ValueError, match='start at 0 and ascend'):
        ForecastCurriculumHook(schedule)


@pytest.mark.parametrize('steps', [0, 7])
def test_steps_that_a_forecast_does_not_have(steps):
    hook = ForecastCurriculumHook([(0, 1), (4, steps)])
    with pytest.raises(
        ValueError, match=f'wants {steps} steps from epoch 4 on'
    ):
        hook.before_train(fake_runner())


def test_a_loop_that_counts_iterations_is_refused():
    class OtherLoop:
        pass

    with pytest.raises(ValueError, match='builds a OtherLoop'):
        ForecastCurriculumHook(SCHEDULE).before_train(fake_runner(OtherLoop))


def test_is_registered():
    assert HOOKS.get('ForecastCurriculumHook') is ForecastCurriculumHook
