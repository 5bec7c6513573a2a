from mmocc.evaluation.metrics import (
    MetaActionMetric,
    OccMetric,
    PlanningMetric,
    QAMetric,
)

__all__ = ['MetaActionMetric', 'OccMetric', 'PlanningMetric', 'QAMetric']
