"""Chains of thought by rules, for labels that people have changed."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from mmocc.annotation.info_frames import label_infos
from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.road_map import RoadMap
from mmocc.annotation.rule_annotator import RuleAnnotator
from mmocc.infos import InfoFrame, class_names, group_scenes, map_path


def rule_texts(
    infos: Mapping, tokens: set[str], root: Path, source: str
) -> dict[str, str]:
    """Write the chains of thought that lead to the labels of an info file.

    Args:
        infos (Mapping): ``metainfo`` and ``data_list`` of whole scenes.
        tokens (set[str]): Sample tokens of the frames that need a text; each
            has a label.
        root (Path): Data root with ``maps/expansion``; without a map the
            texts leave the road out.
        source (str): Path of the info file, for messages.

    Returns:
        dict[str, str]: By sample token, without frames that the rules could
        not label themselves.

    Raises:
        InfoFileError: A scene of the frames is not whole.
        MapError: A map cannot be read.
    """

    @cache
    def road_map(location: str) -> RoadMap | None:
        path = map_path(root, location)
        return RoadMap.from_json(path) if path.is_file() else None

    names = class_names(infos['metainfo'])
    annotator = RuleAnnotator()
    texts = {}
    for scene in group_scenes(infos['data_list'], source):
        if tokens.isdisjoint(frame.token for frame in scene.frames):
            continue
        scene.check_whole(source)
        roads = road_map(scene.location)
        for labelled in label_infos(
            scene.infos, names, roads, LabelRules(), root
        ):
            frame = InfoFrame(labelled.info)
            if frame.token in tokens and labelled.context is not None:
                texts[frame.token] = annotator.annotate(
                    replace(labelled.context, action=frame.meta_action)
                )
    return texts
