"""Files of predictions and of ground truth, for any model.

The formats are described in docs/evaluation.md.
"""

from mmocc.evaluation.files.errors import ResultFileError
from mmocc.evaluation.files.grid_writer import GridFileWriter
from mmocc.evaluation.files.joining import Joined, match_keys
from mmocc.evaluation.files.npz_file import FrameSource, NpzFile
from mmocc.evaluation.files.plan_files import (
    PlanFiles,
    write_plan_truth,
    write_plans,
)

__all__ = [
    'FrameSource',
    'GridFileWriter',
    'Joined',
    'NpzFile',
    'PlanFiles',
    'ResultFileError',
    'match_keys',
    'write_plan_truth',
    'write_plans',
]
