"""Check an installation and print how to repair it.

The command is part of ``projects/Doctor``.
"""

import sys

from mmocc.projects.Doctor.tools.doctor import main

if __name__ == '__main__':
    sys.exit(main())
