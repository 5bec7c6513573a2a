"""From a data set to files of ground truth, and on to scores."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from mmocc_testing.handmade_nuscenes import HandmadeNuScenes

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools'))

from dataset_converters.nuscenes_converter import (
    ConvertOptions,
    convert_nuscenes,
)
from mmocc.evaluation.files import write_plans
from mmocc.evaluation.scene_truth import SceneTruth
from mmocc.evaluation.tasks import TASKS
from mmocc.infos import load_info_file, write_info_file

FRAMES = 16
ROAD, WALL, FREE = 11, 15, 17
# Windows of a scene of 16 frames, see mmocc.evaluation.functional.forecast.
WINDOWS = 4


def curve(time):
    """Left on a circle of 30 m at 6 m/s."""
    yaw = 6.0 * time / 30.0
    return 300 + 30 * np.sin(yaw), 700 + 30 * (1 - np.cos(yaw)), yaw


def write_label(path, number):
    """A road, and a wall that comes nearer."""
    semantics = np.full((200, 200, 16), FREE, np.uint8)
    semantics[:, :, 0] = ROAD
    semantics[150 - 2 * number, :, 1:8] = WALL
    mask = np.ones(semantics.shape, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path, semantics=semantics, mask_camera=mask, mask_lidar=mask
    )


@pytest.fixture(scope='module')
def infos(tmp_path_factory):
    """The info file of one drive."""
    root = tmp_path_factory.mktemp('nuscenes')
    drives = {'scene-0061': curve, 'scene-0103': curve}
    dataset = HandmadeNuScenes(root, drives, frames=FRAMES)
    dataset.write_occ3d()
    dataset.write_questions()
    options = ConvertOptions(
        root=root, version='v1.0-mini', out=root, occ3d=True, qa=True
    )
    convert_nuscenes(options)
    path = root / 'nuscenes_infos_occ_val.pkl'
    for number, info in enumerate(load_info_file(path)['data_list']):
        write_label(root / info['occ_path'], number)
    return path


@pytest.fixture
def write(load_tool, monkeypatch, capsys, infos, tmp_path):
    """Run the tool: exit status, the file, output, errors."""
    tool = load_tool('analysis_tools/write_truth.py')

    def run(task, *options, source=infos):
        out = tmp_path / f'{task}.out'
        argv = ['x', task, source, '--out', out, *options]
        monkeypatch.setattr('sys.argv', [str(word) for word in argv])
        status = tool.main()
        printed, errors = capsys.readouterr()
        return status, out, printed, errors

    return run


def test_agents_stand_where_the_converter_sees_them(infos):
    """It follows them through the tables, we through the frames' boxes."""
    scenes = SceneTruth(infos)
    compared = 0
    for info in load_info_file(infos)['data_list']:
        agents = scenes.plan_sample(info['token']).agents
        for row, instance in enumerate(info['instances']):
            mask = instance['fut_mask']
            assert agents.category[row] == instance['category_name']
            assert agents.future_mask[row].tolist() == mask.tolist()
            np.testing.assert_allclose(
                agents.future[row][mask], instance['fut_box'][mask], atol=1e-3
            )
            compared += int(mask.sum())
    assert compared > 100


@pytest.mark.parametrize('task', ['occ', 'rayiou'])
def test_labels_scored_against_themselves_are_perfect(task, write):
    status, out, printed, _ = write(task)
    assert (status, printed) == (0, f'{FRAMES} samples in {out}\n')
    results = TASKS[task].evaluate(out, out).results
    for preset, figure in (
        ('occ3d', 'mIoU'),
        ('all_voxels', 'IoU'),
        ('sparseocc', 'RayIoU'),
    ):
        if preset in results:
            assert results[preset][figure] == 100
            assert results[preset]['frames'] == FRAMES
    assert len(results) == (2 if task == 'occ' else 1)


@pytest.mark.parametrize('convention', ['occworld', 'sparseworld'])
def test_windows_scored_against_themselves_are_perfect(convention, write):
    status, out, printed, _ = write('forecast', '--convention', convention)
    assert status == 0
    assert printed.startswith(f'{WINDOWS} samples')
    scores = TASKS['forecast'].evaluate(out, out, [convention]).results
    assert scores[convention]['mIoU_avg'] == 100
    assert scores[convention]['windows'] == WINDOWS


def test_plans_are_scored_under_every_preset(write, tmp_path):
    _, out, _, _ = write('planning')
    with np.load(out) as arrays:
        tokens, truth = arrays['tokens'], arrays['trajs']
        yaws = arrays['yaws']
    plans = tmp_path / 'plans.npz'
    write_plans(plans, tokens, truth, yaws)
    result = TASKS['planning'].evaluate(plans, out, ['all'])
    counts = {
        name: scores['samples']
        for name, scores in result.results.items()
        if '/' not in name
    }
    assert counts == dict.fromkeys(counts, FRAMES - 6) | {
        'uniad': FRAMES,
        'stp3_admlp': FRAMES - 8,
        'occworld': FRAMES - 12,
    }
    for name in counts:
        assert result.results[name]['L2_mean_avg'] == 0
    # Headings are in both files, so both origins' paths are known.
    assert not any('measured on the path' in note for note in result.notes)


def test_questions_scored_against_themselves_are_right(write):
    _, out, _, _ = write('qa')
    scores = TASKS['qa'].evaluate(out, out).results['nuscenes_qa']
    assert scores['overall'] == 100
    assert scores['questions'] == len(out.read_text().splitlines())


def test_questions_without_an_answer_are_left_out(write, infos, tmp_path):
    _, out, _, _ = write('qa')
    before = out.read_text().splitlines()
    content = load_info_file(infos)
    content['data_list'][0]['qa'][0]['answer'] = None
    path = tmp_path / 'infos.pkl'
    write_info_file(content, path)
    _, out, _, _ = write('qa', source=path)
    assert out.read_text().splitlines() == before[1:]


def test_meta_actions_are_those_of_the_labels(write, infos):
    _, out, _, _ = write('meta')
    records = [json.loads(line) for line in out.read_text().splitlines()]
    labelled = [
        info
        for info in load_info_file(infos)['data_list']
        if info['meta_action'] is not None
    ]
    assert [r['token'] for r in records] == [i['token'] for i in labelled]
    assert all(
        r['speed'] == i['meta_action']['speed']
        for r, i in zip(records, labelled, strict=True)
    )


def test_missing_labels_are_named_and_no_file_appears(write, tmp_path):
    status, out, printed, errors = write('occ', '--data-root', tmp_path)
    assert (status, printed) == (1, '')
    assert 'there is no such file' in errors
    assert not out.exists()


def test_missing_info_file_is_named(write, tmp_path):
    status, out, _, errors = write('meta', source=tmp_path / 'none.pkl')
    assert status == 1
    assert 'none.pkl cannot be read' in errors
    assert not out.exists()
