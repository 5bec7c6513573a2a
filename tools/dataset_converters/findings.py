"""Collect what a check of a data root finds, and format it as text."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from dataset_converters.data_parts import DOWNLOADS

ERROR, WARNING, NOTE = 'error', 'warning', 'note'
_LEVELS = (ERROR, WARNING, NOTE)


@dataclass(frozen=True)
class DataFinding:
    """A problem of a data root.

    Attributes:
        level (str): ``error`` (this data cannot be used as it is),
            ``warning`` (look at it) or ``note`` (known, harmless).
        part (str): Part of the data, such as ``occ3d``.
        place (str): Path of the file, or scene and token.
        problem (str): What was found and what was expected.
    """

    level: str
    part: str
    place: str
    problem: str

    def __str__(self) -> str:
        return f'{self.level}: {self.part}: {self.place}: {self.problem}'


@dataclass
class DataFindings:
    """Findings and counts of a scene or of a whole root.

    Attributes:
        items (list[DataFinding]): In the order of the scenes.
        expected, present (Counter): Number of files by part.
        measured (Counter): Sums of spot checks by name.
    """

    items: list[DataFinding] = field(default_factory=list)
    expected: Counter = field(default_factory=Counter)
    present: Counter = field(default_factory=Counter)
    measured: Counter = field(default_factory=Counter)

    def add(self, level: str, part: str, place: object, problem: str) -> None:
        """Append a finding."""
        self.items.append(DataFinding(level, part, str(place), problem))

    def add_file(
        self, part: str, path: object, problem: str | None, level: str = ERROR
    ) -> None:
        """Count a file that is expected; append its problem, if it has one.

        Args:
            part (str): Part of the data.
            path (object): Path of the file.
            problem (str): What is wrong with it, or None.
            level (str): Level of the finding. Defaults to ``error``.
        """
        self.expected[part] += 1
        self.present[part] += problem is None
        if problem is not None:
            self.add(level, part, path, problem)

    def merge(self, other: 'DataFindings') -> None:
        """Append the findings of another one and add its counts."""
        self.items += other.items
        self.expected += other.expected
        self.present += other.present
        self.measured += other.measured

    def number(self, level: str) -> int:
        """Return the number of findings of a level."""
        return sum(item.level == level for item in self.items)

    def lines(self, most: int) -> list[str]:
        """Format findings by level and part, with download instructions.

        Args:
            most (int): Number of findings of one level and part to list.
        """
        groups: dict[tuple[str, str], list[DataFinding]] = defaultdict(list)
        for item in self.items:
            groups[item.level, item.part].append(item)
        text = []
        for level, part in sorted(
            groups, key=lambda group: (_LEVELS.index(group[0]), group[1])
        ):
            group = groups[level, part]
            text += [str(item) for item in group[:most]]
            if len(group) > most:
                text.append(
                    f'{level}: {part}: ... and {len(group) - most} more; '
                    '--list FILE writes them all'
                )
            if part in DOWNLOADS:
                text.append(f'  -> {DOWNLOADS[part]}')
        return text

    def table(self, parts: Sequence[str]) -> list[str]:
        """Format files expected and readable by part as a Markdown table."""
        rows = ['| part | files expected | readable |', '| --- | --- | --- |']
        rows += [
            f'| {part} | {self.expected[part]} | {self.present[part]} |'
            if self.expected[part]
            else f'| {part} | - | - |'
            for part in parts
        ]
        return rows
