"""File names out of tokens and scene names, which others chose."""

import hashlib
import re

_HARMLESS = re.compile(r'[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,118}[A-Za-z0-9_-])?')
_NOT_HARMLESS = re.compile(r'[^A-Za-z0-9_-]+')
# Names of devices on Windows, whatever the suffix.
_DEVICES = re.compile(
    r'(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?', re.IGNORECASE
)
_SHOWN = 40
_DIGITS = 16


def make_file_name(name: str) -> str:
    """Convert a token or a scene's name into the stem of a file's name.

    Tokens of nuScenes stay as they are. Any other name loses what leads out
    of a folder or has a meaning to a file system, and gets a hash behind
    ``~``, so that different names stay different files.

    Args:
        name (str): Any text.
    """
    if _HARMLESS.fullmatch(name) and not _DEVICES.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()
    shown = _NOT_HARMLESS.sub('_', name)[:_SHOWN]
    return f'{shown}~{digest[:_DIGITS]}'
