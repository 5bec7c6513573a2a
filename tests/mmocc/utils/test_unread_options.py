"""Options of the command line that nothing would read."""

import pytest
from mmengine.config import Config

from mmocc.utils.config import ConfigError, load_config
from mmocc.utils.unread_options import unread_option

TEXT = """
data_root = 'data/x/'
vlm = dict(type='VLM', dtype='bfloat16')
width = 7
model = dict(type='Detector', bridge=dict(vlm=vlm))
train_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(pipeline=[dict(root=data_root)])
"""


@pytest.fixture
def config():
    return Config.fromstring(TEXT, '.py')


def test_what_the_runner_reads_may_change(config):
    options = ['model.bridge.new', 'load_from', 'strategy.type', 'sync_bn']
    assert unread_option(config, options) is None


def test_a_misspelt_key_has_a_neighbour(config):
    line = unread_option(config, ['model.x', 'train_dataloder.batch_size'])
    assert "no key 'train_dataloder'; did you mean 'train_dataloader'" in line


def test_a_used_variable_names_the_keys_that_were_made_of_it(config):
    line = unread_option(config, ['data_root'])
    assert (
        'set train_dataloader.dataset.data_root, '
        'test_dataloader.pipeline.0.root (' in line
    )
    line = unread_option(config, ['vlm.dtype'])
    assert 'set model.bridge.vlm.dtype (' in line
    assert 'the keys that it was used for' in unread_option(config, ['width'])


def test_a_part_of_a_config_may_change_anywhere():
    part = Config.fromstring("vlm = dict(dtype='bfloat16')", '.py')
    assert unread_option(part, ['vlm.dtype', 'other']) is None


def test_a_config_is_not_read_with_such_an_option(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text(TEXT)
    with pytest.raises(ConfigError, match=r'config\.py: --cfg-options vlm'):
        load_config(path, {'vlm.dtype': 'float32'})
    assert load_config(path, {'model.a': 1}).model.a == 1
