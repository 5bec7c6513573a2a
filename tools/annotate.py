"""Write meta-actions and reasoning texts for the frames of an info file.

The command is part of ``projects/DrivingLabels``.
"""

import sys

from mmocc.projects.DrivingLabels.tools.annotate import main

if __name__ == '__main__':
    sys.exit(main())
