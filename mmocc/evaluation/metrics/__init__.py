from mmocc.evaluation.metrics.caption_metric import CaptionMetric
from mmocc.evaluation.metrics.forecast_metric import ForecastMetric
from mmocc.evaluation.metrics.meta_action_metric import MetaActionMetric
from mmocc.evaluation.metrics.occ_metric import OccMetric
from mmocc.evaluation.metrics.plan_collision_metric import PlanCollisionMetric
from mmocc.evaluation.metrics.planning_metric import PlanningMetric
from mmocc.evaluation.metrics.prediction_files import PredictionFiles
from mmocc.evaluation.metrics.qa_metric import QAMetric
from mmocc.evaluation.metrics.ray_iou_metric import RayIoUMetric
from mmocc.evaluation.metrics.summed_metric import SummedMetric

__all__ = [
    'CaptionMetric',
    'ForecastMetric',
    'MetaActionMetric',
    'OccMetric',
    'PlanCollisionMetric',
    'PlanningMetric',
    'PredictionFiles',
    'QAMetric',
    'RayIoUMetric',
    'SummedMetric',
]
