import numpy as np
import pytest
from mmengine.config import Config

from mmocc.utils.config import (
    TRACEBACK_VARIABLE,
    ConfigError,
    explain,
    explained,
    find_keys,
    load_config,
)
from mmocc.visualization.drawing import with_caption, write_png


@pytest.fixture
def config(tmp_path, monkeypatch) -> Config:
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'some_config.py').touch()
    return Config(
        dict(
            model=dict(
                type='Detector',
                vlm=dict(type='VLM', path='/weights/pali'),
                parts=[dict(type='A'), dict(type='Bridge')],
            ),
            load_from='/weights/pali/x.pth',
        ),
        filename='some_config.py',
    )


def test_keys_of_the_longest_value_win(config):
    assert find_keys(config, 'no file /weights/pali/x.pth here') == [
        'load_from'
    ]
    assert find_keys(config, "folder '/weights/pali' is absent") == [
        'model.vlm.path'
    ]
    assert find_keys(config, 'Bridge') == ['model.parts[1].type']
    assert find_keys(config, 'Bridges and A') == []
    # A folder of that name is another thing.
    assert find_keys(config, 'projects/Bridge/x.py is gone') == []


def test_registry_error_is_explained(config):
    error = KeyError('Bridge is not in the mmocc::hook registry. Please ...')
    line = explain(error, config)
    assert line.startswith("some_config.py: model.parts[1].type: 'Bridge' ")
    assert 'as a hook (scope mmocc)' in line


def test_unknown_module_names_its_neighbour(config):
    error = KeyError('SafeCheckpointHok is not in the mmocc::hook registry.')
    assert "did you mean 'SafeCheckpointHook'?" in explain(error, config)


def test_missing_file_in_a_worker_is_one_line(config):
    error = FileNotFoundError(
        'Caught FileNotFoundError in DataLoader worker process 0.\n'
        'Original Traceback (most recent call last):\n  File "x.py"\n'
        'FileNotFoundError: sample s1: a.jpg does not exist\n'
    )
    line = explain(error, config)
    assert 'sample s1: a.jpg does not exist' in line
    assert '\n' not in line and 'Traceback' not in line


def test_missing_weight_folder_names_the_key(config):
    line = explain(OSError('/weights/pali is no\n folder'), config)
    assert line == (
        'some_config.py: model.vlm.path: /weights/pali is no folder'
    )


@pytest.mark.parametrize(
    'error',
    [
        KeyError('gt_occ'),
        ValueError('a bug'),
        RuntimeError('shapes'),
        OSError(28, 'No space left on device'),
    ],
)
def test_other_errors_keep_their_traceback(config, error):
    assert explain(error, config) is None
    with pytest.raises(type(error)), explained(config):
        raise error


def test_the_file_is_named_once(config):
    error = ConfigError('some_config.py: model.head is not there')
    assert explain(error, config) == str(error)


def test_a_sentence_of_our_own_code_is_one_line(config):
    with pytest.raises(ValueError) as caught:
        write_png(np.zeros((2, 2)), 'x.png')
    assert 'x.png: got an image of shape (2, 2)' in explain(caught.value)


def test_what_a_library_raises_inside_our_code_keeps_its_traceback(config):
    with pytest.raises(ValueError) as caught:
        with_caption(np.zeros((2, 2, 4), np.uint8), 'four channels')
    assert explain(caught.value, config) is None


def test_explained_exits_with_one_line(config, monkeypatch):
    monkeypatch.delenv(TRACEBACK_VARIABLE, raising=False)
    with pytest.raises(SystemExit) as stopped, explained(config):
        raise ConfigError('what to do')
    assert stopped.value.code == 'error: some_config.py: what to do'
    monkeypatch.setenv(TRACEBACK_VARIABLE, '1')
    with pytest.raises(ConfigError), explained(config):
        raise ConfigError('what to do')


def test_config_is_read_with_overrides_and_scope(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('a = dict(b=1)\n')
    config = load_config(path, {'a.b': 2, 'c': 3})
    assert (config.a.b, config.c) == (2, 3)
    assert config.default_scope == 'mmocc'


def test_a_dict_over_an_inherited_none_names_the_config(tmp_path):
    (tmp_path / 'base.py').write_text('model = dict(head=None)\n')
    child = tmp_path / 'child.py'
    child.write_text("_base_ = 'base.py'\nmodel = dict(head=dict(a=1))\n")
    with pytest.raises(ConfigError, match=r'child\.py: head=.*_delete_=True'):
        load_config(child)


def test_syntax_error_names_the_config(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('a = dict(b=\n')
    with pytest.raises(ConfigError, match=r'config\.py'):
        load_config(path)
