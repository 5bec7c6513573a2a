"""Anchors fitted to an info file, and the files that are refused."""

import pickle

import numpy as np
import pytest
from mmocc_testing import make_occ_info, wrap_infos

from mmocc.infos import InfoFileError
from mmocc.models.planners.anchor_set import AnchorError, AnchorSet

TRAIN_SCENES = ('scene-0061', 'scene-0553')  # of nuScenes mini
VAL_SCENE = 'scene-0103'
SECONDS = 0.5 * np.arange(1, 7)


@pytest.fixture(scope='module')
def tool(load_tool):
    return load_tool('fit_anchors.py')


def drive(speed, lateral=0.0):
    """Straight on at m/s, drifting sideways to metres after 3 s."""
    return np.stack([speed * SECONDS, lateral * SECONDS / 3], axis=-1)


def make_infos(scenes=TRAIN_SCENES, speeds=range(12)):
    """Frames whose futures are complete but for the last of each scene."""
    infos = []
    for name in scenes:
        for frame, speed in enumerate(speeds):
            info = make_occ_info(0, frame, len(speeds))
            info.update(
                scene_name=name, scene_token=name, token=f'{name}-{frame}'
            )
            lateral = (-8.0, 0.0, 8.0)[frame % 3]
            info['ego']['fut_poses'][:, :2] = drive(speed, lateral)
            info['ego']['fut_mask'] = np.ones(6, dtype=bool)
            infos.append(info)
        infos[-1]['ego']['fut_mask'][3:] = False
        infos[-1]['ego']['fut_poses'][3:] = 1e6
    return infos


@pytest.fixture
def write(tmp_path):
    def write(infos, name='nuscenes_infos_occ_train.pkl'):
        path = tmp_path / name
        path.write_bytes(pickle.dumps(wrap_infos(infos)))
        return path

    return write


def test_incomplete_futures_are_left_out(tool):
    infos = make_infos()
    futures = tool.complete_futures(infos)
    assert futures.shape == (len(infos) - len(TRAIN_SCENES), 6, 2)
    assert futures.max() < 100


def test_broken_futures_are_named(tool):
    infos = make_infos()
    infos[4]['ego']['fut_poses'][2, 1] = np.nan
    with pytest.raises(AnchorError, match=r'scene-0061-4: .*NaN'):
        tool.complete_futures(infos)
    infos = make_infos()
    infos[2]['ego'].update(fut_poses=np.zeros((4, 3)), fut_mask=[True] * 4)
    with pytest.raises(AnchorError, match=r'scene-0061-2: .*has 4 steps'):
        tool.complete_futures(infos)
    del infos[0]['ego']
    with pytest.raises(InfoFileError, match=r'scene-0061-0: .*no key .ego'):
        tool.complete_futures(infos)
    with pytest.raises(AnchorError, match='no frame has a complete future'):
        tool.complete_futures([])


@pytest.mark.parametrize(
    'scenes, version, name, given, expected',
    [
        # A val scene of the whole set trains in the mini set.
        ({'scene-0553'}, 'v1.0-mini', 'x.pkl', None, 'train'),
        ({'scene-0553'}, 'v1.0-trainval', 'x.pkl', None, 'val'),
        ({'scene-0103'}, 'v1.0-mini', 'infos_train.pkl', None, 'val'),
        ({'scene-0061', 'scene-0103'}, 'v1.0-mini', 'x', None, 'train+val'),
        ({'mine-1'}, '', 'infos_val.pkl', None, 'val'),
        ({'mine-1'}, '', 'infos_train.pkl', None, 'train'),
        ({'mine-1'}, '', 'infos.pkl', 'train', 'train'),
    ],
)
def test_scenes_tell_the_split(
    tool, tmp_path, scenes, version, name, given, expected
):
    assert tool.split_of(scenes, version, tmp_path / name, given) == expected


def test_a_split_that_nobody_knows_is_asked_for(tool, tmp_path):
    with pytest.raises(AnchorError, match='with --split'):
        tool.split_of({'mine-1'}, '', tmp_path / 'infos.pkl')
    with pytest.raises(AnchorError, match="says 'train', but"):
        tool.split_of({VAL_SCENE}, 'v1.0-mini', tmp_path / 'x.pkl', 'train')


@pytest.mark.parametrize('suffix', ['npz', 'json'])
def test_the_command_writes_a_file(tool, tmp_path, write, capsys, suffix):
    out = tmp_path / 'out' / f'anchors.{suffix}'
    tool.main([str(write(make_infos())), '--out', str(out), '-k', '6'])
    anchors = AnchorSet.load(out)
    assert anchors.split == 'train' and anchors.num_trajectories == 22
    assert anchors.anchors.shape == (6, 6, 2)
    said = capsys.readouterr().out
    for fact in (
        '6 anchors (global)',
        'train, 2 scenes',
        '22 complete of 24 frames',
        f'{anchors.oracle_ade:.3f} m mean',
        anchors.hash,
    ):
        assert fact in said
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_a_val_file_is_refused_whatever_its_name(tool, tmp_path, write):
    path = write(make_infos(scenes=(VAL_SCENE,)))
    arguments = [str(path), '--out', str(tmp_path / 'a.npz'), '-k', '3']
    with pytest.raises(SystemExit, match=r"of the split 'val'.*--allow-val"):
        tool.main(arguments)
    assert not (tmp_path / 'a.npz').exists()
    tool.main([*arguments, '--allow-val'])
    assert AnchorSet.load(tmp_path / 'a.npz').split == 'val'


def test_errors_are_one_line(tool, tmp_path, write):
    out = ['--out', str(tmp_path / 'a.npz')]
    with pytest.raises(SystemExit, match=r'error: .*cannot be read'):
        tool.main([str(tmp_path / 'none.pkl'), *out])
    with pytest.raises(SystemExit, match=r'error: 99 anchors'):
        tool.main([str(write(make_infos())), *out, '-k', '99'])
    with pytest.raises(SystemExit, match=r'expected .npz or .json'):
        tool.main(
            [str(write(make_infos())), '--out', str(tmp_path / 'a'), '-k', '3']
        )
