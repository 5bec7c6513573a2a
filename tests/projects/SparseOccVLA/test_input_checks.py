"""Parts that read what they are not given are refused when they are built."""

import pytest
from sparseoccvla_samples import build_model, write_anchors

NO_LANGUAGE = dict(
    bridge=None,
    forecaster=dict(fusion='encoder'),
    planner=dict(score_source='mlp_no_llm', score_ego=False),
)


def test_encoder_forecaster_and_planner_do_without_language(anchors):
    model = build_model(anchors, NO_LANGUAGE)
    assert model.bridge is None and model.tokenizer is None


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(forecaster=dict(fusion='residual')), "fusion is 'residual'"),
        (dict(forecaster=dict(fusion='llm')), "set it to 'encoder'"),
        (
            dict(planner=dict(score_source='reasoning_token')),
            "score_source is 'reasoning_token'.*'mlp_no_llm'",
        ),
        (
            dict(planner=dict(condition=dict(reasoning=True))),
            'condition.reasoning is on',
        ),
        (
            dict(planner=dict(condition=dict(global_tokens=True))),
            'condition.global_tokens is on',
        ),
    ],
)
def test_readers_of_a_language_model_that_is_not_there(
    anchors, change, message
):
    with pytest.raises(ValueError, match=f'bridge is None.*{message}'):
        build_model(anchors, NO_LANGUAGE, change)


@pytest.mark.parametrize(
    'planner',
    [
        dict(score_ego=True, condition=dict(ego=False)),
        dict(score_ego=False),
        dict(
            score_ego=False,
            condition=dict(ego=False),
            score_source='mlp_no_llm',
        ),
    ],
)
def test_an_ego_status_that_is_switched_off(anchors, planner):
    change = dict(use_status=False, planner=planner)
    with pytest.raises(ValueError, match='use_status is False, but'):
        build_model(anchors, change)


def test_routes_are_not_to_be_had(anchors):
    change = dict(planner=dict(condition=dict(command='route')))
    with pytest.raises(ValueError, match="'route', but the data holds no"):
        build_model(anchors, change)


def test_a_mask_by_command_has_to_say_gt3s(tmp_path):
    grouped = write_anchors(tmp_path, mode='per_command')
    planner = dict(anchors=dict(mode='per_command'), mask_by_command=True)
    with pytest.raises(ValueError, match=r"command is 'none'.*'gt3s'"):
        build_model(grouped, dict(planner=planner))
