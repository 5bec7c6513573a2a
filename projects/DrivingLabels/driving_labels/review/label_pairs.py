"""The pairs of words that a label may hold."""

from mmocc.structures import META_ACTIONS, MetaAction

# Who stops does not accelerate: the labeller never says so, and neither may
# a reviewer.
NO_LABEL = MetaAction('Accelerate', 'Stop')
LABEL_PAIRS = tuple(pair for pair in META_ACTIONS if pair != NO_LABEL)
