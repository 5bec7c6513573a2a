"""Training curves from mmengine's log."""

import json

import numpy as np
import pytest

from mmocc.projects.RunReports.run_reports.loss_curves import (
    loss_curves,
    read_scalars,
    smooth,
)


@pytest.fixture
def log(tmp_path):
    lines = [
        {'lr': 0.1, 'loss': 2.0, 'loss_occ': 1.5, 'step': 10, 'epoch': 1},
        {'lr': 0.1, 'loss': 1.0, 'loss_occ': 0.5, 'step': 20, 'epoch': 1},
        {'occ/mIoU': 12.5, 'data_time': 0.1, 'step': 1},
        {'lr': 0.1, 'loss': 0.5, 'loss_occ': 0.2, 'step': 30, 'epoch': 2},
    ]
    path = tmp_path / 'scalars.json'
    path.write_text('\n'.join(json.dumps(line) for line in lines) + '\n')
    return path


def test_losses_and_validation_share_iterations(log):
    losses, figures = read_scalars(log)
    assert losses == {
        'loss': ([10.0, 20.0, 30.0], [2.0, 1.0, 0.5]),
        'loss_occ': ([10.0, 20.0, 30.0], [1.5, 0.5, 0.2]),
    }
    assert figures == {'occ/mIoU': ([20.0], [12.5])}


def test_smoothing_is_a_weighted_mean_of_the_past():
    assert smooth([3.0, 3.0, 3.0]) == pytest.approx([3.0] * 3)
    # Weights 0.09 and 0.1 of the two values.
    assert smooth([1.0, 0.0])[1] == pytest.approx(0.09 / 0.19)


def test_picture_has_its_size_and_lines(log):
    picture = loss_curves(log, ('occ/mIoU',), 800, 300)
    assert picture.shape == (300, 800, 3)
    assert picture.dtype == np.uint8
    assert (picture[:, :400] < 100).all(axis=2).any()
    assert loss_curves(log).shape == (400, 1000, 3)


def test_unknown_figure_lists_what_there_is(log):
    with pytest.raises(ValueError, match=r"\['qa/overall'\].*\['occ/mIoU'\]"):
        loss_curves(log, ('qa/overall',))


@pytest.mark.parametrize(
    ('text', 'says'), [('{}\n', 'no "loss"'), ('{"loss": 1\n', 'line 1')]
)
def test_other_files_are_refused(text, says, tmp_path):
    path = tmp_path / 'scalars.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=says):
        read_scalars(path)
