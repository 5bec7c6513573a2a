import numpy as np
import pytest
from mmengine.config import Config

from mmocc.registry import MODELS
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


def test_a_key_that_a_class_refuses_is_named():
    class TakesWidth:
        def __init__(self, width: int) -> None:
            self.width = width

    MODELS.register_module(module=TakesWidth)
    part = dict(type='TakesWidth', widht=3)
    config = Config(
        dict(model=dict(parts=[part])), cfg_text='-', filename='some.py'
    )
    with pytest.raises(TypeError) as caught:
        MODELS.build(part)
    assert explain(caught.value, config) == (
        'some.py: model.parts[0].widht: TakesWidth takes no argument '
        "'widht'; did you mean 'width'?; it takes width"
    )
    MODELS.module_dict.pop('TakesWidth')
    assert explain(TypeError('can only join an iterable'), config) is None


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


USED = """
data_root = 'data/x/'
vlm = dict(type='VLM', dtype='bfloat16')
model = dict(type='Detector', bridge=dict(vlm=vlm), lora=None)
train_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    prefetch_factor=4,
    dataset=dict(data_root=data_root),
)
test_dataloader = dict(pipeline=[dict(root=data_root)])
"""


@pytest.fixture
def used(tmp_path):
    path = tmp_path / 'used.py'
    path.write_text(USED)
    return path


@pytest.mark.parametrize(
    ('option', 'warning'),
    [
        ('train_dataloder.x', "'train_dataloder'.*did you mean 'train_data"),
        (
            'data_root',
            r'set train_dataloader\.dataset\.data_root, '
            r'test_dataloader\.pipeline\.0\.root$',
        ),
        ('vlm.dtype', r'set model\.bridge\.vlm\.dtype$'),
        ('my_own', 'code of your own may; tools/misc/print_config'),
    ],
)
def test_a_key_that_only_own_code_can_read_is_a_warning(used, option, warning):
    with pytest.warns(UserWarning, match=warning):
        config = load_config(used, {option: 'new'})
    assert config.merge_from_dict({}) is None
    name, _, rest = option.partition('.')
    assert (config[name][rest] if rest else config[name]) == 'new'


@pytest.mark.filterwarnings('error')
def test_what_mmengine_reads_changes_without_a_word(used):
    keys = ('model.new', 'load_from', 'strategy.type', 'runner_type')
    load_config(used, dict.fromkeys(keys, 'x'))


@pytest.mark.parametrize(
    ('option', 'words'),
    [
        ('test_dataloader.pipeline.9.x', r'pipeline has 1 entries.*got .9.'),
        ('test_dataloader.pipeline.x.y', r'has 1 entries.*got .x.'),
        ('model.lora.rank', r'model\.lora is None, which has no key .rank.'),
        ('model.type.x', r"model\.type is 'Detector', which has no key"),
    ],
)
def test_an_option_that_fits_nowhere_is_refused(used, option, words):
    with pytest.raises(ConfigError, match=words):
        load_config(used, {option: 1})


def test_no_workers_need_no_other_option(used):
    config = load_config(used, {'train_dataloader.num_workers': 0})
    assert set(config.train_dataloader) == {'num_workers', 'dataset'}


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'\xef\xbb\xbfa = 1\n', 'byte order mark'),
        ('# \u4e2d\na = 1\n'.encode('gbk'), 'is not UTF-8'),
        (b'# -*- coding: latin-1 -*-\na = "\xe9"\n', 'is not UTF-8'),
    ],
)
@pytest.mark.parametrize('in_base', [True, False])
def test_encodings_are_refused_by_name(tmp_path, content, words, in_base):
    (tmp_path / 'odd.py').write_bytes(content)
    (tmp_path / 'child.py').write_text("_base_ = './odd.py'\n")
    path = tmp_path / ('child.py' if in_base else 'odd.py')
    with pytest.raises(ConfigError, match=rf'odd\.py .*{words}'):
        load_config(path)


@pytest.mark.parametrize('in_base', [True, False])
@pytest.mark.parametrize('kind', ['yaml', 'yml'])
def test_yaml_is_data(tmp_path, kind, in_base):
    mark = tmp_path / 'executed'
    path = tmp_path / f'odd.{kind}'
    path.write_text(f'a: !!python/object/apply:pathlib.Path.touch\n- {mark}\n')
    (tmp_path / 'child.py').write_text(f"_base_ = './odd.{kind}'\n")
    with pytest.raises(ConfigError, match=r'tag.*python/object/apply'):
        load_config(tmp_path / 'child.py' if in_base else path)
    assert not mark.exists()


def test_what_mmengine_dumps_as_yaml_is_read(tmp_path):
    path = tmp_path / 'dumped.yaml'
    config = Config(dict(a=dict(size=(1, (2, 3))), b=[1.5, None]))
    config.dump(path)
    assert 'python/tuple' in path.read_text()
    read = load_config(path)
    assert (read.a.size, read.b) == ((1, (2, 3)), [1.5, None])
