"""Export parts of models to ONNX files by command."""

import sys

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmocc.projects.OnnxExport.onnx_export import build_encoder, build_planner
from mmocc.registry import MODELS
from mmocc.utils.config import load_config


@pytest.fixture(scope='module')
def tool(load_tool):
    return load_tool('projects/OnnxExport/tools/export.py')


@pytest.fixture(scope='module')
def configs(repository):
    folder = repository / 'tests/mmocc/apis'
    return {
        name: str(folder / f'small_{name}.py')
        for name in ('occvla', 'sparseoccvla')
    }


@pytest.fixture(scope='module')
def checkpoints(configs, tmp_path_factory):
    """Random weights of both whole models."""
    folder = tmp_path_factory.mktemp('weights')
    paths = {}
    for name, config in configs.items():
        init_default_scope('mmocc')
        torch.manual_seed(0)
        model = MODELS.build(load_config(config).model)
        state = model.state_dict()
        for key in ('anchors', 'normalizer.centre', 'normalizer.half_range'):
            bank = f'planner.bank.{key}'
            if bank in state:
                state[bank] = torch.rand_like(state[bank]) + 1
        paths[name] = str(folder / f'{name}.pth')
        torch.save({'state_dict': state}, paths[name])
    return paths


def test_encoder_is_for_the_images_of_the_pipeline(configs, checkpoints):
    init_default_scope('mmocc')
    cfg = load_config(configs['sparseoccvla'])
    graph, example, metadata = build_encoder(cfg, checkpoints['sparseoccvla'])
    height, width = example(0)['imgs'].shape[-2:]
    assert metadata['padded_size'] == f'[{height}, {width}]'
    assert metadata['channels'] == 'RGB'
    assert '"CAM_BACK"' in metadata['cameras']
    saved = torch.load(checkpoints['sparseoccvla'], weights_only=True)
    torch.testing.assert_close(
        graph.encoder.query_points.data,
        saved['state_dict']['encoder.query_points'],
    )


@pytest.mark.parametrize('name', ['occvla', 'sparseoccvla'])
def test_planner_has_the_weights_of_the_checkpoint(configs, checkpoints, name):
    init_default_scope('mmocc')
    graph, example, metadata = build_planner(
        load_config(configs[name]), checkpoints[name]
    )
    graph.eval()
    with torch.no_grad():
        trajectory = graph(*example(0).values())[0]
    assert trajectory.shape == (1, 6, 2) and trajectory.isfinite().all()
    saved = torch.load(checkpoints[name], weights_only=True)['state_dict']
    for key, value in graph.planner.state_dict().items():
        assert torch.equal(value, saved[f'planner.{key}'])
    assert metadata['planner'] == type(graph.planner).__name__


def test_a_model_without_the_part(tool, configs, checkpoints, tmp_path):
    out = tmp_path / 'encoder.onnx'
    with pytest.raises(SystemExit, match=r'model\.backbone is not there'):
        tool.main(
            [configs['occvla'], checkpoints['occvla'], '--part', 'encoder',
             '--out', str(out)]
        )  # fmt: skip
    assert not out.exists()


def test_missing_packages_are_named(
    tool, configs, checkpoints, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    out = tmp_path / 'planner.onnx'
    with pytest.raises(SystemExit, match='pip install onnx onnxscript'):
        tool.main(
            [configs['occvla'], checkpoints['occvla'], '--part', 'planner',
             '--out', str(out)]
        )  # fmt: skip
    assert not out.exists()


def test_a_file_that_differs_is_not_accepted(tool, monkeypatch, capsys):
    apart = iter(
        [{'x': 1e-6, 'y': 0.0}, {'x': 0.0, 'y': 0.5}, {'x': 0, 'y': 0}]
    )
    monkeypatch.setattr(tool, 'differences', lambda *args: next(apart))

    class Graph:
        outputs = ('x', 'y')

    with pytest.raises(ValueError, match=r'exported y .* 5\.0e-01.*0\.001'):
        tool.check(Graph(), b'', lambda seed: {})
    assert '1.0e-06' in capsys.readouterr().out
    monkeypatch.setattr(
        tool, 'differences', lambda *args: {'x': np.nan, 'y': 0.0}
    )
    with pytest.raises(ValueError, match=r'exported x .* nan'):
        tool.check(Graph(), b'', lambda seed: {})


def test_file_runs_and_says_what_it_is(
    tool, configs, checkpoints, tmp_path, capsys
):
    onnx = pytest.importorskip('onnx', reason='onnx is not installed')
    for name in ('onnxscript', 'onnxruntime'):
        pytest.importorskip(name, reason=f'{name} is not installed')
    out = tmp_path / 'planner.onnx'
    tool.main(
        [configs['occvla'], checkpoints['occvla'], '--part', 'planner',
         '--out', str(out), '--check']
    )  # fmt: skip
    assert list(tmp_path.iterdir()) == [out]
    model = onnx.load(out)
    onnx.checker.check_model(model)
    assert {p.key: p.value for p in model.metadata_props}['planner'] == (
        'MLPPlanner'
    )
    said = capsys.readouterr().out
    assert 'visual_tokens [1, 64, 128]' in said and 'trajectory' in said


def test_the_command_of_tools_is_this_one(load_tool):
    command = load_tool('export.py').main
    assert command.__module__ == 'mmocc.projects.OnnxExport.tools.export'
