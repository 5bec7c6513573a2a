"""Read the runs, logs, configs and scores of a work directory."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmocc.projects.RunReports.run_reports.loss_curves import (
    Curve,
    read_scalars,
)
from mmocc.utils.json_files import JsonFileError, read_json

# Folder of a run in which mmengine keeps its scalars and its config.
VIS_DATA = 'vis_data'
# Name of a file of scores that belong to no model (the demo writes one).
BASELINES = 'baselines'
_RULE = re.compile(r'^-{20,}$', re.MULTILINE)
_SEED = re.compile(r'^ *seed: (.+)$', re.MULTILINE)
# What mmengine's test loop writes beside the scores.
_TIMES = ('data_time', 'time')
# The environment stands within this many characters of a log.
_HEAD = 20_000


@dataclass(frozen=True)
class ScoreFile:
    """Scores of one file.

    Attributes:
        name (str): Header of its column.
        scores (dict[str, float]): Name to value; NaN where none was written.
        environment (dict[str, str]): Where it was measured; may be empty.
        source (str): Config and checkpoint; may be empty.
    """

    name: str
    scores: dict[str, float]
    environment: dict[str, str] = field(default_factory=dict)
    source: str = ''

    @property
    def is_baseline(self) -> bool:
        return Path(self.name).stem == BASELINES


@dataclass(frozen=True)
class TrainingRun:
    """One start of ``tools/train.py`` or ``tools/test.py``.

    Attributes:
        name (str): Folder below the work directory, with its time stamp.
        folder (Path): The folder.
        losses (dict[str, Curve]): Training losses; empty for a test.
        metrics (dict[str, Curve]): Validation metrics while training.
        config (str): Full text; '' where it was not kept.
        environment (str): As mmengine logs it; '' where it was not found.
        seed (str): '' where the log does not say.
    """

    name: str
    folder: Path
    losses: dict[str, Curve]
    metrics: dict[str, Curve]
    config: str
    environment: str
    seed: str


class WorkDir:
    """Runs and scores below a folder, and a list of what is missing.

    Attributes:
        runs (list[TrainingRun]): In order of their names.
        results (list[ScoreFile]): Models first, baselines last.
        missing (list[str]): What was looked for and not found, or is broken,
            and the way out; grows while the report is made.

    Args:
        path (Path): The folder; runs may lie at any depth.

    Raises:
        ValueError: It is no folder, or holds neither a run nor scores.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise ValueError(
                f'{path} is no folder; expected the work_dir of a run'
            )
        self.path = path
        self.missing: list[str] = []
        self.runs = [
            self._run(vis_data.parent)
            for vis_data in sorted(path.rglob(VIS_DATA))
            if vis_data.is_dir()
        ]
        found = list(self._results())
        self.results = sorted(found, key=lambda result: result.is_baseline)
        if not self.runs and not self.results:
            raise ValueError(
                f'{path} holds no run (a folder with {VIS_DATA}/) and no '
                'file of scores; give the work_dir of tools/train.py or '
                'tools/test.py'
            )
        if not self.results:
            self.missing.append(
                'Scores of a test: none was found. tools/test.py CONFIG '
                f'CHECKPOINT --out {path.name}/val.json writes them.'
            )

    def _name(self, path: Path) -> str:
        name = path.relative_to(self.path).as_posix()
        return path.name if name == '.' else name

    def _run(self, folder: Path) -> TrainingRun:
        losses, metrics = self._scalars(folder)
        log = self._log(folder)
        environment = _environment(log)
        if log and not environment:
            self.missing.append(
                f'Environment of {self._name(folder)}: its log does not '
                'begin with "System environment", as mmengine\'s does; it is '
                'cut off or damaged.'
            )
        seed = _SEED.search(environment)
        return TrainingRun(
            name=self._name(folder),
            folder=folder,
            losses=losses,
            metrics=metrics,
            config=self._config(folder),
            environment=environment,
            seed=seed[1].strip() if seed else '',
        )

    def _scalars(self, folder: Path) -> tuple[dict, dict]:
        """Read losses and validation metrics; empty for a test."""
        path = folder / VIS_DATA / 'scalars.json'
        if not path.exists():
            return {}, {}
        try:
            return read_scalars(path)
        except (OSError, ValueError) as error:
            problem = str(error)
        except (AttributeError, KeyError, TypeError) as error:
            problem = (
                f"{path} does not hold mmengine's scalars, one JSON object "
                f'with "step" a line ({error!r}).'
            )
        self.missing.append(f'Curves of {self._name(folder)}: {problem}')
        return {}, {}

    def _log(self, folder: Path) -> str:
        logs = sorted(folder.glob('*.log'))
        if not logs:
            self.missing.append(
                f'Environment and seed of {self._name(folder)}: the run has '
                'no .log file.'
            )
            return ''
        with open(logs[0], encoding='utf-8', errors='replace') as file:
            return file.read(_HEAD)

    def _config(self, folder: Path) -> str:
        path = folder / VIS_DATA / 'config.py'
        if path.is_file():
            return path.read_text(encoding='utf-8', errors='replace')
        self.missing.append(
            f'Config of {self._name(folder)}: there is no {VIS_DATA}/'
            'config.py.'
        )
        return ''

    def _results(self) -> Iterator[ScoreFile]:
        """Yield the scores of every JSON file that holds some."""
        seen = []
        # What a tool wrote says more than mmengine's copy of the scores.
        files = sorted(self.path.rglob('*.json'), key=_is_from_mmengine)
        for path in files:
            if path.parent.name == VIS_DATA:
                continue
            result = self.read_result(path, self._name(path))
            if result is None:
                continue
            known = _known(result.scores)
            if _is_from_mmengine(path) and any(
                known.items() <= other.items() for other in seen
            ):
                continue
            seen.append(known)
            yield result

    def read_result(self, path: Path, name: str) -> ScoreFile | None:
        """Read the scores of a JSON file.

        A broken file gives None and a line in ``missing``.

        Args:
            path (Path): Written by ``tools/test.py --out``,
                ``tools/evaluate.py --out`` or mmengine's test loop.
            name (str): Header of its column.
        """
        try:
            content = read_json(path, allow_nan=True)
        except JsonFileError as error:
            self.missing.append(f'Scores of {name}: cannot be read ({error}).')
            return None
        if not isinstance(content, dict):
            return None
        if isinstance(content.get('scores'), dict):
            scores = content['scores']
        elif isinstance(content.get('results'), dict):
            task = content.get('task', 'results')
            scores = {
                f'{task}/{preset}/{metric}': value
                for preset, metrics in content['results'].items()
                for metric, value in metrics.items()
            }
        elif _is_from_mmengine(path):
            scores = {k: v for k, v in content.items() if k not in _TIMES}
        else:
            return None
        environment = content.get('environment')
        return ScoreFile(
            name,
            {key: _number(value) for key, value in scores.items()},
            environment if isinstance(environment, dict) else {},
            ', '.join(
                str(content[key])
                for key in ('config', 'checkpoint')
                if content.get(key)
            ),
        )


def _environment(log: str) -> str:
    """Return the block between the rules at the start of mmengine's log."""
    _, start, rest = log.partition('System environment:')
    end = _RULE.search(rest)
    return (start + rest[: end.start()]).rstrip() if end else ''


def _is_from_mmengine(path: Path) -> bool:
    """Check for a file of mmengine's test loop, ``<time>/<time>.json``."""
    return path.stem == path.parent.name


def _known(scores: Mapping[str, float]) -> dict[str, float]:
    return {k: v for k, v in scores.items() if not math.isnan(v)}


def _number(value: object) -> float:
    """Return a score as a float, NaN for whatever is no number."""
    if isinstance(value, int | float):
        return float(value)
    return math.nan
