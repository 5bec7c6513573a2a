from mmocc.models.layers.nearest_neighbour import NearestNeighbour
from mmocc.models.layers.ray_position_code import RayPositionCode

__all__ = ['NearestNeighbour', 'RayPositionCode']
