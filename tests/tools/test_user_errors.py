"""A bug in code of the user shows its own traceback, our hint below it."""

import sys
import traceback

import pytest
from launching import ROOT, TOY, TOY_CONFIG, run_tool

CONFIG = f"""
_base_ = '{TOY_CONFIG}'
custom_imports = dict(imports=['toy_project', 'my_module'])
"""

BUGS = {
    'AttributeError': 'runner_of_mine = None; runner_of_mine.start()',
    'ImportError': 'from toy_project import MyNet',
    'ValueError': "raise ValueError('width is 7, expected 8')",
}
WORDS = {
    'AttributeError': "'NoneType' object has no attribute 'start'",
    'ImportError': "cannot import name 'MyNet' from 'toy_project'",
    'ValueError': 'width is 7, expected 8',
}

MODULE = """
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS, MODELS, RUNNERS
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from toy_project import ToyPoints, ToyRegressor


@MODELS.register_module()
class MyNet(ToyRegressor):
    def __init__(self, width=8):
        super().__init__()
        {constructor}


@HOOKS.register_module()
class MyHook(Hook):
    def before_train(self, runner):
        {hook}


@DATASETS.register_module()
class MyPoints(ToyPoints):
    def __getitem__(self, index):
        {dataset}
        return super().__getitem__(index)

{module}
"""


def fill(**parts: str) -> str:
    places = ('constructor', 'hook', 'dataset', 'module')
    return MODULE.format(**{p: parts.get(p, 'pass') for p in places})


OPTIONS = {
    'module': '',
    'constructor': "model = dict(_delete_=True, type='MyNet')\n",
    'hook': "custom_hooks = [dict(type='MyHook')]\n",
    'dataset': (
        "train_dataloader = dict(dataset=dict(type='MyPoints'), "
        'num_workers={workers})\n'
    ),
}
KEYS = {
    'module': 'custom_imports',
    'constructor': 'model.type',
    'hook': 'custom_hooks[0].type',
    'dataset': 'train_dataloader.dataset.type',
}


@pytest.fixture
def screen_of(load_tool, monkeypatch, tmp_path):
    """What ``train.py`` prints on a config with a module of one's own."""
    monkeypatch.chdir(tmp_path)
    for folder in (TOY, tmp_path):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv('LOCAL_RANK', '0')

    def run(module: str, config: str = '', *options: str) -> str:
        (tmp_path / 'my_module.py').write_text(module)
        path = tmp_path / 'my_config.py'
        path.write_text(CONFIG + config)
        words = ['train.py', str(path), '--work-dir', str(tmp_path), *options]
        monkeypatch.setattr('sys.argv', words)
        from mmengine.registry import DATASETS, HOOKS, MODELS

        sys.modules.pop('my_module', None)
        try:
            load_tool('train.py').main()
        except SystemExit as stopped:
            return str(stopped.code)
        except BaseException as error:
            return ''.join(traceback.format_exception(error))
        finally:
            for registry in (MODELS, HOOKS, DATASETS):
                for name in ('MyNet', 'MyHook', 'MyPoints'):
                    registry.module_dict.pop(name, None)
        return ''

    return run


@pytest.mark.parametrize('kind', BUGS)
@pytest.mark.parametrize('place', ['module', 'constructor', 'hook', 'dataset'])
def test_file_and_line_of_the_user_are_shown(screen_of, tmp_path, kind, place):
    module = fill(**{place: BUGS[kind]})
    line = module.splitlines().index(
        next(x for x in module.splitlines() if BUGS[kind] in x)
    )
    screen = screen_of(module, OPTIONS[place].format(workers=0))
    file = tmp_path / 'my_module.py'
    assert f'File "{file}", line {line + 1}' in screen
    assert f'{kind}: {WORDS[kind]}' in screen
    *_, before, hint = screen.strip().splitlines()
    assert hint.startswith(f'hint: this failed in {file}, line {line + 1}')
    assert KEYS[place] in hint and 'my_config.py' in hint
    assert WORDS[kind] in before and 'PYTHONPATH' not in screen


def test_a_bug_in_a_worker_shows_its_line(screen_of, tmp_path):
    module = fill(dataset=BUGS['ValueError'])
    screen = screen_of(module, OPTIONS['dataset'].format(workers=1))
    assert f'File "{tmp_path / "my_module.py"}", line' in screen
    assert 'hint: this failed in' in screen.strip().splitlines()[-1]


def test_a_bug_in_the_config_file_shows_its_line(screen_of, tmp_path):
    screen = screen_of(fill(), 'width = 8\nheads = width / 0\n')
    assert f'File "{tmp_path / "my_config.py"}", line 5' in screen
    assert 'ZeroDivisionError: division by zero' in screen


def test_a_class_that_refuses_a_key_is_one_line(screen_of):
    screen = screen_of(
        fill(), "model = dict(_delete_=True, type='MyNet', widht=8)\n"
    )
    assert 'model.widht: MyNet takes no argument' in screen
    assert "did you mean 'width'?" in screen and 'Traceback' not in screen


def test_a_misspelt_key_of_a_loader_is_one_line(screen_of):
    screen = screen_of(
        fill(), '', '--cfg-options', 'train_dataloader.drop_lst=True'
    )
    assert 'train_dataloader.drop_lst: DataLoader takes no' in screen
    assert "did you mean 'drop_last'?" in screen and 'Traceback' not in screen


def test_a_hook_reads_a_key_of_its_own(screen_of, capsys):
    """A key that nothing known reads is a warning, and there for hooks."""
    module = fill(hook="print('mine:', runner.cfg.my_key)")
    with pytest.warns(UserWarning, match="reads 'my_key'"):
        screen_of(module, OPTIONS['hook'], '--cfg-options', 'my_key=5')
    assert 'mine: 5' in capsys.readouterr().out


def test_runner_and_checkpoint_hook_of_the_user_are_used(screen_of, tmp_path):
    module = fill(
        module="""
@RUNNERS.register_module()
class MyRunner(Runner):
    def train(self):
        print('my runner', file=open('runner.txt', 'w'))
        return super().train()
"""
    )
    screen = screen_of(
        module,
        "runner_type = 'MyRunner'\ntrain_cfg = dict(max_epochs=1)\n"
        'default_hooks = dict(checkpoint=dict(_delete_=True, '
        "type='CheckpointHook', interval=1))\n",
    )
    assert screen == ''
    assert (tmp_path / 'runner.txt').is_file()
    # mmengine's own hook leaves its objects in the file.
    content = (tmp_path / 'epoch_1.pth').read_bytes()
    assert b'HistoryBuffer' in content


def test_the_screen_of_a_real_process(tmp_path):
    (tmp_path / 'my_module.py').write_text(fill(hook=BUGS['ValueError']))
    config = tmp_path / 'my_config.py'
    config.write_text(CONFIG + OPTIONS['hook'])
    done = run_tool(
        *('train.py', config, '--work-dir', tmp_path),
        environment=dict(PYTHONPATH=f'{ROOT}:{TOY}:{tmp_path}'),
    )
    assert done.returncode == 1
    screen = done.stderr.strip().splitlines()
    assert screen[-2] == 'ValueError: width is 7, expected 8'
    assert screen[-1].startswith('hint: this failed in')
    assert 'in MyHook.before_train' in screen[-1]
    assert f'{config} asks for it in custom_hooks[0].type' in screen[-1]
