"""Keys of a config that a class does not take."""

import pytest
from mmengine.config import Config

from mmocc.registry import MODELS
from mmocc.utils.config import explain
from mmocc.utils.refused_argument import refused_argument


class TakesWidth:
    def __init__(self, width: int) -> None:
        self.width = width


@pytest.fixture
def registered():
    MODELS.register_module(module=TakesWidth)
    yield
    MODELS.module_dict.pop('TakesWidth')


def config_with(**keys) -> Config:
    part = dict(type='TakesWidth', **keys)
    model = dict(parts=[part])
    return Config(dict(model=model), cfg_text='-', filename='some_config.py')


def raised_by(config: Config) -> TypeError:
    with pytest.raises(TypeError) as caught:
        MODELS.build(config.model.parts[0])
    return caught.value


def test_the_key_is_named_with_what_the_class_takes(registered):
    config = config_with(widht=3)
    assert explain(raised_by(config), config) == (
        'some_config.py: model.parts[0].widht: TakesWidth takes no argument '
        "'widht'; did you mean 'width'?; it takes width"
    )


def test_a_bug_of_the_code_is_not_blamed_on_the_config(registered):
    config = config_with(width=3)
    with pytest.raises(TypeError) as caught:
        TakesWidth(depth=3)
    assert refused_argument(config, str(caught.value)) is None
    assert explain(caught.value, config) is None


def test_other_type_errors_are_left_alone():
    assert refused_argument(config_with(), 'can only join an iterable') is None
