"""The error of result files; it names file, field and sample."""

from pathlib import Path


class ResultFileError(ValueError):
    """A file of predictions or of ground truth cannot be evaluated.

    Args:
        path (Path | str): The file.
        problem (str): What was found, what was expected and the way out.
        field (str, optional): The array or key at fault.
        sample (str, optional): The sample at fault: its token, or its number
            where there are no tokens.
    """

    def __init__(
        self,
        path: Path | str,
        problem: str,
        field: str | None = None,
        sample: str | None = None,
    ) -> None:
        where = [str(path)]
        if field is not None:
            where.append(f'field "{field}"')
        if sample is not None:
            where.append(f'sample {sample}')
        super().__init__(f'{", ".join(where)}: {problem}')


def shorten(names: list[str], most: int = 5) -> str:
    """Join the first few of many names, and say how many more there are."""
    shown = ', '.join(names[:most])
    rest = len(names) - most
    return f'{shown} and {rest} more' if rest > 0 else shown
