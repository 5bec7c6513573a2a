import mmocc.projects.OccVLA.occvla  # noqa: F401, registers its parts
