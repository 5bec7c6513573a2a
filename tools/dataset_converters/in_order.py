"""Run a function over many tasks on several processes, results in order."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from typing import TypeVar

from mmocc.utils.orphan import exit_with_parent

Task = TypeVar('Task')
Result = TypeVar('Result')
# Tasks that wait for each worker; bounds the memory of the queue.
_QUEUED = 2


def in_order(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Iterator[Result]:
    """Yield ``function(task)`` for each task, few tasks at a time.

    Args:
        function (Callable): Function of one task, importable by name.
        tasks (Iterable): Tasks; the next is taken when a worker is free.
        workers (int): Processes; 1 and less stay in this one.
    """
    tasks = iter(tasks)
    if workers <= 1:
        yield from map(function, tasks)
        return
    with ProcessPoolExecutor(
        workers, initializer=exit_with_parent, initargs=(os.getpid(),)
    ) as pool:
        running = [
            pool.submit(function, task)
            for task in islice(tasks, workers * _QUEUED)
        ]
        try:
            while running:
                yield running.pop(0).result()
                running.extend(
                    pool.submit(function, task) for task in islice(tasks, 1)
                )
        finally:
            for future in running:
                future.cancel()
