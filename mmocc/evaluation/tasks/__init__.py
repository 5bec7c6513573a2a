"""Evaluate a file of predictions against a file of ground truth.

One module per task; each has ``evaluate(pred_path, truth_path, presets)``.
"""

from mmocc.evaluation.tasks import (
    caption,
    counterfactual,
    forecast,
    meta,
    occ,
    planning,
    qa,
    rayiou,
)
from mmocc.evaluation.tasks.evaluation import (
    Evaluation,
    fingerprint,
    to_json,
    to_table,
)

TASKS = {
    module.TASK: module
    for module in (
        occ,
        rayiou,
        forecast,
        planning,
        qa,
        caption,
        counterfactual,
        meta,
    )
}

__all__ = ['TASKS', 'Evaluation', 'fingerprint', 'to_json', 'to_table']
