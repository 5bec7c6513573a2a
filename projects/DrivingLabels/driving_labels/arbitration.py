"""Choose between the labels of the rules and of an annotator.

The speed word is measured from the poses and always stands. The direction of
the rules stands where they are sure of it, otherwise the annotator's does.
Wherever the two differ, the rules are not sure, or the annotator has no
usable answer, the frame goes to the review queue: a person has the last word.
"""

from dataclasses import dataclass, replace

from mmocc.annotation.chain_of_thought import parse_chain_of_thought
from mmocc.annotation.frame_context import FrameContext
from mmocc.annotation.meta_action_labels import MetaActionLabel, legal_pair
from mmocc.annotation.rule_annotator import RuleAnnotator
from mmocc.projects.DrivingLabels.driving_labels.answer_record import Answer
from mmocc.structures import MetaAction

SOURCE_ANNOTATOR = 'annotator'


@dataclass(frozen=True)
class LabelDecision:
    """Label and text that a frame gets.

    Attributes:
        action (MetaAction): The label.
        source (str): Origin of the direction: ``map``, ``motion`` or
            ``annotator``.
        confidence (float): Of the rules in their own label, 0 to 1.
        text (str): The chain of thought, which ends in ``action``.
        annotator_action (MetaAction or None): The annotator's action.
        reason (str): Why the frame needs a review; '' where it does not.
    """

    action: MetaAction
    source: str
    confidence: float
    text: str
    annotator_action: MetaAction | None
    reason: str


class Arbiter:
    """Chooses the label of each frame.

    Args:
        name (str): Name of the annotator, for the reasons.
        min_confidence (float): Labels of less confidence are reviewed, and
            directions of less give way to the annotator's. Defaults to 0.3.
    """

    def __init__(self, name: str, min_confidence: float = 0.3) -> None:
        if not 0 <= min_confidence <= 1:
            raise ValueError(
                f'min_confidence must be from 0 to 1, got {min_confidence}'
            )
        self.name = name
        self.min_confidence = min_confidence
        self._fallback = RuleAnnotator()

    def decide(
        self, context: FrameContext, label: MetaActionLabel, answer: Answer
    ) -> LabelDecision:
        """Choose the label and the chain of thought of a frame.

        Args:
            context (FrameContext): The frame.
            label (MetaActionLabel): Label of the rules.
            answer (Answer): Answer of the annotator.
        """
        opinion = None
        if answer.text is not None:
            opinion = parse_chain_of_thought(answer.text).action
        direction, source = label.action.direction, label.source
        unsure = label.direction_confidence < self.min_confidence
        if opinion is not None and opinion.direction != direction and unsure:
            direction, source = opinion.direction, SOURCE_ANNOTATOR
        action = legal_pair(label.action.speed, direction)
        return LabelDecision(
            action=action,
            source=source,
            confidence=label.confidence,
            text=(
                answer.text
                if opinion == action
                # Words that lead to another action would contradict it.
                else self._fallback.annotate(replace(context, action=action))
            ),
            annotator_action=opinion,
            reason='; '.join(self._reasons(label, opinion, answer)),
        )

    def _reasons(
        self,
        label: MetaActionLabel,
        opinion: MetaAction | None,
        answer: Answer,
    ) -> list[str]:
        reasons = []
        if opinion is None:
            reasons.append(f'{self.name} has no answer: {answer.problem}')
        else:
            reasons += [
                f'{part} differs: {label.source} says {ours}, '
                f'{self.name} says {theirs}'
                for part, ours, theirs in zip(
                    ('speed', 'direction'), label.action, opinion, strict=True
                )
                if ours != theirs
            ]
        for part, confidence in (
            ('speed', label.speed_confidence),
            ('direction', label.direction_confidence),
        ):
            if confidence < self.min_confidence:
                reasons.append(
                    f'low confidence in the {part}: {confidence:.2f}'
                )
        return reasons


def review_item(
    info: dict, label: MetaActionLabel, decision: LabelDecision, name: str
) -> dict:
    """Make a line of the review queue.

    Args:
        info (dict): The frame's entry of the info file.
        label (MetaActionLabel): Label of the rules.
        decision (LabelDecision): Label that stands until the review.
        name (str): The annotator's name.

    Returns:
        dict: ``token``, ``scene_name``, ``frame_idx``, ``map`` (speed,
        direction, confidence), ``annotator`` (speed and direction, None
        without an answer, and name) and ``reason``.
    """
    opinion = decision.annotator_action
    return dict(
        token=info['token'],
        scene_name=info['scene_name'],
        frame_idx=info['frame_idx'],
        map=dict(
            speed=label.action.speed,
            direction=label.action.direction,
            confidence=round(label.confidence, 4),
        ),
        annotator=dict(
            speed=opinion.speed if opinion else None,
            direction=opinion.direction if opinion else None,
            name=name,
        ),
        reason=decision.reason,
    )
