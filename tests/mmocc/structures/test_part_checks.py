"""Parts that do not fit are refused before they are built."""

import pytest
import torch
from mmengine.model import BaseModule

from mmocc.models.vlms import CausalLM, PaliGemma
from mmocc.projects.OccVLA.occvla import VLOBridge
from mmocc.registry import MODELS
from mmocc.structures.part_checks import (
    build_without_values,
    require_features,
    require_part,
    require_token_width,
)
from mmocc.structures.protocols import (
    CausalLanguageModel,
    ImageLanguageModel,
    OccHead,
    Planner,
    VisionLanguageBridge,
    missing_members,
)

MLP = dict(type='MLPPlanner', embed_dims=8)


def test_parts_that_fit_pass():
    require_part(None, Planner, 'model.planner')
    require_part(MLP, Planner, 'model.planner')
    require_part(dict(type='LatentOccHead'), OccHead, 'model.occ_head')
    require_part(dict(type=VLOBridge), VisionLanguageBridge, 'model.bridge')
    # The registry says so itself.
    require_part(dict(type='NoSuchPart'), Planner, 'model.planner')


def test_language_models_fit_their_bridge():
    assert missing_members(PaliGemma, ImageLanguageModel) == []
    assert missing_members(CausalLM, CausalLanguageModel) == []
    assert missing_members(PaliGemma, CausalLanguageModel) == ['new_cache']
    assert 'embed_images' in missing_members(CausalLM, ImageLanguageModel)


def test_what_is_lacking_and_what_would_fit_is_named():
    with pytest.raises(ValueError) as error:
        require_part(dict(type='CausalLM'), ImageLanguageModel, 'model.x.vlm')
    message = str(error.value)
    assert message.startswith('model.x.vlm is CausalLM, which lacks')
    assert 'embed_images' in message and message.endswith('fit: PaliGemma')


def test_a_planner_needs_both_methods_and_what_it_reads():
    class Half(BaseModule):
        def loss(self, scene, data_samples):
            return {}

    with pytest.raises(ValueError, match=r'Half, which lacks predict, reads'):
        require_part(dict(type=Half), Planner, 'model.planner')


def test_features_that_a_model_does_not_give_are_named():
    require_features(None, (), 'model.planner', 'Model')
    given = ('visual_tokens', 'ego_status', 'ego_history')
    message = (
        r'model\.planner is MLPPlanner, which reads meta_action '
        r"\(planner\.meta_embedding is not 'none'\), but this Model gives "
        'ego_history, ego_status, visual_tokens'
    )
    with pytest.raises(ValueError, match=message):
        require_features(MLP, given, 'model.planner', 'Model')
    without = dict(MLP, meta_embedding='none')
    require_features(without, given, 'model.planner', 'Model')


def test_asking_what_a_part_reads_draws_no_random_number():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    part = build_without_values(MLP)
    assert torch.equal(torch.rand(3), expected)
    assert all(weight.is_meta for weight in part.parameters())


def test_equal_widths_and_absent_parts_pass():
    @MODELS.register_module(force=True)
    class OwnPlanner(BaseModule):
        """Without a width, which is not asked for then."""

    parts = dict(planner=MLP, occ_head=None, own=dict(type='OwnPlanner'))
    require_token_width(8, parts)
    MODELS.module_dict.pop('OwnPlanner')


def test_another_width_is_named_with_the_way_out():
    parts = dict(forecaster=dict(type='OccForecaster', llm_dims=4096))
    with pytest.raises(
        ValueError,
        match=r'model\.forecaster\.llm_dims is 4096.* 896 wide; set it to 896',
    ):
        require_token_width(896, parts)
