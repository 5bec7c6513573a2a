"""A worker whose parent was killed."""

import os
import subprocess
import sys
import time

PARENT = """
import os, subprocess, sys
command = [sys.executable, '-c', sys.argv[1], str(os.getpid())]
print(subprocess.Popen(command).pid, flush=True)
os.kill(os.getpid(), 9)
"""
CHILD = """
import sys, time
from mmocc.utils.orphan import exit_with_parent
exit_with_parent(int(sys.argv[1]))
time.sleep({seconds})
"""


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie waits for its new parent to look at it.
    with open(f'/proc/{pid}/stat') as file:
        return file.read().rpartition(')')[2].split()[0] != 'Z'


def test_it_leaves_soon_after():
    killed = subprocess.run(
        [sys.executable, '-c', PARENT, CHILD.format(seconds=60)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert killed.returncode == -9
    pid = int(killed.stdout)
    deadline = time.time() + 20
    while alive(pid) and time.time() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def test_it_stays_while_its_parent_lives():
    code = CHILD.format(seconds=1.2)  # two looks and more
    command = [sys.executable, '-c', code, str(os.getpid())]
    assert subprocess.run(command, check=False).returncode == 0
