"""Chains of thought by rules, for labels that people have changed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from mmocc.annotation import (
    LabelRules,
    RoadMap,
    RuleAnnotator,
    label_infos,
    map_path,
    split_scenes,
)
from mmocc.structures import MetaAction


def rule_texts(
    infos: Mapping, tokens: set[str], root: Path, source: str
) -> dict[str, str]:
    """Write texts that lead to the labels as they stand in an info file.

    Args:
        infos (Mapping): ``metainfo`` and ``data_list`` of whole scenes.
        tokens (set[str]): The frames that need a text; each has a label.
        root (Path): Data root with ``maps/expansion``; without a map nothing
            is said of the road.
        source (str): Path of the info file, for messages.

    Returns:
        dict[str, str]: By sample token, without frames that the rules could
        not label themselves.
    """

    @cache
    def road_map(location: str) -> RoadMap | None:
        path = map_path(root, location)
        return RoadMap.from_json(path) if path.is_file() else None

    names = {
        label: name for name, label in infos['metainfo']['categories'].items()
    }
    names.pop(-1, None)  # categories outside of the detection classes
    annotator = RuleAnnotator()
    texts = {}
    for scene in _scenes_of(infos['data_list'], tokens, source):
        roads = road_map(scene[0]['location'])
        for frame in label_infos(scene, names, roads, LabelRules(), root):
            token = frame.info['token']
            if token in tokens and frame.context is not None:
                label = frame.info['meta_action']
                action = MetaAction(label['speed'], label['direction'])
                texts[token] = annotator.annotate(
                    replace(frame.context, action=action)
                )
    return texts


def _scenes_of(
    data_list: Sequence[dict], tokens: set[str], source: str
) -> list[list[dict]]:
    """The scenes that hold any of the frames."""
    names = {i['scene_name'] for i in data_list if i['token'] in tokens}
    chosen = [i for i in data_list if i['scene_name'] in names]
    return split_scenes(chosen, source)
