from mmocc.review.apply_edits import (
    SOURCE_REVIEW,
    Outcome,
    apply_decisions,
    without_text,
)
from mmocc.review.bird_eye import Window, draw_world
from mmocc.review.edit_statistics import edit_statistics
from mmocc.review.edits import Decision, Edit, decide, read_edits
from mmocc.review.json_lines import ReviewError
from mmocc.review.label_pairs import LABEL_PAIRS
from mmocc.review.page import INDEX_NAME, index_page, page_name, scene_page
from mmocc.review.review_queue import QueueEntry, read_queue
from mmocc.review.review_scene import ReviewFrame, ReviewScene, review_scenes
from mmocc.review.roads import Roads

__all__ = [
    'INDEX_NAME',
    'LABEL_PAIRS',
    'SOURCE_REVIEW',
    'Decision',
    'Edit',
    'Outcome',
    'QueueEntry',
    'ReviewError',
    'ReviewFrame',
    'ReviewScene',
    'Roads',
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
