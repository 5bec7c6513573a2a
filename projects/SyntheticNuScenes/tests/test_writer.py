import dataclasses

import numpy as np
import pytest

from mmocc.projects.SyntheticNuScenes.synthetic import writer
from mmocc.projects.SyntheticNuScenes.synthetic.presets import PRESETS
from mmocc.projects.SyntheticNuScenes.synthetic.scenarios import SCENARIOS
from mmocc.projects.SyntheticNuScenes.synthetic.world import EXTENT
from mmocc.projects.SyntheticNuScenes.synthetic.writer import (
    OutputFolderError,
    create_dataset,
)

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


@pytest.mark.parametrize('name', sorted(PRESETS))
def test_scene_names_are_those_of_the_versions_splits(name):
    from nuscenes.utils import splits

    preset = PRESETS[name]
    prefix = {'v1.0-mini': 'mini_', 'v1.0-trainval': ''}[preset.version]
    for split in ('train', 'val'):
        names = [scene for scene, _ in getattr(preset, split)]
        assert len(set(names)) == len(names)
        assert set(names) <= set(getattr(splits, prefix + split))
    assert np.gcd(*preset.image_size) >= 5


def test_full_has_every_script_in_both_splits():
    for scenes in (PRESETS['full'].train, PRESETS['full'].val):
        assert {scenario for _, scenario in scenes} == set(SCENARIOS)


def test_regions_lie_apart_and_on_the_map_of_the_location():
    corners = [
        writer.scene_origin(i) for i in range(len(PRESETS['full'].scenes))
    ]
    assert len(set(corners)) == len(corners)
    # Metres of nuScenes' map of Boston's seaport.
    assert max(x for x, _ in corners) + EXTENT < 2979.5
    assert max(y for _, y in corners) + EXTENT < 2118.1
