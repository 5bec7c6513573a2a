"""Language scores of OmniDrive's descriptions and conversations.

What the field's scorer computes (HERMES, which prints them for OmniDrive
too), in plain Python: BLEU-1..4, ROUGE-L and CIDEr-D as pycocoevalcap 1.2
defines them, each pair of an answer and its one reference a document of its
own. The strings are taken **raw**: case and punctuation count, words are what
stands between spaces. Lower-cased and stripped of punctuation by the Penn
Treebank tokenizer (``tokenizer='ptb'``) BLEU and CIDEr move by 5 to 10 %, so
the two must not be compared.

CIDEr weighs words by how many references of the evaluated set hold them: it
cannot be averaged over parts of a set, nor compared between sets. METEOR is
nltk's, on nltk's tokens; the Java METEOR of other papers is another scale.
"""

import math
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, get_args

Tokenizer = Literal['raw', 'ptb']

MAX_N = 4
# Of pycocoevalcap: what keeps its quotients finite.
_TINY, _SMALL = 1e-15, 1e-9
ROUGE_BETA = 1.2
CIDER_SIGMA = 6.0
CIDER_SCALE = 10.0


class CaptionPair(NamedTuple):
    """An answer beside its reference.

    Attributes:
        answer (str): Empty where the model gave none.
        reference (str): Never empty.
    """

    answer: str
    reference: str


class MissingScorerError(RuntimeError):
    """A scorer's package, program or data is not installed."""


def caption_scores(
    pairs: Sequence[CaptionPair], tokenizer: Tokenizer = 'raw'
) -> dict[str, float]:
    """Compute BLEU, ROUGE-L and CIDEr of all pairs together.

    Args:
        pairs (Sequence[CaptionPair]): All pairs of the set, in any order.
        tokenizer (str): ``raw``, or ``ptb`` (needs pycocoevalcap and Java).
            Defaults to 'raw'.

    Returns:
        dict: ``BLEU-1`` .. ``BLEU-4``, ``ROUGE_L`` and ``CIDEr`` as papers
        print them (no per cent), and the counts ``pairs`` and
        ``empty_answers``. With no pair, the counts alone.

    Raises:
        MissingScorerError: The tokenizer is not installed.
        TypeError: A text is not a string.
        ValueError: A reference is empty, or the tokenizer unknown.
    """
    if tokenizer not in get_args(Tokenizer):
        raise ValueError(
            f'the tokenizer is {tokenizer!r}, expected one of '
            f'{get_args(Tokenizer)}'
        )
    _check(pairs)
    counts = {
        'pairs': len(pairs),
        'empty_answers': sum(not pair.answer.strip() for pair in pairs),
    }
    if not pairs:
        return counts
    if tokenizer == 'ptb':
        pairs = treebank_tokens(pairs)
    scores = {
        f'BLEU-{n}': value for n, value in enumerate(bleu(pairs), start=1)
    }
    scores['ROUGE_L'] = rouge_l(pairs)
    scores['CIDEr'] = cider(pairs)
    return scores | counts


def _check(pairs: Sequence[CaptionPair]) -> None:
    for pair in pairs:
        for text, name in zip(pair, CaptionPair._fields, strict=True):
            if not isinstance(text, str):
                raise TypeError(
                    f'the {name} {text!r} is a {type(text).__name__}, '
                    'expected a string'
                )
        if not pair.reference.strip():
            raise ValueError(
                f'the answer {pair.answer!r} has an empty reference; leave '
                'pairs without ground truth out'
            )


def ngrams(text: str) -> Counter:
    """Count the n-grams of a text, n = 1 .. 4, as tuples of words."""
    words = text.split()
    return Counter(
        tuple(words[start : start + n])
        for n in range(1, MAX_N + 1)
        for start in range(len(words) - n + 1)
    )


def bleu(pairs: Sequence[CaptionPair]) -> list[float]:
    """Compute BLEU-1 .. BLEU-4 of the corpus, closest reference length."""
    pred_words = gt_words = 0
    guessed, right = [0] * MAX_N, [0] * MAX_N
    for pair in pairs:
        length = len(pair.answer.split())
        pred_words += length
        gt_words += len(pair.reference.split())
        for n in range(MAX_N):
            guessed[n] += max(0, length - n)
        reference = ngrams(pair.reference)
        for gram, count in ngrams(pair.answer).items():
            right[len(gram) - 1] += min(count, reference[gram])
    product, scores = 1.0, []
    for n in range(MAX_N):
        product *= (right[n] + _TINY) / (guessed[n] + _SMALL)
        scores.append(product ** (1 / (n + 1)))
    ratio = (pred_words + _TINY) / (gt_words + _SMALL)
    if ratio < 1:
        scores = [score * math.exp(1 - 1 / ratio) for score in scores]
    return scores


def common_length(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest common subsequence of words.

    Bits of one number stand for the words of ``one`` (Hyyro, 2004), so that
    a row of the usual table is one addition.
    """
    places: dict[str, int] = {}
    for place, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << place
    row = everything = (1 << len(one)) - 1
    for word in other:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & everything
    return len(one) - row.bit_count()


def rouge_l(pairs: Sequence[CaptionPair]) -> float:
    """Compute the mean ROUGE-L with beta 1.2.

    Words are split at single spaces, as the scorer does it; two spaces in a
    row hold an empty word between them.
    """
    total = 0.0
    for pair in pairs:
        answer, reference = pair.answer.split(' '), pair.reference.split(' ')
        common = common_length(answer, reference)
        if common:
            precision, recall = common / len(answer), common / len(reference)
            total += ((1 + ROUGE_BETA**2) * precision * recall) / (
                recall + ROUGE_BETA**2 * precision
            )
    return total / len(pairs)


class _Vector(NamedTuple):
    """One text's weighted n-grams, by their length."""

    weights: tuple[dict, ...]
    norms: tuple[float, ...]
    bigrams: int


def cider(pairs: Sequence[CaptionPair]) -> float:
    """Compute CIDEr-D of a set: sigma 6, clipped, times 10."""
    references = [ngrams(pair.reference) for pair in pairs]
    documents = Counter(gram for grams in references for gram in grams)
    log_total = math.log(len(pairs))

    def vector(grams: Counter) -> _Vector:
        weights = tuple({} for _ in range(MAX_N))
        for gram, count in grams.items():
            rarity = log_total - math.log(max(1, documents[gram]))
            weights[len(gram) - 1][gram] = count * rarity
        norms = tuple(
            math.sqrt(sum(weight**2 for weight in part.values()))
            for part in weights
        )
        return _Vector(
            weights,
            norms,
            sum(count for gram, count in grams.items() if len(gram) == 2),
        )

    total = 0.0
    for pair, reference in zip(pairs, references, strict=True):
        pred, gt = vector(ngrams(pair.answer)), vector(reference)
        penalty = math.exp(
            -((pred.bigrams - gt.bigrams) ** 2) / (2 * CIDER_SIGMA**2)
        )
        for n in range(MAX_N):
            overlap = sum(
                min(weight, gt.weights[n].get(gram, 0.0))
                * gt.weights[n].get(gram, 0.0)
                for gram, weight in pred.weights[n].items()
            )
            if pred.norms[n] and gt.norms[n]:
                overlap /= pred.norms[n] * gt.norms[n]
            total += overlap * penalty / MAX_N
    return CIDER_SCALE * total / len(pairs)


def meteor(
    pairs: Sequence[CaptionPair],
    tokenize: Callable[[str], list[str]] | None = None,
    score: Callable[[list[list[str]], list[str]], float] | None = None,
) -> float:
    """Compute the mean METEOR of nltk on nltk's tokens.

    Args:
        pairs (Sequence[CaptionPair]): At least one.
        tokenize (Callable, optional): Text to words; nltk's by default.
        score (Callable, optional): (references, answer) to a number; nltk's
            by default.

    Raises:
        MissingScorerError: nltk or its data is not installed.
    """
    way_out = (
        'pip install -r requirements/optional.txt and python -m '
        'nltk.downloader punkt punkt_tab wordnet'
    )
    try:
        if tokenize is None:
            from nltk import word_tokenize as tokenize
        if score is None:
            from nltk.translate.meteor_score import meteor_score as score
    except ImportError as error:
        raise MissingScorerError(
            f'METEOR needs nltk and its data: {way_out}'
        ) from error
    try:
        values = [
            score([tokenize(pair.reference)], tokenize(pair.answer))
            for pair in pairs
        ]
    except LookupError as error:
        raise MissingScorerError(
            f'METEOR needs the data of nltk: {way_out}'
        ) from error
    return sum(values) / len(values)


def treebank_tokens(pairs: Sequence[CaptionPair]) -> list[CaptionPair]:
    """Tokenize both texts of each pair by the Penn Treebank tokenizer.

    Raises:
        MissingScorerError: pycocoevalcap or Java is not installed.
    """
    try:
        from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
    except ImportError as error:
        raise MissingScorerError(
            'the PTB tokenizer comes with pycocoevalcap: pip install -r '
            'requirements/optional.txt'
        ) from error
    if shutil.which('java') is None:
        raise MissingScorerError(
            'the PTB tokenizer runs on Java, and there is no "java" here; '
            'install a JRE, or score raw strings'
        )
    texts = {
        place: [{'caption': text}]
        for place, text in enumerate(text for pair in pairs for text in pair)
    }
    tokens = PTBTokenizer().tokenize(texts)
    words = [tokens[place][0] for place in range(len(texts))]
    return [
        CaptionPair(answer, reference)
        for answer, reference in zip(words[::2], words[1::2], strict=True)
    ]
