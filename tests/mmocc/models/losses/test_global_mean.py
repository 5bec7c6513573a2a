"""Means over processes, of which some may have nothing that counts."""

import pytest
import torch

from mmocc.models.losses import global_mean as module
from mmocc.models.losses.global_mean import global_mean
from mmocc.models.planners import AnchorBCELoss


def as_processes(monkeypatch, counts):
    """Let ``reduce_mean`` answer as among processes with these counts."""
    mean = torch.tensor(counts, dtype=torch.float32).mean()
    monkeypatch.setattr(module, 'reduce_mean', lambda count: mean)


@pytest.mark.parametrize('counts', [[3, 1], [1, 0], [1, 0, 0, 0], [0, 0]])
def test_the_average_process_has_the_mean_of_all(monkeypatch, counts):
    """Also where less than one thing a process counts."""
    as_processes(monkeypatch, counts)
    values = [torch.arange(1.0, n + 1, requires_grad=True) for n in counts]
    losses = [global_mean(v.sum(), torch.tensor(len(v))) for v in values]
    everything = torch.cat(values)
    expected = everything.mean() if len(everything) else torch.tensor(0.0)
    torch.testing.assert_close(torch.stack(losses).mean(), expected)


def test_scores_of_one_frame_a_process(monkeypatch):
    """Batch size 1, and the scene of the other process ends here."""
    loss = AnchorBCELoss()
    logits = torch.tensor([[1.0, -1.0], [0.5, 2.0]])
    args = torch.tensor([0, 1]), torch.zeros(2, 2), torch.tensor([True, False])
    together = loss(logits, *args)
    as_processes(monkeypatch, [1, 0])
    alone = [
        loss(logits[i : i + 1], *(a[i : i + 1] for a in args))
        for i in range(2)
    ]
    torch.testing.assert_close(sum(alone) / 2, together)
