"""docs/evaluation.md does what it says: its examples run."""

import json
import re
import shlex

import pytest

from mmocc.evaluation import metrics
from mmocc.evaluation.functional import PRESETS, SAMPLES_OF_VAL
from mmocc.evaluation.tasks import TASKS

BLOCK = re.compile(r'^```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
INFOS = 'data/nuscenes/nuscenes_infos_occ_val.pkl'


@pytest.fixture(scope='module')
def page(repository):
    return (repository / 'docs' / 'evaluation.md').read_text()


def section(page, title):
    """What stands below a heading, up to the next one."""
    return page.split(f'\n## {title}\n')[1].split('\n## ')[0]


def test_the_examples_run(page, load_tool, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tool = load_tool('evaluate.py')
    names, ran = {}, []
    for language, text in BLOCK.findall(section(page, 'An example')):
        if language == 'python':
            exec(text, names)
            continue
        for line in text.splitlines():
            words = shlex.split(line)
            assert words[:2] == ['python', 'tools/evaluate.py']
            monkeypatch.setattr('sys.argv', words[1:])
            assert tool.main() == 0, capsys.readouterr().err
            ran.append(words[2])
    assert sorted(ran) == sorted(TASKS)
    scores = json.loads((tmp_path / 'scores.json').read_text())['results']
    assert scores['vad']['L2_mean_avg'] == pytest.approx(1)
    assert scores['uniad']['collision_any_3s'] == 100


def test_the_evaluator_of_the_runner_builds(
    page, tmp_path, monkeypatch, write_infos, scene_infos
):
    infos = write_infos(tmp_path / 'infos.pkl', scene_infos)
    # The whole list; how a config takes one line of it follows.
    _, text = BLOCK.findall(section(page, 'In the Runner'))[0]
    assert INFOS in text
    names = {}
    exec(text.replace(INFOS, str(infos)), names)
    built = []
    for config in names['val_evaluator']:
        metric = getattr(metrics, config.pop('type'))
        built.append(metric(**config))
    assert {type(metric).__name__ for metric in built} == set(
        metrics.__all__
    ) - {'PredictionFiles', 'SummedMetric'}


def test_every_preset_is_described(page):
    text = section(page, 'Protocols side by side')
    for module in TASKS.values():
        for preset in module.PRESETS:
            assert f'`{preset}`' in text, preset


def test_the_table_of_planning_presets_is_that_of_the_code(page):
    rows = {
        cells[1].strip('` '): cells
        for cells in (
            line.split('|')
            for line in section(page, 'Protocols side by side').splitlines()
        )
        if len(cells) == 8
    }
    words = {'ego': 'ego', 'lidar': 'LiDAR'}
    for name, preset in PRESETS.items():
        _, _, path, samples, obstacles, overlap, published, _ = rows[name]
        assert path.strip() == words[preset.frame]
        assert f'({SAMPLES_OF_VAL[preset.samples]})' in samples
        assert (obstacles.strip() == 'none') == (preset.agents is None)
        assert preset.l2 in published
        if preset.agents is not None:
            assert preset.collision in published
            cells = 'polygons' if preset.grid is None else 'cells'
            assert cells in overlap
        if preset.grid is not None:
            assert f'{preset.grid.edge:.1f} m' in overlap
