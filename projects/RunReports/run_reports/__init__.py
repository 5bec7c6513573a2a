"""One HTML page about a work directory."""

from mmocc.projects.RunReports.run_reports.page import (
    build_page,
    find_predictions,
)
from mmocc.projects.RunReports.run_reports.work_dir import (
    ScoreFile,
    TrainingRun,
    WorkDir,
)

__all__ = [
    'ScoreFile',
    'TrainingRun',
    'WorkDir',
    'build_page',
    'find_predictions',
]
