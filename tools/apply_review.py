"""Apply the edits of a review to an info file.

The command is part of ``projects/DrivingLabels``.
"""

from mmocc.projects.DrivingLabels.tools.apply_review import main

if __name__ == '__main__':
    main()
