"""Each rule is shown one broken environment, and stays silent otherwise."""

from dataclasses import replace

import pytest
from packaging.requirements import Requirement

from mmocc.projects.Doctor.doctor.rules import RULES, Level, examine
from mmocc.utils.env import Environment, Gpu

GOOD = Environment(
    python=(3, 11, 7),
    packages={
        'torch': '2.13.0+cpu',
        'numpy': '1.26.4',
        'mmengine': '0.10.7',
        'mmcv': '2.1.0',
        'mmdet': '3.3.0',
        'mmdet3d': '1.4.0',
        'transformers': '5.23.0',
        'peft': '0.21.2',
        'huggingface-hub': '2.4.0',
        'spconv-cu120': '2.3.6',
        'cumm-cu120': '0.4.11',
        'opencv-python-headless': '4.11.0.86',
        'nuscenes-devkit': '1.2.0',
        'setuptools': '81.0.0',
    },
    gpus=(),
    mmcv_ops=True,
    cv2_headless=True,
    libraries={'libGL': False, 'libusb-1.0': False},
)
H200 = Gpu('NVIDIA H200', (9, 0))


def packages(remove: tuple[str, ...] = (), **versions: str) -> dict:
    """``GOOD.packages`` with changes; ``_`` in a name stands for ``-``."""
    changed = dict(GOOD.packages)
    for name in remove:
        del changed[name]
    changed.update(
        (name.replace('_', '-'), version) for name, version in versions.items()
    )
    return dict(packages=changed)


ERROR, WARNING, INFO = Level.ERROR, Level.WARNING, Level.INFO
SPCONV = ('spconv-cu120', 'cumm-cu120')

# Rule, level, what is wrong with GOOD, what cause or fix must mention.
CASES = [
    ('required_packages', ERROR, packages(('mmdet',)), 'mmdet'),
    ('python_version', ERROR, dict(python=(3, 13, 0)), '3.13'),
    ('python_version', ERROR, dict(python=(3, 10, 9)), '3.10'),
    ('torch_version', ERROR, packages(torch='2.5.1'), '2.5.1'),
    ('torch_version', WARNING, packages(torch='2.14.0'), 'C++17'),
    ('torch_build', WARNING, dict(gpus=(H200,)), 'H200'),
    (
        'cuda_driver',
        ERROR,
        dict(gpus=(H200,), driver_cuda='12.4', torch_cuda='13.0'),
        '12.4',
    ),
    (
        'torchvision_pair',
        ERROR,
        packages(torchvision='0.27.0'),
        'torchvision==0.28',
    ),
    ('numpy_version', ERROR, packages(numpy='2.2.6'), '1.26.4'),
    ('spconv_numpy', ERROR, packages(numpy='2.2.6'), 'floating point'),
    (
        'spconv_lines',
        ERROR,
        packages(spconv_cu126='2.3.8', cumm_cu126='0.7.11'),
        'spconv-cu126',
    ),
    ('spconv_present', WARNING, packages(SPCONV), 'sparse'),
    ('spconv_cumm', ERROR, packages(cumm_cu120='0.7.11'), 'cumm-cu120'),
    ('spconv_cumm', ERROR, packages(('cumm-cu120',)), 'none'),
    (
        'spconv_cumm',
        ERROR,
        packages(SPCONV, spconv_cu126='2.3.8', cumm_cu126='0.8.2'),
        '<0.8',
    ),
    (
        'spconv_blackwell',
        WARNING,
        dict(gpus=(Gpu('RTX 5090', (12, 0)),), torch_cuda='12.8'),
        '12.0',
    ),
    ('transformers_version', ERROR, packages(transformers='5.2.0'), '5.2.0'),
    ('transformers_version', ERROR, packages(transformers='4.49.0'), '4.57'),
    ('transformers_torch', ERROR, packages(torch='2.4.0'), '2.6'),
    (
        'transformers_torch',
        ERROR,
        packages(torch='2.1.2', transformers='4.57.3'),
        '2.2',
    ),
    ('transformers_hub', ERROR, packages(transformers='4.57.3'), '<1'),
    ('transformers_hub', ERROR, packages(huggingface_hub='0.36.0'), '>=1.31'),
    (
        'transformers_import',
        ERROR,
        dict(import_errors={'transformers': 'ImportError: no x'}),
        'no x',
    ),
    ('peft_version', ERROR, packages(peft='0.17.1'), '0.20'),
    (
        'peft_version',
        ERROR,
        packages(peft='0.16.0', transformers='4.57.3'),
        '0.17',
    ),
    ('flash_attention', WARNING, packages(flash_attn='2.8.3'), 'uninstall'),
    ('openmmlab_versions', ERROR, packages(mmcv='2.2.0'), '<2.2'),
    ('openmmlab_versions', ERROR, packages(mmengine='0.10.5'), '0.10.7'),
    ('openmmlab_forks', ERROR, packages(onedl_mmcv='2.3.0'), 'onedl-mmcv'),
    ('mmcv_ops', ERROR, dict(mmcv_ops=False), '_ext'),
    (
        'mmcv_import',
        ERROR,
        dict(import_errors={'mmcv': 'undefined symbol: _ZN'}),
        '_ZN',
    ),
    ('setuptools_version', ERROR, packages(setuptools='82.0.1'), '<82'),
    ('setuptools_version', ERROR, packages(('setuptools',)), 'absent'),
    (
        'opencv_version',
        ERROR,
        packages(opencv_python_headless='4.12.0.88'),
        '4.11.0.86',
    ),
    (
        'opencv_builds',
        WARNING,
        packages(opencv_python='4.11.0.86') | dict(cv2_headless=False),
        'desktop build is active',
    ),
    (
        'opencv_libgl',
        ERROR,
        packages(('opencv-python-headless',), opencv_python='4.11.0.86')
        | dict(cv2_headless=False),
        'libGL',
    ),
    (
        'shapely_descartes',
        INFO,
        packages(shapely='2.0.7', descartes='1.1.0'),
        'IndexError',
    ),
    ('open3d_libusb', WARNING, packages(open3d='0.20.0'), 'libusb'),
    ('rerun_version', WARNING, packages(rerun_sdk='0.25.0'), '0.23.1'),
    (
        'forced_unsafe_load',
        WARNING,
        dict(variables={'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD': '1'}),
        'unset',
    ),
    ('mixed_precision', INFO, {}, '--amp'),
]


@pytest.mark.parametrize(
    ('rule', 'level', 'broken', 'mention'),
    CASES,
    ids=[f'{case[0]}-{index}' for index, case in enumerate(CASES)],
)
def test_rule_finds_its_breakage(rule, level, broken, mention):
    found = {f.rule: f for f in examine(replace(GOOD, **broken))}
    assert rule in found
    assert found[rule].level is level
    assert mention in found[rule].cause + found[rule].fix
    assert found[rule].fix and '\n' not in found[rule].fix


def test_every_rule_has_a_case():
    assert {case[0] for case in CASES} == set(RULES)
    assert len(RULES) >= 15


@pytest.mark.parametrize(
    'changes',
    [
        {},
        packages(SPCONV, spconv_cu126='2.3.8', cumm_cu126='0.7.11')
        | dict(python=(3, 12, 1)),
        packages(
            transformers='4.57.3', huggingface_hub='0.36.0', peft='0.17.1'
        ),
        packages(torch='2.6.0+cu124', torchvision='0.21.0')
        | dict(gpus=(H200,), driver_cuda='12.8', torch_cuda='12.4'),
        packages(torch='2.11.0+cu130')
        | dict(gpus=(H200,), driver_cuda='13.0', torch_cuda='13.0'),
        dict(libraries={'libGL': True, 'libusb-1.0': True}),
    ],
)
def test_supported_environments_have_no_error_or_warning(changes):
    found = examine(replace(GOOD, **changes))
    assert [f for f in found if f.level is not INFO] == []


@pytest.mark.parametrize('python', ['3.11', '3.12'])
def test_our_own_pins_have_no_error_or_warning(repository, python):
    pinned = {'setuptools': '81.0.0', 'torch': '2.13.0'}
    for name in ('mminstall', 'runtime', 'tests'):
        text = (repository / 'requirements' / f'{name}.txt').read_text()
        for line in text.splitlines():
            wanted = line and not line.startswith('#')
            requirement = Requirement(line) if wanted else None
            if requirement is None or requirement.name == 'setuptools':
                continue
            marker = requirement.marker
            here = dict(python_version=python, platform_system='Linux')
            if marker is None or marker.evaluate(here):
                (pin,) = requirement.specifier
                assert pin.operator == '=='
                pinned[requirement.name.lower().replace('_', '-')] = (
                    pin.version
                )
    # What pip chooses for the spconv of this Python.
    pinned.update(
        {'cumm-cu120': '0.4.11'}
        if python == '3.11'
        else {'cumm-cu126': '0.7.11'}
    )
    major, minor = python.split('.')
    found = examine(
        replace(GOOD, packages=pinned, python=(int(major), int(minor), 0))
    )
    assert [f for f in found if f.level is not INFO] == []
    assert (
        f'ruff=={pinned["ruff"]}'
        in (repository / '.pre-commit-config.yaml').read_text()
    )


def test_worst_comes_first():
    levels = [
        f.level
        for f in examine(
            replace(GOOD, **packages(numpy='2.0.0', open3d='0.20.0'))
        )
    ]
    assert levels == sorted(levels, key=list(Level).index)
    assert levels[0] is ERROR and levels[-1] is INFO


def test_empty_environment_is_diagnosed():
    found = examine(Environment(python=(3, 11, 7), packages={}))
    assert found[0].rule == 'required_packages'
