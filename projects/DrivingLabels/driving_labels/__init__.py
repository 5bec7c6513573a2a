from mmocc.projects.DrivingLabels.driving_labels.answer_record import (
    Answer,
    AnswerRecord,
)
from mmocc.projects.DrivingLabels.driving_labels.arbitration import (
    Arbiter,
    LabelDecision,
    review_item,
)
from mmocc.projects.DrivingLabels.driving_labels.openai_annotator import (
    OpenAICompatibleAnnotator,
)
from mmocc.projects.DrivingLabels.driving_labels.replay_annotator import (
    ReplayAnnotator,
)

__all__ = [
    'Answer',
    'AnswerRecord',
    'Arbiter',
    'LabelDecision',
    'OpenAICompatibleAnnotator',
    'ReplayAnnotator',
    'review_item',
]
