"""Run the entry points as users do, and read what they logged."""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(__file__).resolve().parent / 'toy'
TOY_CONFIG = TOY / 'toy_config.py'


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def run_tool(
    script: str,
    *arguments: str | Path,
    timeout: int = 300,
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
) -> subprocess.CompletedProcess:
    """Run a script of ``tools/`` in its own process.

    Args:
        script (str): Path below ``tools/``, a .py or .sh file.
        *arguments (str | Path): Its command line.
        timeout (int): Seconds before it is stopped. Defaults to 300.
        environment (dict, optional): Variables besides the present ones.
        folder (Path, optional): The current one. mmengine leaves a folder in
            it, where processes meet. Defaults to None, an empty one.

    Returns:
        subprocess.CompletedProcess: With text ``stdout`` and ``stderr``.
    """
    program = 'bash' if script.endswith('.sh') else sys.executable
    path = os.pathsep.join((str(ROOT), str(TOY)))
    variables = dict(
        os.environ,
        PYTHONPATH=path,
        PYTHON=sys.executable,
        PORT=str(free_port()),
        OMP_NUM_THREADS='1',
    )
    variables.update(environment or {})
    with tempfile.TemporaryDirectory() as empty:
        return subprocess.run(
            [program, str(ROOT / 'tools' / script), *map(str, arguments)],
            cwd=folder or empty,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


def why(done: subprocess.CompletedProcess) -> str:
    """The end of what a failed tool said, its errors first.

    A run prints its whole config before it fails; a report that is cut
    would show nothing else.
    """
    lines = done.stderr.splitlines()
    errors = [line for line in lines if 'Error' in line or 'rror:' in line]
    return '\n'.join(
        [f'exit status {done.returncode}', *errors[:10], *lines[-25:]]
    )


def train(*arguments: str | Path) -> None:
    """Run ``tools/train.py`` and fail with its errors if it fails."""
    done = run_tool('train.py', *arguments)
    assert done.returncode == 0, why(done)


def read_curve(work_dir: Path, key: str = 'loss') -> dict[int, float]:
    """One logged scalar of all runs in a work folder.

    Args:
        work_dir (Path): Folder of the run.
        key (str): Name of the scalar. Defaults to 'loss'.

    Returns:
        dict[int, float]: Iteration (1-based) to value; where a resumed run
        repeats iterations, the later run counts.
    """
    curve = {}
    for log in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in log.read_text().splitlines():
            record = json.loads(line)
            if key in record and 'lr' in record:
                curve[record['step']] = record[key]
    return curve
