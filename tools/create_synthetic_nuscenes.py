"""Write a synthetic data set in the formats of nuScenes.

The command is part of ``projects/SyntheticNuScenes``.
"""

from mmocc.projects.SyntheticNuScenes.tools.create_synthetic_nuscenes import (
    main,
)

if __name__ == '__main__':
    main()
