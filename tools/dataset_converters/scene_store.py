"""Store finished scenes of a conversion, so that a killed run can go on.

The name of a scene's file holds a digest of everything that it was made from,
so a result of other options or of changed input is never used.
"""

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from mmocc.infos import InfoFileError, load_info_file, write_info_file

# Raise it when the content of info files changes.
FORMAT = 2
_DIGEST_LETTERS = 20


def stamp(path: Path) -> str:
    """Return path, size and time of a file, which change when it does."""
    try:
        status = path.stat()
    except OSError:
        return f'{path} absent'
    return f'{path} {status.st_size} {status.st_mtime_ns}'


def digest(parts: Iterable[object]) -> str:
    """Return letters that change with the ``repr`` of any of the parts."""
    total = hashlib.sha256(str(FORMAT).encode())
    for part in parts:
        total.update(repr(part).encode())
    return total.hexdigest()[:_DIGEST_LETTERS]


class SceneStore:
    """Folder of finished scenes by name and digest.

    Args:
        folder (Path): The folder; made when the first scene is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def _path(self, name: str, key: str) -> Path:
        return self.folder / f'{name}.{key}.pkl'

    def find(self, name: str, key: str) -> Path | None:
        """Return the file of a scene that a run has finished, or None."""
        path = self._path(name, key)
        return path if path.is_file() else None

    def keep(
        self, name: str, key: str, facts: dict, infos: list[dict]
    ) -> Path:
        """Write facts and infos of a scene whole or not at all."""
        path = self._path(name, key)
        write_info_file(dict(metainfo=facts, data_list=infos), path)
        return path

    @staticmethod
    def read(path: Path) -> tuple[dict, list[dict]]:
        """Read facts and infos of a scene.

        Raises:
            InfoFileError: The file is damaged; it is deleted, so that the
                next run makes it again.
        """
        try:
            content = load_info_file(path)
        except InfoFileError:
            path.unlink(missing_ok=True)
            raise
        return content['metainfo'], content['data_list']

    def clear(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
