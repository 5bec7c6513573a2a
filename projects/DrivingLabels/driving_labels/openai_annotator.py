"""Write chains of thought by a chat model behind an HTTP endpoint."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from mmocc.annotation.annotator import (
    Annotator,
    AnnotatorError,
    NoAnswerError,
    UnreachableError,
)
from mmocc.annotation.chain_of_thought import ChainOfThought
from mmocc.annotation.frame_context import FrameContext
from mmocc.annotation.rule_annotator import history_sentence
from mmocc.projects.DrivingLabels.driving_labels.chat_answer import (
    UnusableAnswerError,
    read_answer,
)
from mmocc.projects.DrivingLabels.driving_labels.chat_client import (
    ChatClient,
    ChatReply,
)
from mmocc.projects.DrivingLabels.driving_labels.chat_prompt import (
    ANSWER_SCHEMA,
    CORRECTION,
    SYSTEM_PROMPT,
    user_content,
)
from mmocc.registry import ANNOTATORS

_URL_VARIABLE = 'OPENAI_BASE_URL'
_MODEL_VARIABLE = 'OPENAI_MODEL'
_RESPONSE_FORMATS = {
    'schema': {
        'response_format': {
            'type': 'json_schema',
            'json_schema': ANSWER_SCHEMA,
        }
    },
    'json': {'response_format': {'type': 'json_object'}},
    'text': {},
}
_CUT_OFF = 'length'


@ANNOTATORS.register_module()
class OpenAICompatibleAnnotator(Annotator):
    """Asks a chat endpoint for scene, reasoning and a second opinion.

    A broken answer is repaired where no word has to be guessed. An answer
    that stays broken or has an illegal label is sent back with the reason.
    See ``ChatClient`` for retries, cache and log.

    Args:
        work_dir (str | Path): Holds ``cache/`` and ``audit.jsonl``.
        base_url (str, optional): Such as ``http://localhost:8000/v1``.
            Defaults to None, the variable ``OPENAI_BASE_URL``.
        model (str, optional): Defaults to None, ``OPENAI_MODEL``.
        api_key_env (str): Variable that holds the key; the key itself can be
            given in no other way. Unset, none is sent, as local servers
            like it. Defaults to 'OPENAI_API_KEY'.
        allow_plain_http (bool): Whether the key may go to another machine by
            ``http``, which anybody on the way can read. Defaults to False.
        cameras (Sequence[str]): Cameras whose images are sent. Defaults to
            (), none.
        image_width (int): Pixels that wider images are reduced to. Defaults
            to 512.
        response_format (str): ``schema`` and ``json`` make endpoints that
            can stick to JSON, ``text`` relies on the prompt. Defaults to
            'json'.
        max_tokens (int): Length limit of an answer. Defaults to 512.
        request_options (Mapping, optional): Further fields of the request,
            such as ``reasoning_effort``; None takes a field out, such as
            ``temperature`` or ``max_tokens`` where a model does not know it.
        max_corrections (int): How often an unusable answer is sent back.
            Defaults to 2.
        timeout (float): Seconds of one attempt, to its last byte. Defaults
            to 60.
        max_retries (int): Attempts after the first one. Defaults to 4.
        backoff (float): Seconds of the first pause. Defaults to 1.
        concurrency (int): Requests at the same time. Defaults to 4.
        seed (int): Seed of the pauses' jitter. Defaults to 0.

    Raises:
        AnnotatorError: URL, model or an option is missing or wrong.
    """

    name = 'openai'

    def __init__(
        self,
        work_dir: str | Path,
        base_url: str | None = None,
        model: str | None = None,
        api_key_env: str = 'OPENAI_API_KEY',
        allow_plain_http: bool = False,
        cameras: Sequence[str] = (),
        image_width: int = 512,
        response_format: str = 'json',
        max_tokens: int = 512,
        request_options: Mapping[str, object] | None = None,
        max_corrections: int = 2,
        timeout: float = 60.0,
        max_retries: int = 4,
        backoff: float = 1.0,
        concurrency: int = 4,
        seed: int = 0,
    ) -> None:
        if response_format not in _RESPONSE_FORMATS:
            raise AnnotatorError(
                f'response_format is {response_format!r}, expected one of '
                f'{", ".join(_RESPONSE_FORMATS)}'
            )
        self.model = model or _from_environment(_MODEL_VARIABLE, 'model')
        self.cameras = tuple(cameras)
        self.image_width = image_width
        self.response_format = response_format
        self.max_tokens = max_tokens
        self.request_options = dict(request_options or {})
        self.max_corrections = max_corrections
        self.concurrency = concurrency
        self.client = ChatClient(
            base_url=base_url or _from_environment(_URL_VARIABLE, 'base URL'),
            api_key=os.environ.get(api_key_env, '').strip(),
            allow_plain_http=allow_plain_http,
            cache_dir=Path(work_dir) / 'cache',
            audit_log=Path(work_dir) / 'audit.jsonl',
            timeout=timeout,
            max_retries=max_retries,
            backoff=backoff,
            concurrency=concurrency,
            seed=seed,
        )

    @property
    def identity(self) -> dict:
        """Everything besides the frame that a request depends on."""
        return dict(
            type=self.name,
            url=self.client.url,
            cameras=self.cameras,
            image_width=self.image_width,
            max_corrections=self.max_corrections,
            request=self._body([{'content': SYSTEM_PROMPT}]),
        )

    def annotate(self, context: FrameContext) -> str:
        """Return the chain of thought of a frame (see ``Annotator``)."""
        history = history_sentence(context.history)
        messages = [
            {'role': 'system', 'content': SYSTEM_PROMPT},
            {'role': 'user', 'content': self._content(context)},
        ]
        said = reason = ''

        def read(reply: ChatReply) -> str:
            nonlocal said
            said = reply.text
            return str(self._read(reply, history))

        for _ in range(self.max_corrections + 1):
            try:
                return self.client.ask(
                    self._body(messages), context.token, read
                )
            except UnusableAnswerError as error:
                reason = str(error)
            messages += [
                {'role': 'assistant', 'content': said},
                {'role': 'user', 'content': CORRECTION.format(reason=reason)},
            ]
        raise NoAnswerError(
            f'{self.max_corrections + 1} answers of {self.model} cannot be '
            f'used, the last because {reason}'
        )

    def stop(self) -> None:
        """Send no further request."""
        self.client.stop()

    def _content(self, context: FrameContext) -> list[dict]:
        try:
            return user_content(context, self.cameras, self.image_width)
        except KeyError as error:
            raise UnreachableError(
                f'frame {context.token} has no camera {error}, it has '
                f'{sorted(context.images)}; name one of these'
            ) from error
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise UnreachableError(
                f'an image of frame {context.token} cannot be read ({error}); '
                'give the data root, or send no images'
            ) from error

    def _body(self, messages: list[dict]) -> dict:
        body = {
            'model': self.model,
            'messages': messages,
            'temperature': 0,
            'max_tokens': self.max_tokens,
            **_RESPONSE_FORMATS[self.response_format],
            **self.request_options,
        }
        return {k: value for k, value in body.items() if value is not None}

    def _read(self, reply: ChatReply, history: str) -> ChainOfThought:
        if reply.finish_reason == _CUT_OFF:
            raise UnusableAnswerError(
                f'it was cut off behind {self.max_tokens} tokens'
            )
        return read_answer(reply.text, history)


def _from_environment(variable: str, what: str) -> str:
    value = os.environ.get(variable, '')
    if not value:
        raise AnnotatorError(
            f'the {what} of the endpoint is not known; give it as an argument '
            f'or in the variable {variable}'
        )
    return value
