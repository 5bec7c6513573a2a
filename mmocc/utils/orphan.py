"""End a worker process when its parent has ended."""

import os
import threading
import time

_CHECK = 0.5  # s between two looks at the parent


def exit_with_parent(parent: int) -> None:
    """End this process soon after its parent, whatever it is doing.

    A worker that nobody waits for would go on writing into the folder that
    the next run works in.

    Args:
        parent (int): Process id of the parent.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_CHECK)
    os._exit(1)
