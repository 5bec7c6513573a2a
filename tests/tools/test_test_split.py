"""A split without labels, predicted by ``tools/test.py`` and its configs."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmocc_testing import (
    make_anchor_set,
    straight_anchors,
    write_tiny_dataset,
)

from mmocc.evaluation.files import NpzFile
from mmocc.registry import MODELS
from mmocc.utils.json_files import read_json_lines

ROOT = Path(__file__).parents[2]
LABELS, TEST = 'nuscenes_infos_occ_val.pkl', 'nuscenes_infos_occ_test.pkl'
MODELS_OF = {
    'OccVLA': 'occvla/occvla_tiny_{}_synthetic.py',
    'SparseOccVLA': 'sparseoccvla/sparseoccvla_tiny_{}_synthetic.py',
}
LABELLED = {
    'OccVLA': 'stage3-planner',
    'SparseOccVLA': 'stage3-forecast-planner',
}


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """The same frames with labels, and without any: no gts, no answers."""
    full = write_tiny_dataset(tmp_path_factory.mktemp('full'))
    bare = tmp_path_factory.mktemp('bare')
    shutil.copytree(full / 'samples', bare / 'samples')
    content = pickle.loads((full / LABELS).read_bytes())
    for info in content['data_list']:
        info.update(instances=[], occ_path='', meta_action=None, cot='')
        info['qa'] = [dict(asked, answer='') for asked in info['qa']]
        ego = info['ego']
        ego['fut_poses'], ego['fut_mask'] = np.zeros((6, 3)), np.zeros(6, bool)
    (bare / TEST).write_bytes(pickle.dumps(content))
    return full, bare


@pytest.fixture
def predict(load_tool, monkeypatch, tmp_path):
    """Run a tiny model's config on a data root; the folder of its files."""
    anchors = tmp_path / 'anchors_18_train.npz'
    make_anchor_set(straight_anchors(18, 6)).save(anchors)
    monkeypatch.setenv('LOCAL_RANK', '0')

    def run(project, stage, root, dump):
        path = ROOT / f'projects/{project}/configs' / MODELS_OF[project]
        config = str(path).format(stage)
        options = [
            f'test_dataloader.dataset.data_root={root}',
            'test_dataloader.num_workers=0',
            'test_dataloader.persistent_workers=False',
            'model.max_new_tokens=4',
        ]
        cfg = Config.fromfile(config)
        if 'anchors' in cfg.model.planner:
            cfg.model.planner.anchors.file = str(anchors)
            options.append(f'model.planner.anchors.file={anchors}')
        init_default_scope('mmocc')
        checkpoint = tmp_path / f'{project}.pth'
        if not checkpoint.exists():
            torch.manual_seed(5)
            model = MODELS.build(cfg.model)
            model.init_weights()
            torch.save(dict(state_dict=model.state_dict()), checkpoint)
        arguments = [
            *('test.py', config, str(checkpoint)),
            *('--work-dir', str(tmp_path / 'run'), '--dump', str(dump)),
            *('--cfg-options', *options),
        ]
        monkeypatch.setattr('sys.argv', arguments)
        load_tool('test.py').main()
        return dump

    return run


def arrays(path):
    with NpzFile(path) as file:
        name = 'trajs' if path.name == 'plans.npz' else 'semantics'
        rows = file.array(name)
        return {t: rows[k] for k, t in enumerate(file.tokens())}


@pytest.mark.parametrize('project', MODELS_OF)
def test_predictions_need_no_labels_and_see_none(
    project, roots, predict, tmp_path
):
    full, bare = roots
    out = predict(project, 'test-split', bare, tmp_path / 'bare')
    names = {path.name for path in out.iterdir()}
    assert names >= {'occ.npz', 'plans.npz', 'frames.jsonl', 'answers.jsonl'}
    assert not [name for name in names if 'truth' in name]
    tokens = {
        info['token']
        for info in pickle.loads((bare / TEST).read_bytes())['data_list']
    }
    assert arrays(out / 'plans.npz').keys() == tokens
    told = predict(project, LABELLED[project], full, tmp_path / 'full')
    for name in ('occ.npz', 'plans.npz'):
        known = arrays(told / name)
        found = arrays(out / name)
        assert known
        for token, expected in known.items():
            np.testing.assert_array_equal(found[token], expected)


@pytest.mark.parametrize('project', MODELS_OF)
def test_labels_in_the_file_change_no_prediction(
    project, roots, predict, tmp_path
):
    full, bare = roots
    with_labels = tmp_path / 'with'
    shutil.copytree(full, with_labels)
    shutil.copy(full / LABELS, with_labels / TEST)
    outs = [
        predict(project, 'test-split', root, tmp_path / name)
        for root, name in ((bare, 'a'), (with_labels, 'b'))
    ]
    for name in ('occ.npz', 'plans.npz'):
        np.testing.assert_equal(*(arrays(out / name) for out in outs))
    for name in ('answers.jsonl', 'actions.jsonl'):
        there = [out / name for out in outs if (out / name).exists()]
        texts = [[line.values for line in read_json_lines(p)] for p in there]
        assert len(texts) in (0, 2)
        assert not texts or texts[0] == texts[1]
