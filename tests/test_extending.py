"""docs/extending.md does what it says: its code runs."""

import re
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import BaseDataElement

from mmocc.registry import MODELS
from mmocc.structures import EGO_STATUS, OccDataSample
from mmocc.structures.scene_features import SceneFeatures

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r'^```python\n(.*?)^```$', re.MULTILINE | re.DOTALL)
BASE = re.compile(r"^_base_ = (?:\(\s*)?'(.+)'(?:\s*\))?$", re.MULTILINE)


def blocks(title, page='extending.md'):
    """Python code below a heading: configs, and the rest."""
    text = (ROOT / 'docs' / page).read_text()
    found = BLOCK.findall(text.split(f'\n## {title}\n')[1].split('\n## ')[0])
    configs = [code for code in found if BASE.search(code)]
    return configs, [code for code in found if code not in configs]


def load(code, folder):
    """A config that starts from a path below the root."""
    base = BASE.search(code)[1]
    path = folder / 'config.py'
    path.write_text(BASE.sub(f"_base_ = '{ROOT / base}'", code))
    return Config.fromfile(path)


def build(cfg):
    with DefaultScope.overwrite_default_scope('mmocc'):
        return MODELS.build(cfg.model)


def test_a_backbone_is_a_config(tmp_path):
    ((code,), rest) = blocks('A backbone')
    assert not rest
    model = build(load(code, tmp_path))
    assert type(model.backbone).__name__ == 'SwinTransformer'
    with torch.no_grad():
        maps = model.neck(model.backbone(torch.zeros(1, 3, 64, 96)))
    assert len(maps) == 3
    assert {m.shape[1] for m in maps} == {model.encoder.embed_dims}


def test_a_language_model_is_a_config(tmp_path):
    ((code,), rest) = blocks('A language model')
    assert not rest
    model = build(load(code, tmp_path))
    assert model.bridge.vlm.hf.config.model_type == 'qwen2'
    adapted = [n for n, _ in model.named_parameters() if 'lora' in n]
    assert adapted and all('.vlm.' in name for name in adapted)


@pytest.mark.parametrize(
    'member', ['embed_dims', 'embed_text', 'new_cache', 'forward', 'logits']
)
def test_members_of_a_language_model_are_those_of_the_page(member):
    from mmocc.models.vlms.causal_lm import CausalLM

    assert hasattr(CausalLM, member)
    text = (ROOT / 'docs/extending.md').read_text()
    assert re.search(rf'^\| `{member}[`(]', text, re.MULTILINE)


def frame(speed, known):
    """A car that drives straight on, of whose future some steps exist."""
    sample = OccDataSample()
    status = torch.zeros(len(EGO_STATUS))
    status[EGO_STATUS.index('vx')] = speed
    path = torch.zeros(6, 2)
    path[:, 0] = speed * 0.5 * torch.arange(1, 7)
    path[known:] = torch.nan
    sample.gt_ego = BaseDataElement(
        status=status, fut_trajs=path, fut_masks=torch.arange(6) < known
    )
    return sample


def test_a_planner_is_a_class_and_a_config(tmp_path):
    (configs, (code,)) = blocks('A planner')
    names = {}
    try:
        exec(code, names)
        for config in configs:
            cfg = load(config, tmp_path)
            model = build(cfg)
            assert type(model.planner) is names['SteadyPlanner']
        assert {type(model).__name__, 'OccVLA'} == {'SparseOccVLA', 'OccVLA'}
        planner = model.planner
        frames = [frame(4.0, 6), frame(2.0, 3)]
        status = torch.stack([sample.gt_ego.status for sample in frames])
        scene = SceneFeatures(ego_status=status)
        (plan, _) = planner.predict(scene, frames)
        assert plan.trajs.shape == (1, 6, 2)
        assert plan.trajs[0, -1].tolist() == [12.0, 0.0]
        loss = planner.loss(scene, frames)['loss_plan']
        loss.backward()
        assert loss.item() == 0.0
        assert torch.isfinite(planner.factor.grad)
    finally:
        MODELS.module_dict.pop('SteadyPlanner', None)


def test_parts_of_the_anchor_planner_are_those_of_the_page():
    text = (ROOT / 'docs/extending.md').read_text()
    table = text.split('| key | what | types |')[1].split('\n\n')[0]
    named = set(re.findall(r'`([A-Z]\w+)`', table))
    assert len(named) == 17 and named <= set(MODELS.module_dict)


def test_a_data_set_is_a_converter(tmp_path, monkeypatch, capsys):
    (configs, (code,)) = blocks('A data set')
    assert not configs
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', [str(ROOT / 'tools'), *sys.path])
    names = {}
    exec(code, names)
    assert capsys.readouterr().out.strip().endswith('8 yard-01')
    first = names['dataset'].get_data_info(0)
    assert first['ego']['fut_mask'].all()
    assert first['ego']['fut_poses'][-1][0] == pytest.approx(15.0)


def test_the_child_of_the_config_page_changes_what_it_says(tmp_path):
    text = (ROOT / 'docs/configs.md').read_text()
    (code,) = BLOCK.findall(text)
    base = Config.fromfile(ROOT / BASE.search(code)[1])
    child = load(code, tmp_path)
    weight = base.model.occ_head.loss_occ.pop('loss_weight')
    assert child.model.occ_head.loss_occ.pop('loss_weight') == weight / 2
    assert child.model == base.model
