from mmocc.projects.DrivingLabels.driving_labels.review.apply_edits import (
    SOURCE_REVIEW,
    ReviewedInfos,
    apply_decisions,
    without_text,
)
from mmocc.projects.DrivingLabels.driving_labels.review.bird_eye import (
    Window,
    draw_world,
)
from mmocc.projects.DrivingLabels.driving_labels.review.edits import (
    LABEL_PAIRS,
    Edit,
    SettledEdit,
    decide,
    read_edits,
)
from mmocc.projects.DrivingLabels.driving_labels.review.page import (
    INDEX_NAME,
    index_page,
    page_name,
    scene_page,
)
from mmocc.projects.DrivingLabels.driving_labels.review.review_lines import (
    ReviewError,
)
from mmocc.projects.DrivingLabels.driving_labels.review.review_queue import (
    QueueEntry,
    read_queue,
)
from mmocc.projects.DrivingLabels.driving_labels.review.review_scene import (
    ReviewFrame,
    ReviewScene,
    review_scenes,
)
from mmocc.projects.DrivingLabels.driving_labels.review.roads import Roads
from mmocc.projects.DrivingLabels.driving_labels.review.statistics import (
    edit_statistics,
)

__all__ = [
    'INDEX_NAME',
    'LABEL_PAIRS',
    'SOURCE_REVIEW',
    'Edit',
    'QueueEntry',
    'ReviewError',
    'ReviewFrame',
    'ReviewScene',
    'ReviewedInfos',
    'Roads',
    'SettledEdit',
    'Window',
    'apply_decisions',
    'decide',
    'draw_world',
    'edit_statistics',
    'index_page',
    'page_name',
    'read_edits',
    'read_queue',
    'review_scenes',
    'scene_page',
    'without_text',
]
