"""Write new labels and chains of thought into the content of an info file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mmocc.annotation.info_frames import (
    LabelledFrame,
    label_infos,
)
from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.meta_action_labels import SOURCE_REVIEW
from mmocc.annotation.road_map import RoadMap
from mmocc.infos import class_names, group_scenes
from mmocc.projects.DrivingLabels.driving_labels.answer_record import (
    AnswerRecord,
)
from mmocc.projects.DrivingLabels.driving_labels.arbitration import (
    Arbiter,
    LabelDecision,
    review_item,
)


@dataclass
class AnnotatedInfos:
    """Entries of an info file with new labels and texts.

    Attributes:
        data_list (list[dict]): Their new entries, in the order of the file.
        decided (list): (frame, decision) of those that have a label.
        queue (list[dict]): Lines of the review queue.
        reviewed (int): Frames that keep the label of a person.
        scenes_without_map (list[str]): Directions come from the path there.
    """

    data_list: list[dict]
    decided: list[tuple[LabelledFrame, LabelDecision]] = field(
        default_factory=list
    )
    queue: list[dict] = field(default_factory=list)
    reviewed: int = 0
    scenes_without_map: list[str] = field(default_factory=list)


def annotate_infos(
    infos: dict,
    source: Path,
    root: Path,
    road_maps: Callable[[str], RoadMap | None],
    rules: LabelRules,
    record: AnswerRecord,
    arbiter: Arbiter,
    advance: Callable[[], object],
) -> AnnotatedInfos:
    """Label all frames of an info file, scene by scene.

    Args:
        infos (dict): Content of an info file; is left as it is.
        source (Path): The file, for messages.
        root (Path): Data root with images.
        road_maps (Callable): Location to its map, or None.
        rules (LabelRules): Thresholds.
        record (AnswerRecord): Answers of the annotator.
        arbiter (Arbiter): Chooses between rules and annotator.
        advance (Callable): Called once for each frame.

    Raises:
        InfoFileError: A scene is not whole.
        UnreachableError: The annotator did not get through several times in
            a row; answers so far are on record.
        AnnotatorError: The annotator cannot work.
    """
    names = class_names(infos['metainfo'])
    outcome = AnnotatedInfos(data_list=[])
    changed: dict[str, dict] = {}
    for scene in group_scenes(infos['data_list'], str(source), whole=True):
        road_map = road_maps(scene.location)
        if road_map is None:
            outcome.scenes_without_map.append(scene.name)
        frames = list(label_infos(scene.infos, names, road_map, rules, root))
        undecided = []
        for frame in frames:
            new = dict(
                frame.info,
                his_meta_actions=[a._asdict() for a in frame.history],
            )
            changed[frame.info['token']] = new
            if _is_reviewed(frame.info):
                outcome.reviewed += 1
                advance()
            elif frame.label is None:
                new.update(meta_action=None, cot='')
                advance()
            else:
                undecided.append(frame)
        answers = record.collect([f.context for f in undecided], advance)
        for frame in undecided:
            token = frame.info['token']
            decision = arbiter.decide(
                frame.context, frame.label, answers[token]
            )
            changed[token].update(
                meta_action=dict(
                    **decision.action._asdict(),
                    source=decision.source,
                    confidence=decision.confidence,
                ),
                cot=decision.text,
            )
            outcome.decided.append((frame, decision))
            if decision.reason:
                outcome.queue.append(
                    review_item(
                        frame.info, frame.label, decision, arbiter.name
                    )
                )
    outcome.data_list = [changed[i['token']] for i in infos['data_list']]
    return outcome


def _is_reviewed(info: dict) -> bool:
    """Check whether a person has decided on a frame."""
    label = info.get('meta_action') or {}
    return label.get('source') == SOURCE_REVIEW
