"""The wheel works without the clone, and no name of ours shadows another."""

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
import yaml
from launching import read_curve
from mmocc_testing import write_tiny_dataset
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
OCCVLA = 'OccVLA/configs/occvla/occvla_tiny_stage2-joint_synthetic.py'

CONFIG = """
_base_ = 'mmocc::{name}'

log_processor = dict(window_size=1)
load_from = None
model = dict(
    occ_head=dict(
        query_shape=(10, 10),
        vqvae=dict(init_cfg=None, base_channels=4, latent_channels=8),
    ),
)
param_scheduler = None
train_cfg = dict(
    _delete_=True, type='IterBasedTrainLoop', max_iters=2, val_interval=9
)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(by_epoch=False, interval=2)
)
train_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(data_root='{data}'),
)
val_dataloader = dict(dataset=dict(data_root='{data}'))
test_dataloader = val_dataloader
"""


def run(python: Path | str, *words: str | Path, **options) -> str:
    """Standard output of a Python process outside of the clone."""
    variables = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
    variables.update(OMP_NUM_THREADS='1', **options.pop('environment', {}))
    done = subprocess.run(
        [str(python), *map(str, words)],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    """The wheel of a copy of the clone, built without the network."""
    folder = tmp_path_factory.mktemp('wheel')
    clone = folder / 'clone'
    clone.mkdir()
    for name in (
        *('mmocc', 'configs', 'projects', 'tools', 'model-index.yml'),
        *('pyproject.toml', 'setup.py', 'MANIFEST.in', 'README.md', 'LICENSE'),
    ):
        run('/bin/cp', '-r', ROOT / name, clone)
    run(
        *(sys.executable, '-m', 'pip', 'wheel', '-q', '--no-index'),
        *('--no-deps', '--no-build-isolation', '-w', folder, clone),
    )
    (found,) = folder.glob('mmocc-*.whl')
    return found


@pytest.fixture(scope='module')
def python(wheel, tmp_path_factory) -> Path:
    """Python of an environment like this one, with the wheel installed."""
    folder = tmp_path_factory.mktemp('environment')
    run(sys.executable, '-m', 'venv', '--without-pip', folder)
    python = folder / 'bin' / 'python'
    version = '.'.join(map(str, sys.version_info[:2]))
    site = folder / 'lib' / f'python{version}' / 'site-packages'
    # .pth files there are not read, so an editable install is not seen.
    (site / 'parent.pth').write_text(sysconfig.get_path('purelib') + '\n')
    run(
        *(sys.executable, '-m', 'pip', 'install', '-q', '--no-index'),
        *('--no-deps', '--target', site, wheel),
    )
    return python


def names_of(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_one_package(wheel):
    tops = {name.split('/')[0] for name in names_of(wheel)}
    assert {top for top in tops if not top.endswith('.dist-info')} == {'mmocc'}


def test_the_wheel_holds_configs_tools_projects_and_assets(wheel):
    names = set(names_of(wheel))
    mim = 'mmocc/.mim'
    assert {
        f'{mim}/model-index.yml',
        f'{mim}/configs/_base_/default_runtime.py',
        f'{mim}/configs/{OCCVLA}',
        f'{mim}/tools/train.py',
        f'{mim}/tools/dist_train.sh',
        f'{mim}/projects/OccVLA/occvla/__init__.py',
        'mmocc/assets/tiny_tokenizer/tokenizer.json',
    } <= names
    ours = [name for name in names if name.startswith('mmocc/')]
    assert not [name for name in ours if '/tests/' in name]
    assert not [name for name in ours if name.endswith(('.md', '.pyc'))]


def test_the_model_index_of_the_wheel_names_files_in_it(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        index = yaml.safe_load(archive.read('mmocc/.mim/model-index.yml'))
        for name in index['Import']:
            content = yaml.safe_load(archive.read(f'mmocc/.mim/{name}'))
            for model in content['Models']:
                assert f'mmocc/.mim/{model["Config"]}' in names


def test_mim_finds_each_config_by_its_name(wheel):
    configs = [
        Path(name).name
        for name in names_of(wheel)
        if '/configs/' in name and '/_base_/' not in name
    ]
    assert len(configs) - configs.count('metafile.yml') == len(
        set(configs) - {'metafile.yml'}
    )


def test_the_wheel_trains_from_an_empty_folder(python, tmp_path):
    write_tiny_dataset(tmp_path / 'data', num_frames=2)
    (tmp_path / 'work').mkdir()
    config = tmp_path / 'work' / 'own.py'
    config.write_text(CONFIG.format(name=OCCVLA, data=tmp_path / 'data/'))
    # What mim does.
    tool = run(
        python,
        '-c',
        'from mmengine.utils import get_installed_path as f;'
        "print(f('mmocc') + '/.mim/tools/train.py')",
        cwd=tmp_path / 'work',
    )
    run(
        *(python, tool.strip(), config, '--launcher', 'none'),
        cwd=tmp_path / 'work',
    )
    curve = read_curve(tmp_path / 'work' / 'work_dirs' / 'own')
    assert set(curve) == {1, 2}
    assert (tmp_path / 'work' / 'work_dirs' / 'own' / 'iter_2.pth').is_file()


def test_an_editable_install_finds_configs_as_well(tmp_path):
    """A copy of the clone in which setup.py has made its links."""
    clone = tmp_path / 'clone'
    clone.mkdir()
    for name in ('mmocc', 'configs', 'projects', 'tools'):
        run('/bin/cp', '-r', ROOT / name, clone)
    for name in ('pyproject.toml', 'setup.py', 'model-index.yml', 'README.md'):
        run('/bin/cp', ROOT / name, clone)
    run(
        *(sys.executable, '-c'),
        'import setuptools; setuptools.setup = lambda **_: None;'
        "import setup; setup.fill(setup.ROOT / 'mmocc/.mim', setup.link)",
        cwd=clone,
    )
    moved = clone.rename(tmp_path / 'moved')
    config = tmp_path / 'own.py'
    config.write_text(f"_base_ = 'mmocc::{OCCVLA}'\n")
    code = (
        'import mmocc; from mmengine.config import Config;'
        'from mmengine.hub import get_config;'
        "print(mmocc.__file__, Config.fromfile('own.py').model.type,"
        f"get_config('mmocc::{OCCVLA}').model.type)"
    )
    printed = run(
        *(sys.executable, '-c', code),
        cwd=tmp_path,
        environment=dict(PYTHONPATH=str(moved)),
    )
    assert printed.split() == [
        str(moved / 'mmocc/__init__.py'),
        *['OccVLA'] * 2,
    ]


@pytest.mark.parametrize('package_file', [True, False])
@pytest.mark.parametrize('ours_first', [True, False])
def test_another_plugin_keeps_its_projects(tmp_path, package_file, ours_first):
    for name in ('BEVFusion', 'mmdet3d_plugin'):
        folder = tmp_path / 'projects' / name
        folder.mkdir(parents=True)
        (folder / '__init__.py').write_text(f'NAME = {name!r}\n')
    if package_file:
        (tmp_path / 'projects' / '__init__.py').touch()
    path = [str(ROOT), str(tmp_path)]
    # Of ours a module that loads in no time; it is found as all others are.
    code = (
        'import projects.BEVFusion, projects.mmdet3d_plugin;'
        'import mmocc.projects.SyntheticNuScenes.synthetic.curves as ours;'
        'print(projects.BEVFusion.NAME, projects.mmdet3d_plugin.NAME,'
        'ours.__name__.split(".")[2])'
    )
    printed = run(
        *(sys.executable, '-c', code),
        cwd=tmp_path.parent,
        environment=dict(
            PYTHONPATH=os.pathsep.join(path if ours_first else path[::-1])
        ),
    )
    assert printed.split() == [
        *('BEVFusion', 'mmdet3d_plugin', 'SyntheticNuScenes')
    ]


@pytest.mark.parametrize(
    'first',
    ['projects.OccVLA.occvla.occvla', 'mmocc.projects.OccVLA.occvla.occvla'],
)
def test_both_names_of_a_project_are_one_module(tmp_path, first):
    code = (
        f'import {first};'
        'import projects.OccVLA.occvla as a;'
        'import mmocc.projects.OccVLA.occvla as b;'
        'from projects.OccVLA.occvla.occvla import OccVLA as c;'
        'from mmocc.registry import MODELS;'
        "print(a.OccVLA is b.OccVLA is c is MODELS.get('OccVLA'))"
    )
    printed = run(
        *(sys.executable, '-c', code),
        cwd=tmp_path,
        environment=dict(PYTHONPATH=str(ROOT)),
    )
    assert printed.strip() == 'True'


def ranges_of(wheel: Path) -> list[Requirement]:
    """Requirements of the wheel, extras among them."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith('/METADATA'))
        lines = message_from_string(archive.read(name).decode())
    return list(map(Requirement, lines.get_all('Requires-Dist')))


def test_pins_lie_within_the_ranges_of_the_wheel(wheel):
    ranges: dict[str, list] = {}
    for found in ranges_of(wheel):
        ranges.setdefault(canonicalize_name(found.name), []).append(found)
    for file in ('runtime', 'mminstall', 'optional'):
        text = (ROOT / 'requirements' / f'{file}.txt').read_text()
        for line in re.findall(r'^[\w.-]+==[^#\n]*', text, re.M):
            pin = Requirement(line.strip())
            (version,) = pin.specifier
            found = ranges.get(canonicalize_name(pin.name))
            assert found, f'{line}: no extra of the wheel has it'
            assert all(
                part.specifier.contains(version.version) for part in found
            ), line


def test_evaluation_needs_no_torch(wheel):
    light = {
        found.name
        for found in ranges_of(wheel)
        if found.marker is None or found.marker.evaluate({'extra': 'eval'})
    }
    assert light == {'numpy', 'scipy', 'numba'}
