"""``tools/test.py``: scores of a checkpoint, written with their origin."""

import json
from argparse import Namespace

import pytest
import torch
from launching import TOY, TOY_CONFIG
from mmengine.config import Config


@pytest.fixture
def test_tool(load_tool, monkeypatch):
    monkeypatch.syspath_prepend(str(TOY))
    monkeypatch.setenv('LOCAL_RANK', '0')

    def run(*arguments) -> None:
        monkeypatch.setattr('sys.argv', ['test.py', *map(str, arguments)])
        load_tool('test.py').main()

    return run


def test_scores_are_written_with_their_origin(test_tool, tmp_path):
    """All weights zero and bias 3: |3 - (2 x + 1)| is 2 on average."""
    weights = {
        'hidden.weight': torch.zeros(8, 1),
        'hidden.bias': torch.zeros(8),
        'output.weight': torch.zeros(1, 8),
        'output.bias': torch.full((1,), 3.0),
    }
    checkpoint, out = tmp_path / 'zero.pth', tmp_path / 'scores.json'
    torch.save(dict(state_dict=weights), checkpoint)
    test_tool(
        TOY_CONFIG, checkpoint, '--work-dir', tmp_path / 'run', '--out', out
    )
    report = json.loads(out.read_text())
    assert report['scores']['error'] == pytest.approx(2.0)
    assert report['checkpoint'] == str(checkpoint)
    assert report['environment']['Seed'] == '3'


def test_missing_checkpoint_is_one_line(test_tool, tmp_path):
    with pytest.raises(SystemExit, match=r'^error: .*no\.pth does not exist'):
        test_tool(TOY_CONFIG, tmp_path / 'no.pth', '--work-dir', tmp_path)


@pytest.mark.parametrize(
    ('weights', 'words'),
    [
        ({'other.weight': torch.zeros(1)}, r'lacks 4 of the 4 weights'),
        (
            {
                'hidden.weight': torch.zeros(8, 1),
                'hidden.bias': torch.zeros(9),
                'output.weight': torch.zeros(1, 8),
                'output.bias': torch.zeros(1),
            },
            r'hidden\.bias \(9,\) for \(8,\)',
        ),
    ],
)
def test_weights_of_another_model_get_no_scores(
    test_tool, tmp_path, weights, words
):
    checkpoint, out = tmp_path / 'other.pth', tmp_path / 'scores.json'
    torch.save(dict(state_dict=weights), checkpoint)
    with pytest.raises(SystemExit, match=rf'^error: .*other\.pth .*{words}'):
        test_tool(TOY_CONFIG, checkpoint, '--work-dir', tmp_path, '--out', out)
    assert not out.exists()


def test_pages_go_to_the_folder_asked_for(load_tool, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    draw_pages = load_tool('test.py').draw_pages
    cfg = Config(dict(default_hooks={}))
    draw_pages(cfg, Namespace(show_dir='pages', show=False))
    assert cfg.default_hooks.visualization == dict(
        type='OccVisualizationHook',
        interval=1,
        out_dir=str(tmp_path / 'pages'),
    )
    assert cfg.visualizer.type == 'OccLocalVisualizer'
    hook = dict(type='OccVisualizationHook', interval=7, draw_gt=False)
    cfg = Config(dict(default_hooks=dict(visualization=hook)))
    draw_pages(cfg, Namespace(show_dir='/elsewhere', show=False))
    assert cfg.default_hooks.visualization == dict(hook, out_dir='/elsewhere')


def test_pages_stay_in_a_window_as_long_as_asked(load_tool):
    cfg = Config(dict(default_hooks={}))
    args = Namespace(show_dir=None, show=True, wait_time=0.5)
    load_tool('test.py').draw_pages(cfg, args)
    assert cfg.default_hooks.visualization == dict(
        type='OccVisualizationHook', interval=1, show=True, wait_time=0.5
    )


@pytest.mark.parametrize(
    ('option', 'words'),
    [
        ('--show', '--show: Matplotlib has no window here .*--show-dir'),
        ('--tta', '--tta needs the keys tta_model and tta_pipeline'),
    ],
)
def test_what_cannot_be_done_is_refused(test_tool, tmp_path, option, words):
    checkpoint = tmp_path / 'any.pth'
    torch.save(dict(state_dict={}), checkpoint)
    with pytest.raises(SystemExit, match=f'^error: .*{words}'):
        test_tool(TOY_CONFIG, checkpoint, '--work-dir', tmp_path, option)
