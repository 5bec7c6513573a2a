"""Summarise an annotated info file: counts, histograms, confusions."""

from dataclasses import asdict

from mmocc.annotation.label_rules import LabelRules
from mmocc.annotation.meta_action_labels import SOURCE_MAP
from mmocc.projects.DrivingLabels.driving_labels.annotate_infos import (
    AnnotatedInfos,
)
from mmocc.projects.DrivingLabels.driving_labels.label_statistics import (
    WORDS,
    agreement,
    confusion,
    histogram,
    text_table,
)
from mmocc.structures import MetaAction


def summarise(outcome: AnnotatedInfos, rules: LabelRules) -> dict:
    """Count labels, histograms and confusions; the result fits into JSON."""
    decided = outcome.decided
    against_annotator = [
        (frame.label.action, decision.annotator_action)
        for frame, decision in decided
        if decision.annotator_action is not None
    ]
    against_path = [
        (frame.label.action, frame.path_label.action)
        for frame, _ in decided
        if frame.label.source == SOURCE_MAP
    ]
    return dict(
        frames=len(outcome.data_list),
        labelled=len(decided),
        kept_from_review=outcome.reviewed,
        without_answer=len(decided) - len(against_annotator),
        unanswered=[
            frame.info['token']
            for frame, decision in decided
            if decision.annotator_action is None
        ],
        direction_by_annotator=sum(
            decision.source != frame.label.source
            for frame, decision in decided
        ),
        to_review=len(outcome.queue),
        scenes_without_map=outcome.scenes_without_map,
        histogram=dict(
            chosen=histogram([decision.action for _, decision in decided]),
            rules=histogram([frame.label.action for frame, _ in decided]),
            annotator=histogram([action for _, action in against_annotator]),
        ),
        confusion=dict(
            rules_and_annotator=_confusions(against_annotator),
            map_and_path_alone=_confusions(against_path),
        ),
        label_rules=asdict(rules),
    )


def _confusions(pairs: list[tuple[MetaAction, MetaAction]]) -> dict:
    tables = {part: confusion(pairs, part) for part in WORDS}
    return {
        part: dict(
            words=list(WORDS[part]),
            agreement=agreement(table),
            table=table,
        )
        for part, table in tables.items()
    }


def describe(statistics: dict, annotator: str) -> str:
    """Format the statistics as text."""
    counts = statistics['histogram']
    blocks = [
        f'{statistics["labelled"]} of {statistics["frames"]} frames have a '
        f'label, {statistics["to_review"]} of them are to be reviewed, '
        f'{statistics["direction_by_annotator"]} got their direction from '
        f'{annotator}, {statistics["without_answer"]} got no answer from it'
    ]
    if kept := statistics['kept_from_review']:
        blocks.append(f'{kept} frames keep the label that a person gave them')
    if names := statistics['scenes_without_map']:
        blocks.append(
            f'{len(names)} scenes have no map, such as {names[0]}: '
            'directions from the path alone'
        )
    for part, words in WORDS.items():
        rows = [[part, *counts]]
        rows += [
            [word, *(str(counts[who][part][word]) for who in counts)]
            for word in words
        ]
        blocks.append(text_table(rows))
    titles = {
        'rules_and_annotator': f'Rows: the rules. Columns: {annotator}.',
        'map_and_path_alone': (
            'Rows: the rules with the map. Columns: from the path alone.'
        ),
    }
    for name, title in titles.items():
        content = statistics['confusion'][name]['direction']
        if content['agreement'] is None:
            continue
        rows = [['', *content['words']]]
        rows += [
            [word, *map(str, row)]
            for word, row in zip(
                content['words'], content['table'], strict=True
            )
        ]
        blocks.append(
            f'{title} Agreement: {content["agreement"]:.1%}\n'
            f'{text_table(rows)}'
        )
    return '\n\n'.join(blocks)
