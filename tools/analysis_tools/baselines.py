"""Score baselines that use no model on a data set.

The command is part of ``projects/Baselines``.
"""

from mmocc.projects.Baselines.tools.baselines import main

if __name__ == '__main__':
    main()
