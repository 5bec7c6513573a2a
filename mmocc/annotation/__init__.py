from mmocc.annotation.annotator import (
    Annotator,
    AnnotatorError,
    NoAnswerError,
    UnreachableError,
)
from mmocc.annotation.chain_of_thought import (
    ChainOfThought,
    parse_chain_of_thought,
)
from mmocc.annotation.frame_context import Agent, FrameContext, is_seen
from mmocc.annotation.history import past_actions
from mmocc.annotation.info_frames import (
    LabelledFrame,
    label_infos,
)
from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.lane_graph import LaneGraph
from mmocc.annotation.meta_action_labels import (
    MetaActionLabel,
    label_scene,
)
from mmocc.annotation.road_map import (
    RoadMap,
    Surroundings,
    local_surroundings,
)
from mmocc.annotation.rule_annotator import RuleAnnotator

__all__ = [
    'Agent',
    'Annotator',
    'AnnotatorError',
    'ChainOfThought',
    'FrameContext',
    'LabelRules',
    'LabelledFrame',
    'LaneGraph',
    'MetaActionLabel',
    'NoAnswerError',
    'RoadMap',
    'RuleAnnotator',
    'Surroundings',
    'UnreachableError',
    'is_seen',
    'label_infos',
    'label_scene',
    'local_surroundings',
    'parse_chain_of_thought',
    'past_actions',
]
