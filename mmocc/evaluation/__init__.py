from mmocc.evaluation.metrics import (
    CaptionMetric,
    ForecastMetric,
    MetaActionMetric,
    OccMetric,
    PlanCollisionMetric,
    PlanningMetric,
    QAMetric,
    RayIoUMetric,
)

__all__ = [
    'CaptionMetric',
    'ForecastMetric',
    'MetaActionMetric',
    'OccMetric',
    'PlanCollisionMetric',
    'PlanningMetric',
    'QAMetric',
    'RayIoUMetric',
]
