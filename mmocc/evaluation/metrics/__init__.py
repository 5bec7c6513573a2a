from mmocc.evaluation.metrics.meta_action_metric import MetaActionMetric
from mmocc.evaluation.metrics.occ_metric import OccMetric
from mmocc.evaluation.metrics.planning_metric import PlanningMetric
from mmocc.evaluation.metrics.qa_metric import QAMetric
from mmocc.evaluation.metrics.summed_metric import SummedMetric

__all__ = [
    'MetaActionMetric',
    'OccMetric',
    'PlanningMetric',
    'QAMetric',
    'SummedMetric',
]
