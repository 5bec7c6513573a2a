"""``tools/infer.py``: one frame in; JSON, occupancy and pictures out."""

import json
import math
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmocc_testing import write_tiny_dataset

from mmocc.apis import frame_export
from mmocc.infos import load_info_file
from mmocc.registry import MODELS
from mmocc.structures import DIRECTIONS, SPEEDS
from mmocc.utils.config import load_config

FILES = {
    'prediction.json', 'occupancy.npz', 'cameras.png', 'camera_voxels.png',
    'occupancy.png', 'plan.png', 'panel.png',
}  # fmt: skip
# In the middle of cameras.png, rows and columns.
TILES = {'front': np.s_[:280, 501:998], 'back': np.s_[284:564, 501:998]}
QUESTION = 'Are there any pedestrians?'


@pytest.fixture(scope='module')
def tool(load_tool):
    return load_tool('infer.py')


@pytest.fixture(scope='module')
def config(repository):
    return str(repository / 'tests/mmocc/apis/small_occvla.py')


@pytest.fixture(scope='module')
def weights(config, tmp_path_factory):
    init_default_scope('mmocc')
    torch.manual_seed(0)
    model = MODELS.build(load_config(config).model)
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save({'state_dict': model.state_dict()}, path)
    return str(path)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Frames whose front camera shows grey, so that paths can be seen."""
    root = write_tiny_dataset(
        tmp_path_factory.mktemp('data'), num_frames=2, image_size=(90, 160)
    )
    for path in root.glob('samples/CAM_*/*.jpg'):
        cv2.imwrite(str(path), np.full((90, 160, 3), 128, np.uint8))
    return root


@pytest.fixture(scope='module')
def infos(root):
    return root / 'nuscenes_infos_occ_val.pkl'


@pytest.fixture(scope='module')
def info(infos):
    return load_info_file(infos)['data_list'][1]


@pytest.fixture(scope='module')
def from_infos(tool, config, weights, root, infos, info, tmp_path_factory):
    """Results of a frame of an info file."""
    out = tmp_path_factory.mktemp('from_infos')
    tool.main(
        [config, weights, '--infos', str(infos), '--data-root', str(root),
         '--token', info['token'], '--out', str(out)]
    )  # fmt: skip
    return out


@pytest.fixture
def own_cameras(root, info, tmp_path):
    """The same frame as files of somebody's own cameras."""
    folder, calibration = tmp_path / 'images', {}
    folder.mkdir()
    for name, view in info['images'].items():
        shutil.copy(root / 'samples' / name / view['img_path'], folder)
        calibration[name] = {k: view[k] for k in ('cam2img', 'cam2ego')}
    ego = info['ego']
    state = {k: v for k, v in ego['status'].items() if math.isfinite(v)}
    state['his_poses'] = ego['his_poses'].tolist()
    state['his_mask'] = ego['his_mask'].tolist()
    state['past_actions'] = [
        f'{action["speed"]}; {action["direction"]}'
        for action in info['his_meta_actions']
    ]
    files = {'calibration': calibration, 'ego': state}
    arguments = ['--images', str(folder)]
    for name, content in files.items():
        path = tmp_path / f'{name}.json'
        path.write_text(json.dumps(content))
        arguments += [f'--{name}', str(path)]
    return arguments


@pytest.fixture(scope='module')
def sparse(repository, tmp_path_factory):
    """Config and weights of a SparseOccVLA that holds its anchors."""
    config = str(repository / 'tests/mmocc/apis/small_sparseoccvla.py')
    init_default_scope('mmocc')
    torch.manual_seed(0)
    model = MODELS.build(load_config(config).model)
    bank = model.planner.bank
    ahead = torch.linspace(1, 4, len(bank))[:, None] * torch.arange(1, 7)
    aside = torch.linspace(-1, 1, len(bank))[:, None] * torch.arange(1, 7)
    bank.anchors.copy_(torch.stack([ahead, aside], dim=-1))
    bank.normalizer.centre.copy_(torch.tensor([2.5, 0.0]))
    bank.normalizer.half_range.copy_(torch.tensor([2.5, 1.5]))
    path = tmp_path_factory.mktemp('weights') / 'sparse.pth'
    torch.save({'state_dict': model.state_dict()}, path)
    return [config, str(path)]


def read(out):
    return json.loads((out / 'prediction.json').read_text())


def test_writes_everything(from_infos, info, config, weights):
    assert {path.name for path in from_infos.iterdir()} == FILES
    result = read(from_infos)
    assert result['token'] == info['token']
    assert (result['config'], result['weights']) == (config, weights)
    assert result['ego_state_known'] is True
    assert np.isfinite(result['trajectory']).all()
    assert np.shape(result['trajectory']) == (6, 2)
    # The questions of the info file, behind that for the meta-action.
    assert result['questions'][1:] == [q['question'] for q in info['qa']]

    with np.load(from_infos / 'occupancy.npz') as arrays:
        semantics = arrays['semantics']
    assert semantics.shape == (200, 200, 16)
    assert semantics.dtype == np.uint8
    assert list(result['occupancy']['voxels'].values()) == (
        np.bincount(semantics.ravel(), minlength=18).tolist()
    )


def test_plan_is_painted_on_the_road_ahead(from_infos):
    """The car drives straight on at 6 m/s; red lies ahead, not behind."""
    picture = cv2.imread(str(from_infos / 'cameras.png')).astype(int)
    reddish = picture[..., 2] - picture[..., 1] > 60
    front, back = reddish[TILES['front']], reddish[TILES['back']]
    assert front.mean() > 0.01
    assert not back.any()


def test_own_cameras_give_what_the_info_file_gives(
    tool, config, weights, own_cameras, from_infos, root, info, tmp_path
):
    """With the label drawn beside it, down to the picture."""
    out = tmp_path / 'out'
    tool.main(
        [config, weights, *own_cameras, '--out', str(out),
         '--questions', *[item['question'] for item in info['qa']],
         '--occ-labels', str(root / info['occ_path'])]
    )  # fmt: skip
    expected, got = read(from_infos), read(out)
    assert got['token'] == 'own-cameras'
    for key in ('meta_action', 'answers', 'questions', 'occupancy'):
        assert got[key] == expected[key]
    np.testing.assert_allclose(
        got['trajectory'], expected['trajectory'], atol=2e-5
    )
    picture = (out / 'occupancy.png').read_bytes()
    assert picture == (from_infos / 'occupancy.png').read_bytes()


def test_truth_and_old_results_do_not_stay(
    tool, config, weights, root, infos, from_infos, tmp_path
):
    """A model of language alone, and a data root without labels."""
    out, bare = tmp_path / 'out', tmp_path / 'bare'
    shutil.copytree(from_infos, out)
    shutil.copytree(root / 'samples', bare / 'samples')
    tool.main(
        [config, weights, '--infos', str(infos), '--data-root', str(bare),
         '--questions', QUESTION, '--out', str(out),
         '--cfg-options', 'model.planner=None', 'model.occ_head=None']
    )  # fmt: skip
    assert {path.name for path in out.iterdir()} == {
        'prediction.json',
        'cameras.png',
        'panel.png',
    }
    result = read(out)
    assert result['trajectory'] is None and result['occupancy'] is None
    assert result['questions'][1:] == [QUESTION]


def test_full_disk_leaves_no_prediction(
    tool, config, weights, root, infos, tmp_path, monkeypatch
):
    def fail(picture, path):
        raise OSError(28, 'No space left on device', str(path))

    monkeypatch.setattr(frame_export, 'write_png', fail)
    monkeypatch.setattr(
        frame_export, 'frame_pictures', lambda _: {'cameras': None}
    )
    with pytest.raises(OSError, match=r'cameras\.png'):
        tool.main(
            [config, weights, '--infos', str(infos), '--data-root', str(root),
             '--out', str(tmp_path)]
        )  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} <= {'occupancy.npz'}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'--index': '7'}, 'no frame 7 among the 2 .*0 to 1'),
        ({'--token': 'abc'}, "none of the 2 frames .* token 'abc'"),
        ({'--infos': 'nothing.pkl'}, r'nothing\.pkl cannot be read'),
        ({'--data-root': 'nowhere'}, 'image of CAM_FRONT: no file at nowhere'),
        ({'--occ-labels': 'no.npz'}, r'no\.npz: there is no such file'),
        ({'--ego': 'no.json'}, r'no\.json: .*No such file'),
        ({'weights': 'no.pth'}, r'the checkpoint no\.pth does not exist'),
        ({'config': 'no.py'}, r'the config no\.py does not exist'),
    ],
)
def test_errors_are_one_line_and_leave_nothing(
    tool, config, weights, root, infos, tmp_path, change, message
):
    options = {'--infos': str(infos), '--data-root': str(root)}
    options['--out'] = str(tmp_path / 'out')
    positional = [
        change.pop('config', config),
        change.pop('weights', weights),
    ]
    options.update(change)
    arguments = [word for pair in options.items() for word in pair]
    with pytest.raises(SystemExit, match=f'^error: .*{message}') as error:
        tool.main([*positional, *arguments])
    assert '\n' not in str(error.value)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'arguments',
    [
        ['--images', 'x'],
        ['--infos', 'x', '--images', 'x'],
        ['--infos', 'x', '--calibration', 'x'],
        [],
    ],
)
def test_options_that_do_not_fit(tool, arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        tool.parse_args(['CONFIG', 'WEIGHTS', '--out', 'x', *arguments])
    assert exit_.value.code == 2
    assert '--images' in capsys.readouterr().err


def test_help_shows_both_json_files(tool, capsys):
    with pytest.raises(SystemExit) as exit_:
        tool.parse_args(['--help'])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert '"cam2ego": [[0, 0, 1, 1.70]' in text and '"his_poses"' in text


def test_real_frame(tool, config, weights, real_data, tmp_path):
    """A plain info file of mmdet3d, with its images beside it."""
    frame = real_data / 'frame'
    tool.main(
        [config, weights, '--infos', str(next(frame.glob('*.pkl'))),
         '--data-root', str(frame), '--questions', QUESTION,
         '--out', str(tmp_path)]
    )  # fmt: skip
    assert {path.name for path in tmp_path.iterdir()} == FILES
    result = read(tmp_path)
    assert result['token'] == 'ca9a282c9e77460f8360f564131a8af5'
    assert result['ego_state_known'] is False
    assert np.isfinite(result['trajectory']).all()
    assert result['meta_action']['speed'] in SPEEDS
    assert result['meta_action']['direction'] in DIRECTIONS
    assert result['questions'][1] == QUESTION and len(result['answers']) == 2
    with np.load(tmp_path / 'occupancy.npz') as arrays:
        assert arrays['semantics'].shape == (200, 200, 16)
    panel = cv2.imread(str(tmp_path / 'cameras.png'))
    photo = cv2.imread(str(next(frame.glob('*__CAM_BACK__*.jpg'))))
    tile = panel[TILES['back']].astype(int)
    small = cv2.resize(photo, tile.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(tile - small)[40:].mean() < 8


class TestSparseOccVLA:
    @pytest.fixture(scope='class')
    def results(self, tool, sparse, root, infos, info, tmp_path_factory):
        """The second frame of a scene."""
        out = tmp_path_factory.mktemp('sparse')
        tool.main(
            [*sparse, '--infos', str(infos), '--data-root', str(root),
             '--token', info['token'], '--out', str(out)]
        )  # fmt: skip
        return out

    def test_writes_everything_and_the_forecast(self, results, info):
        assert {p.name for p in results.iterdir()} == {*FILES, 'forecast.png'}
        result = read(results)
        assert result['token'] == info['token']
        assert len(result['candidates']) == 6
        assert result['candidates'][0]['trajectory'] == result['trajectory']
        with np.load(results / 'occupancy.npz') as arrays:
            assert arrays['semantics'].shape == (200, 200, 16)
            future = arrays['future_semantics']
        assert future.shape == (6, 200, 200, 16)
        for grid, step in zip(future, result['forecast'], strict=True):
            counts = np.bincount(grid.ravel(), minlength=18).tolist()
            assert list(step['voxels'].values()) == counts

    def test_candidates_are_drawn_and_leave_the_plan(
        self, tool, sparse, root, infos, info, results, tmp_path
    ):
        tool.main(
            [*sparse, '--infos', str(infos), '--data-root', str(root),
             '--token', info['token'], '--out', str(tmp_path),
             '--cfg-options', 'model.planner.denoise=winner']
        )  # fmt: skip
        alone = read(tmp_path)
        assert len(alone['candidates']) == 1
        np.testing.assert_allclose(
            alone['trajectory'], read(results)['trajectory'], atol=2e-5
        )
        pictures = [
            cv2.imread(str(out / 'plan.png')) for out in (results, tmp_path)
        ]
        assert (pictures[0] != pictures[1]).any()

    def test_the_frame_before_is_read(
        self, tool, sparse, root, infos, info, tmp_path
    ):
        """Without its image there is an error that names it."""
        content = load_info_file(infos)
        view = content['data_list'][0]['images']['CAM_BACK']
        bare = tmp_path / 'bare'
        shutil.copytree(root / 'samples', bare / 'samples')
        (bare / 'samples/CAM_BACK' / view['img_path']).unlink()
        with pytest.raises(SystemExit, match=view['img_path']):
            tool.main(
                [*sparse, '--infos', str(infos), '--data-root', str(bare),
                 '--token', info['token'], '--out', str(tmp_path / 'out')]
            )  # fmt: skip
        assert not (tmp_path / 'out').exists()

    def test_own_cameras_have_no_past(
        self, tool, sparse, own_cameras, tmp_path
    ):
        out = tmp_path / 'out'
        tool.main([*sparse, *own_cameras, '--out', str(out)])
        assert {p.name for p in out.iterdir()} == {*FILES, 'forecast.png'}
        assert np.isfinite(read(out)['trajectory']).all()

    def test_real_frame(self, tool, sparse, real_data, tmp_path, capsys):
        frame = real_data / 'frame'
        tool.main(
            [*sparse, '--infos', str(next(frame.glob('*.pkl'))),
             '--data-root', str(frame), '--questions', QUESTION,
             '--out', str(tmp_path)]
        )  # fmt: skip
        assert {p.name for p in tmp_path.iterdir()} == {*FILES, 'forecast.png'}
        result = read(tmp_path)
        assert result['token'] == 'ca9a282c9e77460f8360f564131a8af5'
        assert np.isfinite(result['trajectory']).all()
        assert result['questions'][1] == QUESTION
        assert 'meta-action: none that can be read' in capsys.readouterr().out


def test_scene_becomes_a_video_without_its_missing_frame(
    tool, config, weights, root, infos, tmp_path, capsys
):
    own, out = tmp_path / 'data', tmp_path / 'out'
    shutil.copytree(root, own)
    content = load_info_file(infos)['data_list']
    gone = content[0]['images']['CAM_BACK']['img_path']
    (own / 'samples' / 'CAM_BACK' / gone).unlink()
    tool.main(
        [config, weights, '--infos', str(infos), '--data-root', str(own),
         '--index', '1', '--out', str(out), '--video', '--ply',
         '--questions', QUESTION]
    )  # fmt: skip
    assert 'scene: 1 frames drawn, 1 skipped' in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == {
        *FILES,
        'occupancy.ply',
        'scene',
    }
    page = f'001_{content[1]["token"]}'
    assert {path.name for path in (out / 'scene').iterdir()} == {
        f'{page}.png',
        f'{page}.ply',
        'scene.mp4',
        'scene.gif',
    }


def test_a_missing_viewer_is_named_before_the_model_is_built(
    tool, config, root, infos, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, 'rerun', None)
    with pytest.raises(SystemExit, match='pip install rerun-sdk'):
        tool.main(
            [config, 'no.pth', '--infos', str(infos), '--data-root',
             str(root), '--out', str(tmp_path / 'out'), '--rrd']
        )  # fmt: skip
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('name', ['infer', 'chat', 'misc/browse_dataset'])
def test_help_loads_neither_torch_nor_mmdet3d(repository, name):
    code = (
        'import runpy, sys\n'
        f"sys.argv = ['x', '--help']\n"
        'try:\n'
        f"    runpy.run_path('tools/{name}.py', run_name='__main__')\n"
        'except SystemExit:\n'
        "    print([m for m in ('torch', 'mmdet3d') if m in sys.modules])\n"
    )
    run = subprocess.run(
        [sys.executable, '-c', code],
        cwd=repository,
        env={**os.environ, 'PYTHONPATH': str(repository)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines()[-1] == '[]'


def test_one_frame_is_no_scene(tool, config, weights, own_cameras, capsys):
    with pytest.raises(SystemExit):
        tool.main([config, weights, *own_cameras, '--out', 'x', '--video'])
    assert '--video draws a scene' in capsys.readouterr().err
