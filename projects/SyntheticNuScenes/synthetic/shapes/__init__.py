"""Build things out of solids: trees, houses, cars, people, street furniture.

A shape is a list of solids in its own frame: x forward, y left, z up from
the ground, origin below the centre. :func:`place` moves it into the world.
"""

from mmocc.projects.SyntheticNuScenes.synthetic.shapes.buildings import (
    building,
    wall,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes.obstacles import (
    barrier,
    bin_,
    cone,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes.people import (
    cycle,
    person,
    worker,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes.plants import (
    bush,
    conifer,
    hedge,
    tree,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes.solids import (
    BARK,
    BRICK,
    FACADE,
    FOLIAGE,
    GLASS,
    LAMP,
    PANEL,
    STRIPES,
    place,
    solid,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes.street import (
    bus_stop,
    lamp_post,
    sign,
    signal_lamps,
    traffic_light,
)
from mmocc.projects.SyntheticNuScenes.synthetic.shapes.vehicles import (
    bus,
    car,
    excavator,
    trailer,
    truck,
)

__all__ = [
    'BARK',
    'BRICK',
    'FACADE',
    'FOLIAGE',
    'GLASS',
    'LAMP',
    'PANEL',
    'STRIPES',
    'barrier',
    'bin_',
    'building',
    'bus',
    'bus_stop',
    'bush',
    'car',
    'cone',
    'conifer',
    'cycle',
    'excavator',
    'hedge',
    'lamp_post',
    'person',
    'place',
    'sign',
    'signal_lamps',
    'solid',
    'traffic_light',
    'trailer',
    'tree',
    'truck',
    'wall',
    'worker',
]
