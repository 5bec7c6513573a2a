"""Estimate the memory that training a config needs.

The command is part of ``projects/Benchmarks``.
"""

from mmocc.projects.Benchmarks.tools.memory import main

if __name__ == '__main__':
    main()
