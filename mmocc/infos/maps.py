"""Read nuScenes' map expansion; the only place that does.

All geometry is in the map frame: x east, y north, metres.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np

from mmocc.utils.json_files import JsonFileError, read_json


class MapError(ValueError):
    """A map file is missing, broken or not a map-expansion file."""


def map_path(root: str | Path, location: str) -> Path:
    """Return the path of a location's map expansion below a data root."""
    return Path(root) / 'maps' / 'expansion' / f'{location}.json'


class MapTables:
    """The tables of a map-expansion file (version 1.3).

    Args:
        tables (dict): The file's content.
        source (str): The file, for messages.
    """

    def __init__(self, tables: dict, source: str = 'the map') -> None:
        self.tables, self.source = tables, source

    @classmethod
    def read(cls, path: str | Path) -> 'MapTables':
        """Read ``maps/expansion/<location>.json``.

        Raises:
            MapError: The file cannot be read as such a map.
        """
        try:
            return cls(read_json(path, kind=dict), str(path))
        except JsonFileError as error:
            raise _map_error(str(path), str(error)) from error

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn a missing or malformed row into a ``MapError``."""
        try:
            yield
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, MapError):
                raise
            raise _map_error(self.source, repr(error)) from error

    def polygons(self, layer: str) -> list[list[np.ndarray]]:
        """Return the polygons of a layer: exteriors and the holes in them.

        Args:
            layer (str): A layer of polygons, such as ``drivable_area``.

        Returns:
            list[list[np.ndarray]]: For each polygon its exterior and its
            holes, (K, 2) metres; rings are not closed.

        Raises:
            MapError: A row is missing or malformed.
        """
        with self.explained():
            polygons = []
            for row in self.tables[layer]:
                tokens = row.get('polygon_tokens') or [row['polygon_token']]
                for polygon in (self._polygons[token] for token in tokens):
                    rings = [polygon['exterior_node_tokens']]
                    rings += [
                        h['node_tokens'] for h in polygon.get('holes', ())
                    ]
                    polygons.append([self._points(ring) for ring in rings])
            return polygons

    def outlines(self, layer: str) -> list[np.ndarray]:
        """Return the exteriors of a layer's polygons, (K, 2) metres each."""
        return [exterior for exterior, *_ in self.polygons(layer)]

    def rings(self, layer: str) -> list[np.ndarray]:
        """Return the exteriors and holes of a layer as closed lines.

        Args:
            layer (str): A layer of polygons, such as ``drivable_area``.

        Returns:
            list[np.ndarray]: (K, 2) metres, the last point is the first.

        Raises:
            MapError: A row is missing or malformed.
        """
        return [
            np.concatenate((ring, ring[:1]))
            for polygon in self.polygons(layer)
            for ring in polygon
            if len(ring)
        ]

    def lines(self, layer: str) -> list[np.ndarray]:
        """Return the lines of a layer, (K, 2) metres, K >= 2.

        Args:
            layer (str): A layer of lines, such as ``lane_divider``.

        Raises:
            MapError: A row is missing or malformed.
        """
        with self.explained():
            lines = {row['token']: row for row in self.tables['line']}
            strokes = [
                lines[row['line_token']]['node_tokens']
                for row in self.tables[layer]
            ]
            return [self._points(s) for s in strokes if len(s) > 1]

    @cached_property
    def _nodes(self) -> dict[str, tuple[float, float]]:
        return {n['token']: (n['x'], n['y']) for n in self.tables['node']}

    @cached_property
    def _polygons(self) -> dict[str, dict]:
        return {row['token']: row for row in self.tables['polygon']}

    def _points(self, tokens: list[str]) -> np.ndarray:
        return np.array([self._nodes[token] for token in tokens])


def _map_error(path: str, problem: str) -> MapError:
    return MapError(
        f'cannot read the map {path} ({problem}); unpack the nuScenes map '
        'expansion v1.3 so that maps/expansion/*.json exist'
    )
