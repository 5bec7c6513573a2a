from mmocc.evaluation.functional.captions import (
    CaptionPair,
    MissingScorerError,
    caption_scores,
    meteor,
)
from mmocc.evaluation.functional.counterfactual import (
    CATEGORIES,
    counterfactual_counts,
    counterfactual_scores,
    keyword_extractor,
)
from mmocc.evaluation.functional.forecast import (
    copy_and_paste,
    forecast_frames,
    forecast_histograms,
    forecast_scores,
)
from mmocc.evaluation.functional.meta_action import (
    meta_action_indices,
    meta_action_scores,
    meta_action_table,
)
from mmocc.evaluation.functional.occ import (
    class_iou,
    geometric_iou,
    occ_histogram,
    occ_report,
    occ_scores,
)
from mmocc.evaluation.functional.plan_agents import Agents
from mmocc.evaluation.functional.plan_presets import (
    PRESETS,
    SAMPLES_OF_VAL,
    SUBSETS,
    PlanningPreset,
    PlanSample,
    PlanTallies,
    PlanTally,
    get_preset,
    preset_scores,
    published_columns,
    tally_plan,
)
from mmocc.evaluation.functional.plan_shapes import MapLines
from mmocc.evaluation.functional.planning import (
    PlanningSums,
    displacement_errors,
    planning_scores,
    planning_sums,
)
from mmocc.evaluation.functional.qa import (
    ANSWERS,
    DECODINGS,
    AnsweredQuestion,
    normalise_answer,
    qa_counts,
    qa_scores,
)
from mmocc.evaluation.functional.ray_casting import (
    RayHits,
    cast_rays,
    lidar_directions,
    scene_origins,
)
from mmocc.evaluation.functional.ray_iou import (
    count_hits,
    ray_counts,
    ray_scores,
)

__all__ = [
    'ANSWERS',
    'CATEGORIES',
    'DECODINGS',
    'PRESETS',
    'SAMPLES_OF_VAL',
    'SUBSETS',
    'Agents',
    'AnsweredQuestion',
    'CaptionPair',
    'MapLines',
    'MissingScorerError',
    'PlanSample',
    'PlanTallies',
    'PlanTally',
    'PlanningPreset',
    'PlanningSums',
    'RayHits',
    'caption_scores',
    'cast_rays',
    'class_iou',
    'copy_and_paste',
    'count_hits',
    'counterfactual_counts',
    'counterfactual_scores',
    'displacement_errors',
    'forecast_frames',
    'forecast_histograms',
    'forecast_scores',
    'geometric_iou',
    'get_preset',
    'keyword_extractor',
    'lidar_directions',
    'meta_action_indices',
    'meta_action_scores',
    'meta_action_table',
    'meteor',
    'normalise_answer',
    'occ_histogram',
    'occ_report',
    'occ_scores',
    'planning_scores',
    'planning_sums',
    'preset_scores',
    'published_columns',
    'qa_counts',
    'qa_scores',
    'ray_counts',
    'ray_scores',
    'scene_origins',
    'tally_plan',
]
