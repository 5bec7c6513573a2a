"""FLOPs and parameters by the parts of a model, as rows of a table."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from torch import nn

# A part with less than this share of all FLOPs and parameters is not split.
SPLIT = 0.5
# Parts below this share of both are summed up.
SMALL = 0.005
SMALL_PARTS = 'small parts'
WHOLE = ''


class Part(NamedTuple):
    """A part of a model.

    Attributes:
        name (str): Dotted; ``*`` stands for all layers of a list.
        parameters (int): Weights, those that parts share once.
        flops (int): Of a batch.
    """

    name: str
    parameters: int
    flops: int


def count_parameters(model: nn.Module) -> Counter:
    """Weights by the module that holds them."""
    counts = Counter()
    for name, parameter in model.named_parameters():
        counts[name.rpartition('.')[0]] += parameter.numel()
    return counts


def split_parts(
    parameters: Mapping[str, int], flops: Mapping[str, int]
) -> list[Part]:
    """Cut a model where its work is; the parts add up to the whole.

    Args:
        parameters (Mapping[str, int]): By module.
        flops (Mapping[str, int]): By the innermost module that ran.
    """
    tree = _Tree(_merged(parameters), _merged(flops))
    large, small = [], []
    for part in tree.split(WHOLE):
        (large if tree.share(part) >= SMALL else small).append(part)
    rest = Part(
        SMALL_PARTS,
        sum(part.parameters for part in small),
        sum(part.flops for part in small),
    )
    return [*large, rest]


def _merged(counts: Mapping[str, int]) -> Counter:
    """Numbered layers as one."""
    merged = Counter()
    for name, count in counts.items():
        merged[re.sub(r'(?<![^.])\d+(?![^.])', '*', name)] += count
    return merged


class _Tree:
    """Counts by dotted names."""

    def __init__(self, parameters: Counter, flops: Counter) -> None:
        self.counts = (parameters, flops)
        self.names = list(dict.fromkeys([*parameters, *flops]))
        self.total = self.sum_of(WHOLE)

    def sum_of(self, name: str) -> Part:
        """A module with everything below it."""
        return Part(
            name,
            *(
                sum(n for key, n in counts.items() if _below(key, name))
                for counts in self.counts
            ),
        )

    def share(self, part: Part) -> float:
        """Of all FLOPs or of all parameters, whichever is more."""
        return max(
            part.parameters / max(self.total.parameters, 1),
            part.flops / max(self.total.flops, 1),
        )

    def split(self, name: str) -> Iterator[Part]:
        """A module as one part, or as those of its children."""
        whole = self.sum_of(name)
        children = self.children(name)
        if not children or (name != WHOLE and self.share(whole) < SPLIT):
            yield whole
            return
        own = Part(
            f'{name or "the model"}, itself',
            *(counts[name] for counts in self.counts),
        )
        for child in children:
            yield from self.split(child)
        if own.parameters or own.flops:
            yield own

    def children(self, name: str) -> list[str]:
        """Modules right below, in the order of the model."""
        depth = len(name.split('.')) if name else 0
        return list(
            dict.fromkeys(
                '.'.join(key.split('.')[: depth + 1])
                for key in self.names
                if key != name and _below(key, name)
            )
        )


def _below(key: str, name: str) -> bool:
    return name in (WHOLE, key) or key.startswith(f'{name}.')
