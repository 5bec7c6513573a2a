"""Label every key frame of a data root with meta-action and reasoning."""

from collections.abc import Iterator
from pathlib import Path

from dataset_converters.can_bus import load_can_bus
from dataset_converters.nuscenes_scene import scene_labels
from dataset_converters.nuscenes_tables import NuScenesScene, NuScenesTables
from dataset_converters.object_boxes import box_velocities
from mmocc.annotation import (
    RoadMap,
    parse_chain_of_thought,
)
from mmocc.infos import InfoFrame, map_path


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
    for row in tables.scenes:
        scene = tables.read_scene(row)
        labels.update(_label_scene(root, scene, maps[scene.location]))
    return labels


def _label_scene(
    root: Path, scene: NuScenesScene, road_map: RoadMap
) -> Iterator[tuple[str, dict | None]]:
    """Yield (sample token, label) of every key frame of a scene."""
    frames = scene_labels(
        scene,
        box_velocities(scene.frames),
        load_can_bus(root, scene.name),
        road_map,
    )
    for frame, fields in zip(scene.frames, frames, strict=True):
        info = InfoFrame(fields)
        label = info.meta_label
        if label is not None:
            reasoning = parse_chain_of_thought(info.cot).reasoning
            label = label | {'reasoning': reasoning, 'cot': info.cot}
        yield frame.token, label
