"""The shell scripts hand on what they were given, without starting Python."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

# Slurm in six lines: every task runs here, with its own rank.
SRUN = """#!/usr/bin/env bash
echo "srun ${*//$'\\n'/ }"
while [[ $1 != bash ]]; do [[ $1 != --ntasks=* ]] || n=${1#*=}; shift; done
for ((rank = 0; rank < n; rank++)); do
    SLURM_PROCID=$rank SLURM_JOB_NODELIST='node[3-4]' "$@"
done
"""
PYTHON = """#!/usr/bin/env bash
echo "python ${SLURM_PROCID:-} ${MASTER_ADDR:-}:${MASTER_PORT:-} $*"
"""


@pytest.fixture
def script(tmp_path, repository):
    def program(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    program('srun', SRUN)
    program('scontrol', '#!/usr/bin/env bash\necho node3\necho node4\n')
    python = program('python_stub', PYTHON)
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(('MASTER_', 'SLURM_', 'NODE', 'NNODES'))
    }

    def run(name: str, *arguments: str, **environment: str):
        return subprocess.run(
            ['bash', str(repository / 'tools' / name), *arguments],
            env=dict(
                clean,
                PATH=f'{tmp_path}{os.pathsep}{os.environ["PATH"]}',
                PYTHON=str(python),
                **environment,
            ),
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ('name', 'given', 'tool'),
    [
        ('dist_train.sh', ['c.py', '4'], 'train.py c.py'),
        ('dist_test.sh', ['c.py', 'x.pth', '4'], 'test.py c.py x.pth'),
    ],
)
def test_torchrun_gets_the_cluster_and_the_tool_the_rest(
    script, name, given, tool
):
    cluster = dict(NNODES='2', NODE_RANK='1', MASTER_ADDR='m', PORT='7')
    done = script(name, *given, '--work-dir', 'a b', **cluster)
    assert done.returncode == 0
    for part in (
        '-m torch.distributed.run',
        '--nnodes=2',
        '--node-rank=1',
        '--master-addr=m',
        '--master-port=7',
        '--nproc-per-node=4',
        f'{tool} --launcher pytorch --work-dir a b',
    ):
        assert part in done.stdout


@pytest.mark.parametrize(
    ('name', 'given', 'tool'),
    [
        ('slurm_train.sh', ['p', 'job', 'c.py'], 'train.py c.py'),
        ('slurm_test.sh', ['p', 'job', 'c.py', 'x.pth'], 'test.py c.py x.pth'),
    ],
)
def test_slurm_starts_every_task_with_one_address(script, name, given, tool):
    done = script(name, *given, '--amp', GPUS='2', PORT='7', SRUN_ARGS='-t 5')
    lines = done.stdout.splitlines()
    assert '-p p --job-name=job --ntasks=2' in lines[0]
    assert '--gres=gpu:2' in lines[0] and '-t 5' in lines[0]
    for rank, line in enumerate(lines[1:]):
        assert line.startswith(f'python {rank} node3:7 -u ')
        assert line.endswith(f'{tool} --launcher slurm --amp')
    assert len(lines) == 3


def test_slurm_without_gpus_asks_for_none(script):
    done = script('slurm_train.sh', 'p', 'j', 'c.py', GPUS='0', NTASKS='3')
    assert '--gres' not in done.stdout
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    'name',
    ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh'],
)
def test_too_few_arguments_print_the_usage(script, name):
    done = script(name, 'only_one')
    assert done.returncode == 2
    assert done.stderr.startswith(f'usage: bash tools/{name} ')
