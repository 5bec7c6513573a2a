"""Run chains of commands side by side, and only what has changed."""

import contextlib
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from rich.console import Console
from rich.live import Live
from rich.text import Text

from mmocc.utils.json_files import read_json, write_json

ROOT = Path(__file__).resolve().parents[3]
# Lines of a failed step's log that are shown.
TAIL = 15


class StepFailedError(RuntimeError):
    """A command ended with an error."""


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        title (str): For people.
        command (list[str]): Arguments of the Python interpreter.
        config (str): Config file that the result depends on, if any.
        record (Path, optional): File that remembers the step for all work
            folders; None for that of the work folder.
    """

    title: str
    command: list[str]
    config: str = ''
    record: Path | None = None

    def fingerprint(self, before: str) -> str:
        """Hash the step, its config and the steps before it."""
        digest = hashlib.sha256(before.encode())
        digest.update(' '.join(self.command).encode())
        if self.config:
            text = Config.fromfile(ROOT / self.config).pretty_text
            digest.update(text.encode())
        return digest.hexdigest()


class Screen:
    """Print a heading for each step and a progress bar for each chain."""

    def __init__(self) -> None:
        self._live = Live(console=Console(stderr=True), transient=True)
        self._bars: dict[str, str] = {}

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Show the progress bars while the context is open."""
        with self._live:
            yield

    def say(self, text: str) -> None:
        """Print a line above the progress bars."""
        self._live.console.print(text, markup=False, highlight=False)

    def bar(self, chain: str, text: str) -> None:
        """Update the progress bar of a chain."""
        self._bars[chain] = text
        self._live.update(Text('\n'.join(self._bars.values())))


class StepRunner:
    """Run the steps that are not up to date and record the cost of each.

    A chain's steps run one after the other; each depends on all before it.

    Args:
        work_dir (Path): Keeps logs, and the records of steps that keep none
            of their own.
    """

    def __init__(self, work_dir: Path) -> None:
        self.work_dir = work_dir
        self._screen = Screen()
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen] = set()
        self._ending = False

    def run(
        self, chains: Mapping[str, Sequence[Step]], before: str = ''
    ) -> list[dict]:
        """Run chains of steps in parallel, with an equal share of the cores.

        Args:
            chains (Mapping[str, Sequence[Step]]): By name.
            before (str): Fingerprint of what all chains depend on.

        Returns:
            list[dict]: ``chain``, ``title``, ``wall_s``, ``cpu_s``,
            ``peak_gb`` (of the largest process) and ``fingerprint`` of each
            step, from now or from the run that made it.

        Raises:
            StepFailedError: A step failed; steps beside it were ended.
        """
        self._ending = False
        threads = max(1, (os.cpu_count() or 1) // len(chains))
        with self._screen.shown(), ThreadPoolExecutor(len(chains)) as pool:
            running = [
                pool.submit(self._run_chain, name, steps, before, threads)
                for name, steps in chains.items()
            ]
            try:
                done, _ = wait(running, return_when=FIRST_EXCEPTION)
            finally:
                self._end_all()
            # The one that failed speaks, not those that were ended for it.
            for chain in done:
                chain.result()
        return [record for chain in running for record in chain.result()]

    def _run_chain(
        self, chain: str, steps: Sequence[Step], before: str, threads: int
    ) -> list[dict]:
        records, fingerprint = [], before
        for number, step in enumerate(steps, start=1):
            fingerprint = step.fingerprint(fingerprint)
            file = step.record or self.work_dir / 'steps.json'
            heading = f'[{chain} {number}/{len(steps)}] {step.title}'
            cost = self._recall(file, step.title)
            if cost.get('fingerprint') == fingerprint:
                self._screen.say(f'{heading}: up to date')
            else:
                self._screen.say(heading)
                cost = self._execute(chain, step, threads)
                cost['fingerprint'] = fingerprint
                self._remember(file, step.title, cost)
            records.append(dict(chain=chain, title=step.title, **cost))
        return records

    def _recall(self, file: Path, title: str) -> dict:
        with self._lock:
            done = read_json(file, kind=dict) if file.exists() else {}
        return done.get(title, {})

    def _remember(self, file: Path, title: str, cost: dict) -> None:
        with self._lock:
            done = read_json(file, kind=dict) if file.exists() else {}
            done[title] = cost
            write_json(done, file, indent=2)

    def _execute(self, chain: str, step: Step, threads: int) -> dict:
        """Run one step; its output goes to a log file, its bars to the screen.

        Returns:
            dict: ``wall_s``, ``cpu_s`` and ``peak_gb``.
        """
        log = self.work_dir / 'logs' / f'{step.title.replace(" ", "_")}.log'
        log.parent.mkdir(parents=True, exist_ok=True)
        environment = dict(
            os.environ,
            PYTHONPATH=str(ROOT),
            PYTHONWARNINGS='ignore',
            OMP_NUM_THREADS=str(threads),
        )
        start = time.time()
        with open(log, 'wb') as out:
            process = self._start(step, environment, out)
            try:
                for line in _lines(process.stderr):
                    if line.endswith(b'\r'):
                        text = line.decode(errors='replace').strip()
                        self._screen.bar(chain, text)
                    else:
                        out.write(line)
                _, status, usage = os.wait4(process.pid, 0)
            finally:
                with self._lock:
                    self._running.discard(process)
        process.returncode = os.waitstatus_to_exitcode(status)
        self._screen.bar(chain, '')
        if process.returncode:
            tail = log.read_text(errors='replace').splitlines()[-TAIL:]
            raise StepFailedError(
                '\n'.join(tail) + f'\nstep "{step.title}" ended with status '
                f'{process.returncode}; its log is {log}'
            )
        return dict(
            wall_s=time.time() - start,
            cpu_s=usage.ru_utime + usage.ru_stime,
            peak_gb=usage.ru_maxrss * 1024 / 1e9,  # KiB on Linux
        )

    def _start(
        self, step: Step, environment: dict, out: object
    ) -> subprocess.Popen:
        with self._lock:
            if self._ending:
                raise StepFailedError(f'"{step.title}" was not begun')
            process = subprocess.Popen(
                [sys.executable, *step.command],
                cwd=ROOT,
                env=environment,
                stdout=out,
                stderr=subprocess.PIPE,
            )
            self._running.add(process)
        return process

    def _end_all(self) -> None:
        """End all running commands after a failure or an interrupt."""
        with self._lock:
            self._ending = True
            for process in self._running:
                process.terminate()


def _lines(stream: object) -> Iterator[bytes]:
    """Lines of a binary stream; progress bars end theirs with a return."""
    rest = b''
    while chunk := stream.read1():
        *lines, rest = (rest + chunk).replace(b'\r\n', b'\n').splitlines(True)
        yield from lines
        # A line is whole once its end has come.
        if rest.endswith((b'\n', b'\r')):
            yield rest
            rest = b''
    if rest:
        yield rest
