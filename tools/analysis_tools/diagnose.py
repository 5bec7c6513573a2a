"""Find where the errors of SparseOccVLA's plans and forecasts come from.

The command is part of ``projects/SparseOccVLA``.
"""

from mmocc.projects.SparseOccVLA.tools.diagnose import main

if __name__ == '__main__':
    main()
