import json
from dataclasses import replace

import pytest

from mmocc.utils.env import collect_environment


@pytest.fixture
def doctor(load_tool, monkeypatch, capsys):
    tool = load_tool('projects/Doctor/tools/doctor.py')

    def run(environment, *arguments) -> tuple[int, str]:
        monkeypatch.setattr('sys.argv', ['doctor.py', *arguments])
        monkeypatch.setattr(tool, 'collect_environment', lambda _: environment)
        return tool.main(), capsys.readouterr().out

    return run


@pytest.fixture(scope='module')
def here():
    return collect_environment(try_imports=False)


def test_error_sets_the_exit_code_and_is_printed(doctor, here):
    broken = replace(here, packages=dict(here.packages, numpy='2.2.6'))
    code, text = doctor(broken)
    assert code == 1
    assert 'error: numpy 2.2.6' in text
    assert '  fix: pip install numpy==1.26.4' in text


def test_report_stands_above_the_findings(doctor, here):
    code, text = doctor(here)
    assert code == 0, text
    for title in ('System', 'Commit', 'mmdet3d', 'rules checked'):
        assert title in text


def test_quiet_prints_findings_that_matter(doctor, here):
    broken = replace(here, python=(3, 13, 0))
    code, text = doctor(broken, '--quiet')
    assert code == 1
    assert 'info:' not in text and 'System' not in text
    assert json.dumps(text).count('error:') == 1
