"""The least that two CPU processes need: meet, agree on gradients, leave.

Started by torchrun it is such a process. ``require`` starts two of them, so
that a test skips where the machine itself cannot do what it is about.
"""

import functools
import socket
import subprocess
import sys

import pytest


@functools.cache
def require() -> None:
    """Skip the test where torchrun cannot train with two processes."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run'),
            *('--master-addr=127.0.0.1', f'--master-port={port}'),
            *('--nproc-per-node=2', __file__),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        end = ' | '.join(done.stderr.splitlines()[-5:])
        pytest.skip(f'torchrun cannot start two processes here: {end}')


def main() -> None:
    import torch
    from torch import distributed, nn

    distributed.init_process_group('gloo')
    model = nn.parallel.DistributedDataParallel(nn.Linear(1, 1))
    model(torch.ones(1, 1)).sum().backward()
    # Who ends first would cut the connection of the other.
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == '__main__':
    main()
