"""Task ``planning``: open-loop plans in npz files, under any presets."""

from collections.abc import Sequence
from pathlib import Path

from mmocc.evaluation.files import NpzFile, PlanFiles, ResultFileError
from mmocc.evaluation.functional.plan_presets import (
    ALL,
    PRESETS,
    SAMPLES_OF_VAL,
    SUBSETS,
    PlanTallies,
    PlanTally,
    preset_scores,
    published_columns,
    tally_plan,
)
from mmocc.evaluation.tasks.evaluation import Evaluation, choose

TASK = 'planning'


def evaluate(
    pred_path: Path, gt_path: Path, presets: Sequence[str] = ()
) -> Evaluation:
    """Score plans: all read-outs of every preset, whole split and subsets.

    Args:
        pred_path (Path): Written by
            :func:`mmocc.evaluation.files.write_plans`.
        gt_path (Path): Written by
            :func:`mmocc.evaluation.files.write_plan_truth`.
        presets (Sequence[str]): Out of ``PRESETS``, or ``all``. Defaults to
            ``l2``, which needs no agents.

    Raises:
        ResultFileError: The files cannot be compared in full, or lack what a
            preset needs.
    """
    chosen = choose(presets, PRESETS, ['l2'])
    with NpzFile(pred_path) as pred, NpzFile(gt_path) as gt:
        plans = PlanFiles(pred, gt)
    totals = {
        name: PlanTallies(dict.fromkeys(SUBSETS, PlanTally()))
        for name in chosen
    }
    for token, sample in zip(plans.names, plans, strict=True):
        for name in chosen:
            try:
                totals[name] = totals[name] + tally_plan(sample, PRESETS[name])
            except ValueError as error:
                raise ResultFileError(
                    pred_path if sample.plan is None else gt_path,
                    f'preset {name!r}: {error}',
                    sample=token,
                ) from error
    results, about = {}, {}
    for name in chosen:
        preset = PRESETS[name]
        for subset in SUBSETS:
            column = name if subset == ALL else f'{name}/{subset}'
            results[column] = preset_scores(totals[name][subset], preset)
            about[column] = plans.about | {
                'source': preset.source,
                'subset': subset,
                'samples': preset.samples,
                'samples_of_nuscenes_val': SAMPLES_OF_VAL[preset.samples],
                'published': list(published_columns(preset)),
            }
    return Evaluation(TASK, results, about, _notes(plans, chosen))


def _notes(plans: PlanFiles, chosen: Sequence[str]) -> list[str]:
    """Return what a reader must know beside the figures."""
    notes = [
        f'ego status given to the planner: {plans.about["ego_status"]}; '
        f'navigation command: {plans.about["command"]}'
    ]
    turned = [
        name
        for name in chosen
        if name != 'l2' and PRESETS[name].frame != plans.frame
    ]
    if turned and plans.about['headings'] != 'in both files':
        notes.append(
            f'{", ".join(turned)}: published for the path of the '
            f'{PRESETS[turned[0]].frame}, measured on the path of the '
            f'{plans.frame}, since headings are {plans.about["headings"]}'
        )
    return notes
