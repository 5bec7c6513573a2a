"""Write the pages on which people check labels.

The command is part of ``projects/DrivingLabels``.
"""

from mmocc.projects.DrivingLabels.tools.review_labels import main

if __name__ == '__main__':
    main()
