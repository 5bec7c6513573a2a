"""Count the FLOPs of configs.

The command is part of ``projects/Benchmarks``.
"""

from mmocc.projects.Benchmarks.tools.get_flops import main

if __name__ == '__main__':
    main()
