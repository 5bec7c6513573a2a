"""One HTML page about a work directory."""

from mmocc.report.page import build_page, find_predictions
from mmocc.report.work_dir import Result, Run, WorkDir

__all__ = ['Result', 'Run', 'WorkDir', 'build_page', 'find_predictions']
