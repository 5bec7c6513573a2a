"""A file backend of mmengine that never leaves half a file behind."""

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from mmocc.utils.atomic import atomic_open


@register_backend('atomic')
class AtomicBackend(LocalBackend):
    """Local files, written under a temporary name first.

    mmengine's own backend opens the final name for writing: a process killed
    meanwhile leaves a truncated checkpoint under the name that the next run
    resumes from. Use it with ``backend_args=dict(backend='atomic')``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write ``obj`` to ``filepath``, all of it or nothing."""
        with atomic_open(filepath) as file:
            file.write(obj)

    def put_text(
        self, obj: str, filepath: str | Path, encoding: str = 'utf-8'
    ) -> None:
        """Write text to ``filepath``, all of it or nothing."""
        self.put(obj.encode(encoding), filepath)
