"""The error of info files."""


class InfoFileError(ValueError):
    """An info file is missing, broken, of another version, or incomplete."""
