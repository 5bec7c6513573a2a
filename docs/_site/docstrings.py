"""Docstrings name other objects as Sphinx does; show that as plain code."""

import re

import griffe

# ``:class:`~a.b.C``` and the like; a name may be broken over two lines.
_ROLE = re.compile(r':(?:class|func|meth|mod|attr|data):`~?([^`]+)`')


class PlainRoles(griffe.Extension):
    """Replace roles by code in every docstring."""

    def on_instance(self, *, obj: griffe.Object, **_: object) -> None:
        """griffe calls this for each object that it has read."""
        if obj.docstring is not None:
            obj.docstring.value = plain_roles(obj.docstring.value)


def plain_roles(text: str) -> str:
    """Roles as code, with whatever broke their names taken out."""
    return _ROLE.sub(
        lambda found: '`' + re.sub(r'\s+', '', found[1]) + '`', text
    )
