import subprocess
import sys
from importlib import metadata

import torch

from mmocc.utils.env import (
    collect_environment,
    environment_report,
    format_report,
    git_commit,
)


def test_facts_agree_with_the_packages_themselves():
    facts = collect_environment(try_imports=False)
    assert facts.python == tuple(sys.version_info[:3])
    # Wheels of PyPI leave the CUDA version out of their metadata.
    release, _, _ = torch.__version__.partition('+')
    assert facts.packages['torch'].partition('+')[0] == release
    assert facts.packages['nuscenes-devkit'] == metadata.version(
        'nuscenes-devkit'
    )
    assert facts.torch_cuda == torch.version.cuda
    assert bool(facts.gpus) == torch.cuda.is_available()
    from mmcv import ops

    assert facts.mmcv_ops and ops is not None


def test_describing_needs_no_torch():
    code = (
        'import sys; sys.modules.update(torch=None, mmengine=None, '
        'numpy=None); from mmocc.utils import env; '
        'print(env.environment_report()["Python"]); '
        'env.collect_environment(try_imports=False)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == environment_report()['Python']


def test_report_carries_seed_and_commit():
    report = environment_report(seed=7)
    assert report['Seed'] == '7' and report['Commit'] == git_commit()
    assert 'Seed' not in environment_report()
    lines = format_report(report).splitlines()
    assert len(lines) == len(report)
    assert (
        len(
            {
                line.index(value)
                for line, value in zip(lines, report.values(), strict=True)
            }
        )
        == 1
    )
