"""Meta-actions and chains of thought of every key frame of a data root."""

from collections.abc import Iterator
from pathlib import Path

from dataset_converters.can_bus import load_can_bus
from dataset_converters.nuscenes_scene import scene_labels
from dataset_converters.nuscenes_tables import NuScenesScene, NuScenesTables
from dataset_converters.object_boxes import box_velocities
from mmocc.annotation import (
    LabelRules,
    RoadMap,
    RuleAnnotator,
    parse_chain_of_thought,
)
from mmocc.infos import map_path


def label_frames(root: Path, version: str) -> dict[str, dict | None]:
    """Label key frames as ``convert_nuscenes`` does.

    Args:
        root (Path): Data root with tables, maps and CAN bus.
        version (str): Folder of the tables.

    Returns:
        dict: By sample token ``speed``, ``direction``, ``source``,
        ``confidence``, ``reasoning`` and ``cot``; None where the recording
        ends too early for a label.
    """
    tables = NuScenesTables(root, version, max_sweeps=0)
    maps = {
        location: RoadMap.from_json(map_path(root, location))
        for location in sorted({tables.location(s) for s in tables.scenes})
    }
    labels: dict[str, dict | None] = {}
    for scene in tables.scenes:
        record = tables.read_scene(scene)
        labels.update(_label_scene(root, record, maps[record.location]))
    return labels


def _label_scene(
    root: Path, record: NuScenesScene, road_map: RoadMap
) -> Iterator[tuple[str, dict | None]]:
    """(sample token, label) of every key frame of a scene."""
    frames = scene_labels(
        record,
        box_velocities(record.frames),
        load_can_bus(root, record.name),
        road_map,
        RuleAnnotator(),
        LabelRules(),
    )
    for frame, fields in zip(record.frames, frames, strict=True):
        label = fields['meta_action']
        if label is not None:
            cot = parse_chain_of_thought(fields['cot'])
            label = label | {'reasoning': cot.reasoning, 'cot': fields['cot']}
        yield frame.token, label
