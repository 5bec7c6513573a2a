from mmocc.projects.DrivingLabels.driving_labels.answer_record import (
    Answer,
    AnswerRecord,
)
from mmocc.projects.DrivingLabels.driving_labels.arbitration import (
    Arbiter,
    Decision,
    review_item,
)
from mmocc.projects.DrivingLabels.driving_labels.json_lines import (
    JsonLinesError,
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
    'Decision',
    'JsonLinesError',
    'OpenAICompatibleAnnotator',
    'ReplayAnnotator',
    'review_item',
]
