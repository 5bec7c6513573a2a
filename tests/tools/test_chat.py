"""``tools/chat.py``: questions in, answers and plans out."""

import io
import sys

import pytest
import torch
from mmengine.registry import init_default_scope
from mmocc_testing import write_tiny_dataset

from mmocc.registry import MODELS
from mmocc.utils.config import load_config

QUESTION = 'Are there any pedestrians?'


@pytest.fixture(scope='module')
def tool(load_tool):
    return load_tool('chat.py')


@pytest.fixture(scope='module')
def config(repository):
    return str(repository / 'tests/mmocc/apis/small_occvla.py')


@pytest.fixture(scope='module')
def weights(config, tmp_path_factory):
    """So wild that the model answers at length."""
    init_default_scope('mmocc')
    torch.manual_seed(0)
    model = MODELS.build(load_config(config).model)
    for parameter in model.bridge.vlm.parameters():
        parameter.data += torch.randn_like(parameter)
    path = tmp_path_factory.mktemp('weights') / 'random.pth'
    torch.save({'state_dict': model.state_dict()}, path)
    return str(path)


@pytest.fixture(scope='module')
def arguments(config, weights, tmp_path_factory):
    root = write_tiny_dataset(tmp_path_factory.mktemp('data'), num_frames=2)
    infos = root / 'nuscenes_infos_occ_val.pkl'
    return [config, weights, '--infos', str(infos), '--data-root', str(root)]


@pytest.fixture
def say(tool, arguments, monkeypatch, capsys):
    """Pipe lines in, get what is printed."""

    def run(*lines, more=()):
        monkeypatch.setattr(sys, 'stdin', io.StringIO('\n'.join(lines)))
        tool.main([*arguments, *more])
        return capsys.readouterr().out

    return run


def test_a_piped_conversation(say):
    """Ends with the input, has no prompt, and a frame is what it was."""
    out = say(QUESTION, '', '/frame 1', QUESTION, '/frame 0', QUESTION)
    assert '> ' not in out
    first, second, third = out.split('frame ')[1:]
    assert first.startswith('0, ') and second.startswith('1, ')
    assert first == third != second
    assert 'meta-action: ' in first
    assert first.count('\n  ') == 6  # six places of the plan
    path = [line for line in first.splitlines() if line.startswith('  3.0:')]
    assert len(path) == 1
    answer = first.splitlines()[-1]
    assert answer and answer != path[0]


def test_plan_is_that_of_the_frame(say):
    out = say('/plan', more=['--index', '1'])
    head, _, plan = out.partition('\n')
    assert head.startswith('frame 1, ')
    half = len(plan) // 2
    assert plan[:half] == plan[half:]


def test_errors_do_not_end_it(say):
    out = say('/frame 7', '/frame x', '/fly', '/help', '/quit', '/plan')
    assert 'error: there is no frame 7 among the 2' in out
    assert '/frame takes a number' in out
    assert 'no /fly\n' in out
    assert out.count('a question about the frame') == 2
    assert out.count('meta-action: ') == 1  # nothing behind /quit


def test_interrupt_ends_it_cleanly(tool, arguments, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def interrupt(prompt):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, 'stdin', Terminal())
    monkeypatch.setattr('builtins.input', interrupt)
    tool.main(arguments)
    assert capsys.readouterr().out.endswith('\n\n')


def test_a_terminal_has_a_prompt_and_an_end(
    tool, arguments, monkeypatch, capsys
):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    typed = iter(['/help'])

    def enter(prompt):
        assert prompt == '> '
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr(sys, 'stdin', Terminal())
    monkeypatch.setattr('builtins.input', enter)
    tool.main(arguments)
    assert '/frame N' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        (['--images', 'x'], 'not allowed with argument'),
        (['--ego', 'x.json'], 'belongs to --images'),
    ],
)
def test_contradicting_arguments(tool, arguments, capsys, extra, message):
    with pytest.raises(SystemExit):
        tool.parse_args([*arguments, *extra])
    assert message in capsys.readouterr().err


def test_an_index_that_is_not_there(tool, arguments):
    with pytest.raises(SystemExit, match=r'no frame 9 among the 2'):
        tool.main([*arguments, '--index', '9'])
