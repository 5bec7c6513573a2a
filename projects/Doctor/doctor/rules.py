"""Rules that find what is wrong with an installation.

Each rule looks at an ``Environment`` and returns findings: a cause and a
one-line fix. The rules are the known breakages of this stack, met in the
issue trackers of its packages or reproduced by us; ``tools/doctor.py`` runs
them all.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mmocc.utils.env import Environment


class Level(Enum):
    """How bad a finding is; only errors make the doctor exit non-zero."""

    ERROR = 'error'
    WARNING = 'warning'
    INFO = 'info'


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Args:
        rule (str): Name of the rule that found it.
        level (Level): How bad it is.
        cause (str): What was found and what it breaks.
        fix (str): One line that mends it.
    """

    rule: str
    level: Level
    cause: str
    fix: str


Verdict = tuple[Level, str, str] | None
Rule = Callable[[Environment], Verdict]

RULES: dict[str, Rule] = {}

INSTALL = 'bash tools/install.sh'


def examine(environment: Environment) -> list[Finding]:
    """Run every rule.

    Args:
        environment (Environment): What to judge.

    Returns:
        list[Finding]: Worst first, then in the order of ``RULES``.
    """
    findings = []
    for name, rule in RULES.items():
        verdict = rule(environment)
        if verdict is not None:
            findings.append(Finding(name, *verdict))
    return sorted(findings, key=lambda found: list(Level).index(found.level))


def _rule(function: Rule) -> Rule:
    RULES[function.__name__] = function
    return function


def _release(text: str) -> tuple[int, ...]:
    """``'2.13.0+cpu'`` as (2, 13, 0), without a package to do so.

    Pre-releases count as their release: they break where it breaks.
    """
    found = re.match(r'\d+(\.\d+)*', text)
    return tuple(int(part) for part in found[0].split('.')) if found else ()


def _within(
    found: str, at_least: str | None = None, below: str | None = None
) -> bool:
    """Whether ``at_least <= found < below``."""
    if at_least is not None and _release(found) < _release(at_least):
        return False
    return below is None or _release(found) < _release(below)


@_rule
def required_packages(environment: Environment) -> Verdict:
    """Something without which ``import mmocc.registry`` fails."""
    needed = (
        'torch',
        'numpy',
        'mmengine',
        'mmcv',
        'mmdet',
        'mmdet3d',
        'transformers',
        'peft',
    )
    absent = [name for name in needed if name not in environment.packages]
    if absent:
        return (
            Level.ERROR,
            f'not installed: {", ".join(absent)}',
            INSTALL,
        )
    return None


@_rule
def python_version(environment: Environment) -> Verdict:
    """numpy 1.26 has no wheel for 3.13, transformers 5 needs 3.11."""
    found = environment.python
    if (3, 11) <= found[:2] <= (3, 12):
        return None
    return (
        Level.ERROR,
        f'Python {".".join(map(str, found))}; mmocc and its pinned packages '
        'run on 3.11 and 3.12',
        f'PYTHON=python3.11 {INSTALL}',
    )


@_rule
def torch_version(environment: Environment) -> Verdict:
    """Tried from 2.6 to 2.13; 2.14 compiles extensions as C++20."""
    found = environment.packages.get('torch')
    if found is None or _within(found, '2.6', '2.14'):
        return None
    if _within(found, below='2.6'):
        return (
            Level.ERROR,
            f'torch {found} is older than 2.6: transformers 5 switches torch '
            'off and torch.load does not default to weights_only=True',
            f'TORCH_SPEC=torch==2.13.0 {INSTALL}',
        )
    return (
        Level.WARNING,
        f'torch {found} is newer than 2.13, the last one tried; mmcv 2.1.0 '
        'compiles as C++17, which it may refuse',
        f'TORCH_SPEC=torch==2.13.0 {INSTALL}',
    )


@_rule
def torch_build(environment: Environment) -> Verdict:
    """A GPU is there and torch cannot use it."""
    if not environment.gpus or environment.torch_cuda is not None:
        return None
    if 'torch' not in environment.packages:
        return None
    return (
        Level.WARNING,
        f'{environment.gpus[0].name} is present, but torch '
        f'{environment.packages["torch"]} is a CPU build',
        'install a CUDA build: pip install --force-reinstall torch==2.13.0 '
        'from an index that has one',
    )


@_rule
def cuda_driver(environment: Environment) -> Verdict:
    """The driver is older than torch's CUDA; minor versions mix."""
    driver, cuda = environment.driver_cuda, environment.torch_cuda
    if driver is None or cuda is None:
        return None
    if int(driver.split('.')[0]) >= int(cuda.split('.')[0]):
        return None
    return (
        Level.ERROR,
        f'the NVIDIA driver serves CUDA up to {driver}, torch was built for '
        f'{cuda}',
        f'update the driver, or install a torch built for CUDA {driver}',
    )


@_rule
def torchvision_pair(environment: Environment) -> Verdict:
    """torchvision 0.(n + 15) belongs to torch 2.n and breaks beside others."""
    torch = environment.packages.get('torch')
    vision = environment.packages.get('torchvision')
    if torch is None or vision is None:
        return None
    major, minor = _release(torch)[:2]
    wanted = minor + 15
    if major != 2 or _release(vision)[1] == wanted:
        return None
    return (
        Level.ERROR,
        f'torchvision {vision} was not built for torch {torch}; importing it '
        'raises "operator torchvision::nms does not exist"',
        f'pip install "torchvision==0.{wanted}.*", or pip uninstall '
        'torchvision (mmocc does not need it)',
    )


@_rule
def numpy_version(environment: Environment) -> Verdict:
    """nuscenes-devkit caps numpy, mmdet3d and mmdet use removed aliases."""
    found = environment.packages.get('numpy')
    if found is None or _within(found, '1.26', '2'):
        return None
    return (
        Level.ERROR,
        f'numpy {found}; nuscenes-devkit, parts of mmdet and mmdet3d need '
        '1.26',
        'pip install numpy==1.26.4',
    )


@_rule
def spconv_numpy(environment: Environment) -> Verdict:
    """spconv-cu120 2.3.6 dies with SIGFPE and no message on numpy 2."""
    numpy = environment.packages.get('numpy')
    spconv = environment.packages.get('spconv-cu120')
    if numpy is None or spconv is None or _within(numpy, below='2'):
        return None
    return (
        Level.ERROR,
        f'spconv-cu120 {spconv} with numpy {numpy} is killed by a floating '
        'point exception at the first tensor',
        'pip install numpy==1.26.4',
    )


def _spconv_lines(environment: Environment) -> list[str]:
    return [
        name
        for name in environment.packages
        if name == 'spconv' or name.startswith('spconv-cu')
    ]


@_rule
def spconv_lines(environment: Environment) -> Verdict:
    """Two CUDA lines of spconv overwrite each other's files."""
    lines = _spconv_lines(environment)
    if len(lines) < 2:
        return None
    return (
        Level.ERROR,
        f'{" and ".join(sorted(lines))} are both installed and share one '
        'folder',
        f'pip uninstall -y {" ".join(sorted(lines))}, then {INSTALL}',
    )


@_rule
def spconv_present(environment: Environment) -> Verdict:
    """Only sparse encoders need it."""
    if _spconv_lines(environment):
        return None
    return (
        Level.WARNING,
        'spconv is not installed: models with sparse convolutions cannot be '
        'built',
        INSTALL,
    )


@_rule
def spconv_cumm(environment: Environment) -> Verdict:
    """Each spconv accepts one line of cumm; ``pip install -U`` breaks it."""
    accepted = {'2.3.6': ('0.4.5', '0.5'), '2.3.8': ('0.7.11', '0.8')}
    for line in _spconv_lines(environment):
        spconv = environment.packages[line]
        cumm_name = line.replace('spconv', 'cumm')
        cumm = environment.packages.get(cumm_name)
        if spconv not in accepted:
            continue
        low, high = accepted[spconv]
        if cumm is None or not _within(cumm, low, high):
            return (
                Level.ERROR,
                f'{line} {spconv} wants {cumm_name} >={low},<{high}, found '
                f'{cumm or "none"}',
                f'pip install "{cumm_name}>={low},<{high}"',
            )
    return None


@_rule
def spconv_blackwell(environment: Environment) -> Verdict:
    """No prebuilt spconv holds kernels for compute capability 12.x."""
    new = [gpu for gpu in environment.gpus if gpu.capability >= (12, 0)]
    if not new or not _spconv_lines(environment):
        return None
    return (
        Level.WARNING,
        f'{new[0].name} has compute capability '
        f'{".".join(map(str, new[0].capability))}; prebuilt spconv has no '
        'kernels for it',
        'build spconv and cumm from source, or train sparse encoders on '
        'another GPU',
    )


@_rule
def transformers_version(environment: Environment) -> Verdict:
    """4.57 and 5.4 or newer were tried; embedding scaling moved between."""
    found = environment.packages.get('transformers')
    if (
        found is None
        or _within(found, '4.57', '5')
        or _within(found, '5.4', '6')
    ):
        return None
    return (
        Level.ERROR,
        f'transformers {found}; PaliGemma scales embeddings and names its '
        'weights differently outside 4.57 and 5.4 to 5.x',
        'pip install transformers==5.23.0',
    )


@_rule
def transformers_torch(environment: Environment) -> Verdict:
    """transformers 5 treats an older torch as absent, without an error."""
    torch = environment.packages.get('torch')
    found = environment.packages.get('transformers')
    if torch is None or found is None:
        return None
    needed = '2.6' if _within(found, '5.4') else '2.2'
    if _within(torch, needed):
        return None
    return (
        Level.ERROR,
        f'transformers {found} ignores torch {torch}: it needs torch '
        f'{needed} or newer',
        f'pip install "torch>={needed}"',
    )


@_rule
def transformers_hub(environment: Environment) -> Verdict:
    """transformers 4 refuses huggingface_hub 1.0, 5 needs it."""
    found = environment.packages.get('transformers')
    hub = environment.packages.get('huggingface-hub')
    if found is None or hub is None:
        return None
    if _within(found, '5'):
        wanted, fits = '>=1.31,<3', _within(hub, '1.31', '3')
    else:
        wanted, fits = '<1', _within(hub, below='1')
    if fits:
        return None
    return (
        Level.ERROR,
        f'transformers {found} does not accept huggingface_hub {hub}',
        f'pip install "huggingface_hub{wanted}"',
    )


@_rule
def transformers_import(environment: Environment) -> Verdict:
    """mmengine.optim imports transformers, so its troubles surface there."""
    error = environment.import_errors.get('transformers')
    if error is None:
        return None
    return (
        Level.ERROR,
        'transformers cannot be imported, which also breaks mmengine: '
        f'{error}',
        'pip install --force-reinstall --no-deps transformers==5.23.0',
    )


@_rule
def peft_version(environment: Environment) -> Verdict:
    """peft 0.17 imports a class that transformers 5 removed."""
    peft = environment.packages.get('peft')
    found = environment.packages.get('transformers')
    if peft is None or found is None:
        return None
    needed = '0.20' if _within(found, '5') else '0.17'
    if _within(peft, needed):
        return None
    return (
        Level.ERROR,
        f'peft {peft} with transformers {found}: adapters need peft '
        f'{needed} or newer',
        f'pip install "peft>={needed}"',
    )


@_rule
def flash_attention(environment: Environment) -> Verdict:
    """A wheel for another torch breaks the import of transformers."""
    found = environment.packages.get('flash-attn')
    if found is None:
        return None
    return (
        Level.WARNING,
        f'flash-attn {found} is installed; built for another torch it breaks '
        'importing transformers, and mmocc does not use it',
        'pip uninstall -y flash-attn',
    )


@_rule
def openmmlab_versions(environment: Environment) -> Verdict:
    """mmdet3d 1.4.0 asserts the versions of the others on import."""
    accepted = {
        'mmengine': ('0.10.7', '1'),
        'mmcv': ('2.0.0', '2.2'),
        'mmdet': ('3.3', '3.4'),
        'mmdet3d': ('1.4', '1.5'),
    }
    wrong = [
        f'{name} {environment.packages[name]} (wanted >={low},<{high})'
        for name, (low, high) in accepted.items()
        if name in environment.packages
        and not _within(environment.packages[name], low, high)
    ]
    if not wrong:
        return None
    return (
        Level.ERROR,
        f'OpenMMLab versions that do not fit: {", ".join(wrong)}',
        f'pip install --no-deps -r requirements/mminstall.txt (or {INSTALL})',
    )


@_rule
def openmmlab_forks(environment: Environment) -> Verdict:
    """The onedl forks install the same modules under other names."""
    forks = sorted(
        name
        for name in environment.packages
        if name.startswith('onedl-mm') or name in ('mmcv-full', 'mmcv-lite')
    )
    if not forks:
        return None
    return (
        Level.ERROR,
        f'{", ".join(forks)} overwrite the modules of OpenMMLab packages',
        f'pip uninstall -y {" ".join(forks)}, then {INSTALL}',
    )


@_rule
def mmcv_ops(environment: Environment) -> Verdict:
    """mmcv's setup skips the ops without a word if it sees no torch."""
    if environment.mmcv_ops is not False:
        return None
    return (
        Level.ERROR,
        'mmcv was installed without its compiled ops (no mmcv._ext): it was '
        'built where its setup could not see torch',
        f'pip uninstall -y mmcv, then {INSTALL}',
    )


@_rule
def mmcv_import(environment: Environment) -> Verdict:
    """The ops belong to another torch: undefined symbol on import."""
    error = environment.import_errors.get('mmcv')
    if error is None or environment.mmcv_ops is False:
        return None
    return (
        Level.ERROR,
        f'the compiled ops of mmcv do not load beside this torch: {error}',
        f'pip uninstall -y mmcv, then {INSTALL}',
    )


@_rule
def setuptools_version(environment: Environment) -> Verdict:
    """82 dropped pkg_resources, which mmcv's build and mmengine import."""
    found = environment.packages.get('setuptools')
    if found is not None and _within(found, below='82'):
        return None
    return (
        Level.ERROR,
        f'setuptools {found or "is absent"}: pkg_resources, which building '
        'mmcv and helpers of mmengine import, is gone since 82',
        'pip install "setuptools<82"',
    )


@_rule
def opencv_version(environment: Environment) -> Verdict:
    """4.12 wants numpy 2."""
    for name in ('opencv-python-headless', 'opencv-python'):
        found = environment.packages.get(name)
        if found is not None and not _within(found, below='4.12'):
            return (
                Level.ERROR,
                f'{name} {found} needs numpy 2, which nuscenes-devkit does '
                'not accept',
                f'pip install {name}==4.11.0.86',
            )
    return None


@_rule
def opencv_builds(environment: Environment) -> Verdict:
    """Both builds own the folder ``cv2``; the one installed last wins."""
    both = {'opencv-python', 'opencv-python-headless'}
    if not both <= environment.packages.keys():
        return None
    active = 'headless' if environment.cv2_headless else 'desktop'
    return (
        Level.WARNING,
        'opencv-python and opencv-python-headless share one folder; the '
        f'{active} build is active',
        'pip uninstall -y opencv-python opencv-python-headless && pip '
        'install --no-deps opencv-python-headless==4.11.0.86',
    )


@_rule
def opencv_libgl(environment: Environment) -> Verdict:
    """The desktop build needs libGL, which servers lack."""
    if environment.cv2_headless is not False:
        return None
    if environment.libraries.get('libGL', True):
        return None
    return (
        Level.ERROR,
        'the desktop build of OpenCV is active and libGL.so.1 is absent: '
        'import cv2 fails',
        'pip uninstall -y opencv-python && pip install --force-reinstall '
        '--no-deps opencv-python-headless==4.11.0.86',
    )


@_rule
def shapely_descartes(environment: Environment) -> Verdict:
    """descartes indexes geometries in a way Shapely 2 took away."""
    shapely = environment.packages.get('shapely')
    if shapely is None or 'descartes' not in environment.packages:
        return None
    if _within(shapely, below='2'):
        return None
    return (
        Level.INFO,
        f'with Shapely {shapely} the map drawing of nuscenes-devkit raises '
        'IndexError; mmocc draws maps itself',
        'nothing to do unless you call NuScenesMap.render_*',
    )


@_rule
def open3d_libusb(environment: Environment) -> Verdict:
    """open3d loads libusb on import."""
    if 'open3d' not in environment.packages:
        return None
    if environment.libraries.get('libusb-1.0', True):
        return None
    return (
        Level.WARNING,
        'open3d is installed but libusb-1.0 is not: import open3d fails '
        '(mmocc only uses it when asked to)',
        'install libusb-1.0-0, or pip uninstall -y open3d',
    )


@_rule
def rerun_version(environment: Environment) -> Verdict:
    """rerun-sdk 0.24 wants numpy 2."""
    found = environment.packages.get('rerun-sdk')
    if found is None or _within(found, below='0.24'):
        return None
    return (
        Level.WARNING,
        f'rerun-sdk {found} wants numpy 2',
        'pip install rerun-sdk==0.23.1',
    )


@_rule
def forced_unsafe_load(environment: Environment) -> Verdict:
    """The environment variable that many threads recommend."""
    name = 'TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD'
    value = environment.variables.get(name, '').lower()
    if value not in ('1', 'y', 'yes', 'true'):
        return None
    return (
        Level.WARNING,
        f'{name} is set: torch.load runs code found in any checkpoint',
        f'unset {name}; checkpoints of mmocc load without it',
    )


@_rule
def mixed_precision(environment: Environment) -> Verdict:
    """AmpOptimWrapper asserts an accelerator."""
    if environment.gpus:
        return None
    return (
        Level.INFO,
        'no GPU was found: AmpOptimWrapper (train.py --amp) refuses to run, '
        'everything else works on CPU',
        'train without --amp on this machine',
    )
