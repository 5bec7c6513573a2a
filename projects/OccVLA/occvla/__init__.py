from mmocc.projects import share_modules
from mmocc.projects.OccVLA.occvla.occvla import OccVLA

__all__ = ['OccVLA']

share_modules(__name__)
