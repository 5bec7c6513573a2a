"""Report the environment: machine, versions, commit.

``tools/doctor.py`` judges it, benchmarks and reports print it, and users
paste it into issues. Nothing here imports torch or OpenMMLab: a broken
installation can be described as well, and within a second.
"""

import ctypes.util
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

# The distributions whose versions decide whether mmocc works.
REPORTED = (
    'torch',
    'torchvision',
    'mmengine',
    'mmcv',
    'mmdet',
    'mmdet3d',
    'mmocc',
    'numpy',
    'opencv-python',
    'opencv-python-headless',
    'transformers',
    'peft',
    'accelerate',
    'huggingface-hub',
    'diffusers',
    'spconv-cu120',
    'spconv-cu126',
    'nuscenes-devkit',
    'setuptools',
)

# Packages that break on import when they and torch do not fit, and a
# statement that shows it: mmengine.optim takes Adafactor from transformers;
# the ops of mmcv are loaded without the rest of mmcv, to save a second.
_FRAGILE = {
    'transformers': 'from transformers import Adafactor',
    'mmcv': """
import glob, importlib.machinery, importlib.util, torch
folder = importlib.util.find_spec('mmcv').submodule_search_locations[0]
for ops in glob.glob(folder + '/_ext*.so'):
    loader = importlib.machinery.ExtensionFileLoader('_ext', ops)
    spec = importlib.util.spec_from_loader('_ext', loader)
    importlib.util.module_from_spec(spec)
""",
}

UNKNOWN = 'unknown'
_TIMEOUT = 20  # seconds for nvidia-smi, which may hang on a sick driver


@dataclass(frozen=True)
class Gpu:
    """One accelerator.

    Args:
        name (str): Marketing name.
        capability (tuple[int, int]): Compute capability, such as (9, 0).
    """

    name: str
    capability: tuple[int, int]


@dataclass(frozen=True)
class Environment:
    """Facts about an installation, each of them replaceable in a test.

    Args:
        python (tuple[int, ...]): Version of the interpreter.
        packages (Mapping[str, str]): Normalised distribution name to version.
        torch_cuda (str | None): CUDA version torch was built with; None for a
            CPU build or no torch.
        gpus (tuple[Gpu, ...]): Visible NVIDIA devices.
        driver_cuda (str | None): Newest CUDA version the driver serves.
        mmcv_ops (bool | None): True where mmcv has its compiled ops; None
            without mmcv.
        cv2_headless (bool | None): Which build of OpenCV ``import cv2``
            finds; None without one.
        libraries (Mapping[str, bool]): Shared system libraries looked for.
        variables (Mapping[str, str]): Environment variables.
        import_errors (Mapping[str, str]): Module to the last line of what it
            raised on import; empty where nothing was tried.
    """

    python: tuple[int, ...]
    packages: Mapping[str, str]
    torch_cuda: str | None = None
    gpus: tuple[Gpu, ...] = ()
    driver_cuda: str | None = None
    mmcv_ops: bool | None = None
    cv2_headless: bool | None = None
    libraries: Mapping[str, bool] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    import_errors: Mapping[str, str] = field(default_factory=dict)


def collect_environment(try_imports: bool = True) -> Environment:
    """Look at the running interpreter.

    Args:
        try_imports (bool): Import the packages that are known to break on
            import, each in a process of its own. Defaults to True.

    Returns:
        Environment: The facts.
    """
    errors = _import_errors() if try_imports else {}
    gpus, driver_cuda = _nvidia()
    return Environment(
        python=tuple(sys.version_info[:3]),
        packages=_packages(),
        torch_cuda=_torch_cuda(),
        gpus=gpus,
        driver_cuda=driver_cuda,
        mmcv_ops=_mmcv_ops(),
        cv2_headless=_cv2_headless(),
        libraries={
            'libGL': ctypes.util.find_library('GL') is not None,
            'libusb-1.0': ctypes.util.find_library('usb-1.0') is not None,
        },
        variables=dict(os.environ),
        import_errors=errors,
    )


def environment_report(seed: int | None = None) -> dict[str, str]:
    """Collect what others need to reproduce a number.

    Args:
        seed (int, optional): The seed of the run. Defaults to None: the line
            is left out.

    Returns:
        dict[str, str]: Title to value, in printing order.
    """
    gpus, driver_cuda = _nvidia()
    installed = _packages()
    report = {
        'System': f'{platform.system()} {platform.machine()}',
        'Python': platform.python_version(),
        'CPU': f'{_cpu_name()}, {len(os.sched_getaffinity(0))} cores usable',
        'Memory': _memory(),
        'GPU': ', '.join(gpu.name for gpu in gpus) or 'none',
        'CUDA': f'torch {_torch_cuda() or "CPU build"}, '
        f'driver {driver_cuda or "none"}',
        'Commit': git_commit(),
    }
    if seed is not None:
        report['Seed'] = str(seed)
    report.update(
        {name: installed[name] for name in REPORTED if name in installed}
    )
    return report


def format_report(report: Mapping[str, str]) -> str:
    """Align an environment report into lines of text."""
    width = max(len(title) for title in report)
    return '\n'.join(
        f'{title:<{width}}  {value}' for title, value in report.items()
    )


def git_commit() -> str:
    """Short hash of the checkout mmocc runs from, ``+`` if it was edited."""
    root = Path(__file__).resolve().parents[2]
    if not (root / '.git').exists():
        return UNKNOWN
    commit = _output('git', '-C', str(root), 'rev-parse', '--short', 'HEAD')
    edited = _output('git', '-C', str(root), 'status', '--porcelain', '-uno')
    return (commit.strip() or UNKNOWN) + ('+' if edited.strip() else '')


def _output(*command: str) -> str:
    """Standard output of a command, '' where it is absent or fails."""
    if shutil.which(command[0]) is None:
        return ''
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ''
    return done.stdout if done.returncode == 0 else ''


def _packages() -> dict[str, str]:
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata['Name']
        if name:  # a half-removed package has none
            # The first on the path is the one that Python imports.
            found.setdefault(
                re.sub(r'[-_.]+', '-', name).lower(), distribution.version
            )
    return found


def _package_folder(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent


def _torch_cuda() -> str | None:
    """``torch.version.cuda``, read without the seconds of importing torch."""
    folder = _package_folder('torch')
    if folder is None or not (folder / 'version.py').is_file():
        return None
    found = re.search(
        r"^cuda\b[^=]*= *'([^']+)'",
        (folder / 'version.py').read_text(),
        re.MULTILINE,
    )
    return found and found[1]


def _mmcv_ops() -> bool | None:
    folder = _package_folder('mmcv')
    return folder and any(folder.glob('_ext*.so'))


def _cv2_headless() -> bool | None:
    folder = _package_folder('cv2')
    if folder is None or not (folder / 'version.py').is_file():
        return None
    return 'headless = True' in (folder / 'version.py').read_text()


def _nvidia() -> tuple[tuple[Gpu, ...], str | None]:
    table = _output(
        'nvidia-smi', '--query-gpu=name,compute_cap', '--format=csv,noheader'
    )
    gpus = []
    for line in table.splitlines():
        name, _, capability = line.rpartition(',')
        if re.fullmatch(r'\s*\d+\.\d+\s*', capability):
            major, minor = capability.split('.')
            gpus.append(Gpu(name.strip(), (int(major), int(minor))))
    if not gpus:
        return (), None
    found = re.search(r'CUDA Version: *([\d.]+)', _output('nvidia-smi'))
    return tuple(gpus), found and found[1]


def _import_errors() -> dict[str, str]:
    """Try each of ``_FRAGILE`` in its own process, all at the same time."""
    running = {
        module: subprocess.Popen(
            [sys.executable, '-c', statement],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for module, statement in _FRAGILE.items()
        if _package_folder(module) is not None
    }
    errors = {}
    for module, process in running.items():
        _, text = process.communicate()
        if process.returncode < 0:
            errors[module] = f'killed by signal {-process.returncode}'
        elif process.returncode:
            errors[module] = text.strip().splitlines()[-1]
    return errors


def _cpu_name() -> str:
    info = Path('/proc/cpuinfo')
    if info.is_file():
        found = re.search(r'^model name\s*: *(.+)$', info.read_text(), re.M)
        if found:
            return found[1]
    return platform.processor() or UNKNOWN


def _memory() -> str:
    info = Path('/proc/meminfo')
    if not info.is_file():
        return UNKNOWN
    found = re.search(r'^MemTotal: *(\d+) kB', info.read_text(), re.M)
    return f'{int(found[1]) / 2**20:.1f} GiB' if found else UNKNOWN
