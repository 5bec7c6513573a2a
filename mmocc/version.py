"""The version of mmocc, by itself so that setup tools can read it."""

__version__ = '0.1.0'
