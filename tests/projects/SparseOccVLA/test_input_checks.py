"""Parts that read what they are not given are refused when they are built."""

import time

import pytest
from sparseoccvla_samples import build_model

SCENE_SCORER = dict(_delete_=True, type='SceneScorer')
NO_LANGUAGE = dict(
    bridge=None,
    forecaster=dict(fusion='encoder'),
    planner=dict(scorer=SCENE_SCORER),
)


def test_encoder_forecaster_and_planner_do_without_language(anchors):
    model = build_model(anchors, NO_LANGUAGE)
    assert model.bridge is None and model.tokenizer is None


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            dict(forecaster=dict(fusion='residual')),
            "forecaster is OccForecaster.*occ_hidden.*fusion is 'residual', "
            "set it to 'encoder'",
        ),
        (
            dict(planner=dict(scorer=dict(type='ReasoningScorer'))),
            "reads reasoning_token .*type='SceneScorer'",
        ),
        (
            dict(planner=dict(condition=dict(reasoning=True))),
            r'reasoning_token \(planner\.condition\.reasoning is on\)',
        ),
        (
            dict(planner=dict(condition=dict(global_tokens=True))),
            r'overview_tokens \(planner\.condition\.global_tokens is on\)',
        ),
    ],
)
def test_readers_of_a_language_model_that_is_not_there(
    anchors, change, message
):
    start = time.perf_counter()
    with pytest.raises(ValueError, match=f'{message}.*bridge=None gives'):
        build_model(anchors, NO_LANGUAGE, change)
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(
    'planner',
    [
        dict(condition=dict(ego=False)),
        dict(scorer=dict(with_ego=False)),
        dict(condition=dict(ego=False), scorer=SCENE_SCORER),
    ],
)
def test_an_ego_status_that_is_switched_off(anchors, planner):
    change = dict(use_status=False, planner=planner)
    message = r'reads ego_status \(.*model\.use_status=False gives'
    with pytest.raises(ValueError, match=message):
        build_model(anchors, change)


def test_routes_are_not_to_be_had(anchors):
    change = dict(planner=dict(condition=dict(command='route')))
    with pytest.raises(ValueError, match="'route', expected one of"):
        build_model(anchors, change)


def test_a_language_model_without_a_cache(anchors):
    vlm = dict(_delete_=True, type='PaliGemma')
    with pytest.raises(ValueError, match=r'vlm is PaliGemma.*fit: CausalLM'):
        build_model(anchors, dict(bridge=dict(vlm=vlm)))
