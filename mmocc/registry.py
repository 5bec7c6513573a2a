"""Every registry node of mmdet3d, re-parented under the scope ``mmocc``.

Three rules of mmengine's registries shape this file:

* A node that is missing here logs a warning for each object built from it,
  so all of mmdet3d's nodes are declared.
* A look-up imports the locations of the node it starts from, not those of its
  parents, so mmdet3d's locations stand beside ours.
* With ``default_scope = 'mmocc'`` mmengine imports this module by itself, so
  configs need no ``custom_imports`` for anything inside ``mmocc``.
"""

from mmdet3d import registry as mmdet3d_registry
from mmengine.registry import Registry


def _child(node: str, *locations: str) -> Registry:
    """Declare the child of mmdet3d's registry ``node`` in our scope."""
    parent = getattr(mmdet3d_registry, node)
    return Registry(
        parent.name,
        parent=parent,
        scope='mmocc',
        locations=[*parent._locations, *locations],
    )


RUNNERS = _child('RUNNERS', 'mmocc.engine')
RUNNER_CONSTRUCTORS = _child('RUNNER_CONSTRUCTORS', 'mmocc.engine')
LOOPS = _child('LOOPS', 'mmocc.engine')
HOOKS = _child('HOOKS', 'mmocc.engine')
LOG_PROCESSORS = _child('LOG_PROCESSORS', 'mmocc.engine')

DATASETS = _child('DATASETS', 'mmocc.datasets')
DATA_SAMPLERS = _child('DATA_SAMPLERS', 'mmocc.datasets')
TRANSFORMS = _child('TRANSFORMS', 'mmocc.datasets')

MODELS = _child('MODELS', 'mmocc.models')
MODEL_WRAPPERS = _child('MODEL_WRAPPERS', 'mmocc.models')
WEIGHT_INITIALIZERS = _child('WEIGHT_INITIALIZERS', 'mmocc.models')
TASK_UTILS = _child('TASK_UTILS', 'mmocc.models')

OPTIMIZERS = _child('OPTIMIZERS', 'mmocc.engine')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'mmocc.engine')
OPTIM_WRAPPER_CONSTRUCTORS = _child(
    'OPTIM_WRAPPER_CONSTRUCTORS', 'mmocc.engine'
)
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS', 'mmocc.engine')

METRICS = _child('METRICS', 'mmocc.evaluation.metrics')
EVALUATOR = _child('EVALUATOR', 'mmocc.evaluation')

VISUALIZERS = _child('VISUALIZERS', 'mmocc.visualization')
VISBACKENDS = _child('VISBACKENDS', 'mmocc.visualization')

# mmdet3d's own node names a package that does not exist (mmdet3d.api).
INFERENCERS = Registry(
    mmdet3d_registry.INFERENCERS.name,
    parent=mmdet3d_registry.INFERENCERS,
    scope='mmocc',
    locations=['mmdet3d.apis', 'mmocc.apis'],
)

# Ours alone: who writes chain-of-thought text for a frame.
ANNOTATORS = Registry(
    'annotator', scope='mmocc', locations=['mmocc.annotation']
)
