"""Load the questions about a frame and their answers."""

from collections.abc import Sequence

from mmcv.transforms import BaseTransform

from mmocc.datasets.sample_error import sample_error
from mmocc.datasets.transforms.frame_rng import frame_rng
from mmocc.infos import InfoFrame
from mmocc.infos.frame import as_questions
from mmocc.registry import TRANSFORMS
from mmocc.structures import DrivingQA
from mmocc.structures.meta_action import ACTION_MARKER
from mmocc.structures.prompts import meta_action_question

TASKS = ('meta_action', 'qa', 'caption')
ANSWER_STYLES = ('cot', 'action')


@TRANSFORMS.register_module()
class LoadDrivingQA(BaseTransform):
    """Choose questions about a frame, with their answers where known.

    The meta-action question comes first. Its prompt holds past meta-actions
    only (``his_meta_actions``, labelled from poses up to the frame).

    Which questions are drawn depends on seed, epoch and token (see
    ``frame_rng``): with ``EpochSampler`` they change from epoch to epoch,
    without it, as in validation, they never change.

    Required Keys: ``token``, and by task ``his_meta_actions``, ``cot`` and
    ``meta_action``; ``qa``; ``captions``.

    Added Keys: ``questions`` (list[DrivingQA]).

    Args:
        tasks (Sequence[str]): Any of ``meta_action``, ``qa`` and
            ``caption``. Defaults to ('meta_action', 'qa').
        max_questions (int, optional): Largest number of questions per frame
            of each of the tasks ``qa`` and ``caption``; if there are more,
            so many are drawn at random. Defaults to None, all.
        answer_style (str): The answer to the meta-action question: ``cot``,
            the chain of thought that ends in the action, or ``action``, the
            action alone. Defaults to 'cot'.
        skip_unanswered (bool): Whether to leave questions without an answer
            out, as training must. Defaults to False.
    """

    def __init__(
        self,
        tasks: Sequence[str] = ('meta_action', 'qa'),
        max_questions: int | None = None,
        answer_style: str = 'cot',
        skip_unanswered: bool = False,
    ) -> None:
        if not set(tasks) <= set(TASKS) or answer_style not in ANSWER_STYLES:
            raise ValueError(
                f'LoadDrivingQA got tasks={tuple(tasks)} and answer_style='
                f'{answer_style!r}; expected tasks out of {TASKS} and one of '
                f'{ANSWER_STYLES}'
            )
        self.tasks = tuple(tasks)
        self.max_questions = max_questions
        self.answer_style = answer_style
        self.skip_unanswered = skip_unanswered

    def transform(self, results: dict) -> dict:
        """Load the questions of a frame.

        Args:
            results (dict): Has the required keys.

        Returns:
            dict: ``results`` with ``questions``.

        Raises:
            SampleError: If the info file lacks the key of a task.
        """
        questions = []
        if 'meta_action' in self.tasks:
            questions.append(self._meta_action(results))
        if 'qa' in self.tasks:
            questions += self._draw(results, 'qa', 'qa')
        if 'caption' in self.tasks:
            questions += self._draw(results, 'captions', 'caption')
        results['questions'] = [
            item
            for item in questions
            if item.answered or not self.skip_unanswered
        ]
        return results

    def _meta_action(self, results: dict) -> DrivingQA:
        frame = InfoFrame(results)
        self._get(results, 'his_meta_actions')
        answer = ''
        if self.answer_style == 'cot' and 'cot' in frame:
            answer = frame.cot
        elif self.answer_style == 'action' and 'meta_action' in frame:
            action = frame.meta_action
            answer = f'{ACTION_MARKER} {action}' if action else ''
        return DrivingQA(
            meta_action_question(frame.his_meta_actions), answer, 'meta_action'
        )

    def _draw(self, results: dict, key: str, task: str) -> list[DrivingQA]:
        entries = self._get(results, key)
        if self.max_questions is not None:
            rng = frame_rng(results, f'questions/{task}')
            chosen = rng.permutation(len(entries))[: self.max_questions]
            entries = [entries[i] for i in chosen]
        return list(as_questions(entries, task))

    @staticmethod
    def _get(results: dict, key: str) -> Sequence[dict]:
        if key not in results:
            raise sample_error(
                results['token'],
                f'key {key!r} of the info file',
                'it is missing',
                'a list, which may be empty',
                'make the info file with tools/create_data.py and the '
                "language data, or drop the task from LoadDrivingQA's "
                '`tasks` (RandomMirror goes behind all loaders)',
            )
        return results[key]
