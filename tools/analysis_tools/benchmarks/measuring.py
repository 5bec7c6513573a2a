"""Time and memory of whatever a benchmark runs."""

import resource

import torch

GIB = 2**30


def peak_bytes(device: str) -> int:
    """The most memory this process has held so far."""
    if device == 'cpu':
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return torch.cuda.max_memory_allocated(device)


def synchronise(device: str) -> None:
    """Wait until a GPU has done what it was told."""
    if device != 'cpu':
        torch.cuda.synchronize(device)
