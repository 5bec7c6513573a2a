"""Write one HTML page about a work directory.

The command is part of ``projects/RunReports``.
"""

import sys

from mmocc.projects.RunReports.tools.report import main

if __name__ == '__main__':
    sys.exit(main())
