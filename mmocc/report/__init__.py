"""One HTML page about a work directory."""

from mmocc.report.page import build_page, find_predictions
from mmocc.report.work_dir import ScoreFile, TrainingRun, WorkDir

__all__ = [
    'ScoreFile',
    'TrainingRun',
    'WorkDir',
    'build_page',
    'find_predictions',
]
