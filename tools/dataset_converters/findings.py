"""What a check of a data root found, and how it is told."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from dataset_converters.sources import SOURCES

ERROR, WARNING, NOTE = 'error', 'warning', 'note'
_LEVELS = (ERROR, WARNING, NOTE)


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        level (str): ``error`` (this data cannot be used as it is),
            ``warning`` (look at it) or ``note`` (known, harmless).
        part (str): What it belongs to, such as ``occ3d``.
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
class Findings:
    """Findings and counts of a scene, or of a whole root.

    Attributes:
        items (list[Finding]): In the order of the scenes.
        expected, present (Counter): Files by part.
        measured (Counter): Sums of spot checks by name.
    """

    items: list[Finding] = field(default_factory=list)
    expected: Counter = field(default_factory=Counter)
    present: Counter = field(default_factory=Counter)
    measured: Counter = field(default_factory=Counter)

    def add(self, level: str, part: str, place: object, problem: str) -> None:
        """Note a finding."""
        self.items.append(Finding(level, part, str(place), problem))

    def count_file(self, part: str, problem: str | None) -> None:
        """Count a file that is expected; it is there without a problem."""
        self.expected[part] += 1
        self.present[part] += problem is None

    def merge(self, other: 'Findings') -> None:
        """Add all that another one holds."""
        self.items += other.items
        self.expected += other.expected
        self.present += other.present
        self.measured += other.measured

    def number(self, level: str) -> int:
        """How many findings of a level there are."""
        return sum(item.level == level for item in self.items)

    def lines(self, most: int) -> list[str]:
        """Findings by level and part, at most so many of each, with sources.

        Args:
            most (int): Findings of one level and part to spell out.
        """
        groups: dict[tuple[str, str], list[Finding]] = defaultdict(list)
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
            if part in SOURCES:
                text.append(f'  -> {SOURCES[part]}')
        return text

    def table(self, parts: Sequence[str]) -> list[str]:
        """Files expected and readable by part, as a Markdown table."""
        rows = ['| part | files expected | readable |', '| --- | --- | --- |']
        rows += [
            f'| {part} | {self.expected[part]} | {self.present[part]} |'
            if self.expected[part]
            else f'| {part} | - | - |'
            for part in parts
        ]
        return rows
