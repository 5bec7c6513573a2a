import dataclasses
import os

import numpy as np
import pytest

from mmocc.synthetic import writer
from mmocc.synthetic.presets import PRESETS
from mmocc.synthetic.writer import OutputFolderError, create_dataset

SEED = 5


class Killed(RuntimeError):
    pass


def files_below(root):
    return {
        path.relative_to(root): path.read_bytes()
        for path in root.rglob('*')
        if path.is_file()
    }


def test_a_killed_run_leaves_no_data_root_and_resumes(
    tiny_preset, unlabelled, tmp_path
):
    whole, broken = tmp_path / 'whole', tmp_path / 'broken'
    create_dataset(tiny_preset, whole, SEED, 2, unlabelled, lambda count: None)
    frames = []

    def die(count):
        frames.append(count)
        if sum(frames) > tiny_preset.frames:
            raise Killed

    with pytest.raises(Killed):
        create_dataset(tiny_preset, broken, SEED, 1, unlabelled, die)
    assert not broken.exists()
    again = []
    create_dataset(tiny_preset, broken, SEED, 1, unlabelled, again.append)
    assert sum(again) == 2 * tiny_preset.frames
    assert tiny_preset.frames in again  # a finished scene is not made again
    assert files_below(broken) == files_below(whole)
    assert sorted(p.name for p in tmp_path.iterdir()) == ['broken', 'whole']


def test_other_settings_do_not_resume(tiny_preset, unlabelled, tmp_path):
    target = tmp_path / 'set'

    def die(count):
        raise Killed

    with pytest.raises(Killed):
        create_dataset(tiny_preset, target, SEED, 1, unlabelled, die)
    left = tmp_path / 'set.partial'
    old = (left / 'settings.json').read_text()
    with pytest.raises(Killed):
        create_dataset(tiny_preset, target, SEED + 1, 1, unlabelled, die)
    assert (left / 'settings.json').read_text() != old


def refuse(preset, target, reason):
    def label(root):
        raise AssertionError('no data may be made')

    with pytest.raises(OutputFolderError, match=reason):
        create_dataset(preset, target, 0, 1, label, print)


def test_folders_of_others_are_left_alone(tiny_preset, tmp_path):
    stranger = tmp_path / 'set.partial'
    stranger.mkdir()
    (stranger / 'note.txt').write_text('mine')
    refuse(tiny_preset, tmp_path / 'set', 'not made by this tool')
    assert (stranger / 'note.txt').read_text() == 'mine'
    file = tmp_path / 'file'
    file.write_text('x')
    refuse(tiny_preset, file, 'is a file')
    refuse(tiny_preset, tmp_path, 'not empty')
    # A place where nothing can be written, even by a privileged user.
    refuse(tiny_preset, file / 'below', 'give an output folder in a writable')


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'train': ()}, '0 train scenes'),
        ({'val': ()}, '0 val scenes'),
        ({'frames': 0}, '0 key frames'),
        ({'lidar_sweeps': -1}, 'lidar_sweeps is -1'),
    ],
)
def test_a_preset_of_nothing_is_refused(tiny_preset, change, reason):
    with pytest.raises(ValueError, match=reason):
        dataclasses.replace(tiny_preset, **change)


def test_a_worker_leaves_when_its_parent_is_gone(monkeypatch):
    left = []

    def leave(code):
        left.append(code)

    monkeypatch.setattr(os, '_exit', leave)
    writer._leave_with(os.getppid() + 1)
    assert left == [1]


@pytest.mark.parametrize('name', sorted(PRESETS))
def test_scene_names_are_those_of_the_mini_split(name):
    from nuscenes.utils.splits import mini_train, mini_val

    preset = PRESETS[name]
    assert {scene for scene, _ in preset.train} <= set(mini_train)
    assert {scene for scene, _ in preset.val} <= set(mini_val)
    assert np.gcd(*preset.image_size) >= 5
