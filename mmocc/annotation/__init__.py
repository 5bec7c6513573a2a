from mmocc.annotation.chain_of_thought import (
    ChainOfThought,
    parse_chain_of_thought,
)
from mmocc.annotation.frame_context import Agent, FrameContext
from mmocc.annotation.history import past_actions
from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.lane_graph import LaneGraph
from mmocc.annotation.meta_action_labels import (
    MetaActionLabel,
    label_scene,
)
from mmocc.annotation.road_map import MapError, RoadMap, Surroundings
from mmocc.annotation.rule_annotator import RuleAnnotator

__all__ = [
    'Agent',
    'ChainOfThought',
    'FrameContext',
    'LabelRules',
    'LaneGraph',
    'MapError',
    'MetaActionLabel',
    'RoadMap',
    'RuleAnnotator',
    'Surroundings',
    'label_scene',
    'parse_chain_of_thought',
    'past_actions',
]
