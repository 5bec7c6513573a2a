import torch
from mmengine.dataset import ConcatDataset
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from mmocc.datasets import EpochSampler, NuScenesOccDataset
from mmocc.datasets.transforms.frame_rng import frame_rng

TRAIN, VAL = 'nuscenes_infos_occ_train.pkl', 'nuscenes_infos_occ_val.pkl'


def draw(results):
    """The whole pipeline: a number that belongs to frame and epoch."""
    number = int(frame_rng(results, 'test').integers(1 << 40))
    return results['token'], number


def epochs(root, count, num_workers, first=0, seed=7):
    """What a run draws in each epoch, ``{token: number}``."""
    dataset = NuScenesOccDataset(TRAIN, str(root), [draw])
    sampler = EpochSampler(dataset, seed=seed)
    loader = DataLoader(
        dataset,
        sampler=sampler,
        num_workers=num_workers,
        persistent_workers=num_workers > 0,
        collate_fn=list,
    )
    drawn = []
    for epoch in range(first, count):
        sampler.set_epoch(epoch)
        drawn.append(dict(item for batch in loader for item in batch))
    return drawn


def test_draws_follow_the_epoch_in_any_number_of_processes(tiny_root):
    alone = epochs(tiny_root, 3, num_workers=0)
    assert alone == epochs(tiny_root, 3, num_workers=2)
    for token in alone[0]:
        assert len({epoch[token] for epoch in alone}) == 3


def test_a_resumed_run_draws_what_it_would_have_drawn(tiny_root):
    assert epochs(tiny_root, 3, num_workers=0)[2:] == epochs(
        tiny_root, 3, num_workers=0, first=2
    )


def test_draws_follow_the_seed(tiny_root):
    (one,), (other,) = (
        epochs(tiny_root, 1, num_workers=0, seed=seed) for seed in (1, 2)
    )
    assert all(one[token] != other[token] for token in one)


def test_wrapped_data_sets_hear_of_the_epoch(tiny_root):
    parts = [
        NuScenesOccDataset(name, str(tiny_root), [draw])
        for name in (TRAIN, VAL)
    ]
    sampler = EpochSampler(ConcatDataset(parts), seed=3)
    sampler.set_epoch(5)
    iter(sampler)
    for part in parts:
        assert part._draw.tolist() == [3, 5]


class Diary(BaseModel):
    """Writes down what it is fed."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.pages = []

    def forward(self, items, mode):
        self.pages += items
        return {'loss': self.weight.square()}


def test_the_runner_announces_epochs(tiny_root, tmp_path):
    model = Diary()
    loader = {
        'num_workers': 1,
        'persistent_workers': True,
        'batch_size': 1,
        'sampler': {'type': 'EpochSampler'},
        'dataset': NuScenesOccDataset(TRAIN, str(tiny_root), [draw]),
        'collate_fn': lambda batch: {'items': batch},
    }
    runner = Runner(
        model,
        work_dir=str(tmp_path),
        train_dataloader=loader,
        train_cfg={'by_epoch': True, 'max_epochs': 2},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1}},
        default_hooks={'logger': None, 'checkpoint': None},
        randomness={'seed': 7},
        default_scope='mmocc',
        log_level='ERROR',
    )
    runner.train()
    pages = [dict(model.pages[:3]), dict(model.pages[3:])]
    assert pages == epochs(tiny_root, 2, num_workers=0, seed=7)
