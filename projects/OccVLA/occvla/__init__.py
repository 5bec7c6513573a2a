from mmocc.projects.OccVLA.occvla.occvla import OccVLA

__all__ = ['OccVLA']
