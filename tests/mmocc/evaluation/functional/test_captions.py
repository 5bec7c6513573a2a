"""Language scores by hand, and against pycocoevalcap where it is there."""

import builtins
import math
import shutil

import numpy as np
import pytest

from mmocc.evaluation.functional import (
    CaptionPair,
    MissingScorerError,
    caption_scores,
    meteor,
)
from mmocc.evaluation.functional.captions import (
    bleu,
    cider,
    common_length,
    rouge_l,
)

# BLEU of the reference scorer differs from the textbook in the ninth place.
CLOSE = 1e-8
WORDS = 'the car is ahead of a truck , Red light . slow down wait'.split()


def random_pairs(count=200, seed=0):
    rng = np.random.default_rng(seed)
    pairs = []
    for index in range(count):
        reference = [str(w) for w in rng.choice(WORDS, rng.integers(1, 40))]
        answer = [
            word if rng.random() < 0.7 else str(rng.choice(WORDS))
            for word in reference[: rng.integers(0, 40)]
        ]
        # Uneven spaces, and answers of nothing at all.
        text = ('  ' if index % 9 == 0 else ' ').join(answer)
        pairs.append(CaptionPair(text, ' '.join(reference)))
    return pairs


def test_truth_as_prediction_is_perfect():
    texts = ['a car waits here', 'two trucks turn left there']
    scores = caption_scores([CaptionPair(text, text) for text in texts])
    for n in (1, 2, 3, 4):
        assert scores[f'BLEU-{n}'] == pytest.approx(1, abs=CLOSE)
    assert scores['ROUGE_L'] == pytest.approx(1)
    # No word is in both references, so every n-gram weighs the same.
    assert scores['CIDEr'] == pytest.approx(10)
    assert scores['pairs'] == 2


def test_bleu_of_three_words():
    # Words 2/3, pairs 1/2.
    scores = bleu([CaptionPair('the car stops', 'the car turns')])
    assert scores[0] == pytest.approx(2 / 3, abs=CLOSE)
    assert scores[1] == pytest.approx(math.sqrt(2 / 3 / 2), abs=CLOSE)
    assert scores[2] < 1e-4


def test_bleu_clips_repeated_words():
    scores = bleu([CaptionPair('the the the', 'the car turns')])
    assert scores[0] == pytest.approx(1 / 3, abs=CLOSE)


def test_bleu_punishes_short_answers_over_the_whole_corpus():
    scores = bleu([CaptionPair('the car', 'the car turns left')])
    assert scores[0] == pytest.approx(math.exp(-1), abs=CLOSE)
    # A long answer elsewhere makes up for the length: 6 of 6 words, of which
    # 4 are right.
    long = CaptionPair('go on on on', 'go on')
    both = bleu([CaptionPair('the car', 'the car turns left'), long])
    assert both[0] == pytest.approx(4 / 6, abs=CLOSE)


def test_rouge_of_a_common_subsequence():
    # a c d in both: precision 3/4, recall 3/5, beta 1.2.
    value = rouge_l([CaptionPair('a b c d', 'a c d e f')])
    expected = 2.44 * 0.75 * 0.6 / (0.6 + 1.44 * 0.75)
    assert value == pytest.approx(expected, abs=1e-12)
    assert rouge_l([CaptionPair('x', 'a b')]) == 0
    # The mean over pairs.
    assert rouge_l(
        [CaptionPair('a b c d', 'a c d e f'), CaptionPair('x', 'a b')]
    ) == pytest.approx(expected / 2)


def test_common_subsequence_equals_the_usual_table():
    rng = np.random.default_rng(0)
    for _ in range(50):
        one, other = (
            list(rng.choice(WORDS[:5], rng.integers(1, 90))) for _ in range(2)
        )
        table = np.zeros((len(one) + 1, len(other) + 1), dtype=int)
        for i, j in np.ndindex(len(one), len(other)):
            table[i + 1, j + 1] = (
                table[i, j] + 1
                if one[i] == other[j]
                else max(table[i, j + 1], table[i + 1, j])
            )
        assert common_length(one, other) == table[-1, -1]


def test_cider_of_two_documents():
    # Each word and each pair is in one of two references: weight log 2, and
    # cosine 1; there are no runs of three or four. 10 * (1 + 1 + 0 + 0) / 4.
    assert cider(
        [CaptionPair('a b', 'a b'), CaptionPair('c d', 'c d')]
    ) == pytest.approx(5)


def test_cider_depends_on_the_evaluated_set():
    """It must be taken once, over the gathered set."""
    one, other = random_pairs(30, 1), random_pairs(30, 2)
    apart = (cider(one) + cider(other)) / 2
    assert abs(cider(one + other) - apart) > 0.01
    # Alone, a reference has no rare words at all.
    assert cider([CaptionPair('a b', 'a b')]) == 0


def test_cider_punishes_another_length():
    pairs = [CaptionPair('a b', 'a b'), CaptionPair('c d x y z', 'c d')]
    # Second: vector (c, d, x, y, z), each log 2: cosine sqrt(2/5); pairs
    # (cd, dx, xy, yz): cosine sqrt(1/4); three bigrams too many.
    second = (math.sqrt(2 / 5) + 1 / 2) / 4 * math.exp(-9 / 72)
    assert cider(pairs) == pytest.approx(10 * (0.5 + second) / 2)


def test_order_does_not_matter():
    pairs = random_pairs()
    assert caption_scores(pairs[::-1]) == pytest.approx(
        caption_scores(pairs), rel=1e-12
    )


def test_raw_strings_keep_case_and_punctuation():
    same = caption_scores([CaptionPair('A car.', 'A car.')] * 2)
    other = caption_scores([CaptionPair('a car', 'A car.')] * 2)
    assert same['BLEU-1'] == pytest.approx(1, abs=CLOSE)
    assert other['BLEU-1'] == pytest.approx(0, abs=CLOSE)


def test_empty_answers_score_nothing_and_are_counted():
    pairs = [CaptionPair('a b', 'a b'), CaptionPair('', 'c d')]
    scores = caption_scores(pairs)
    assert scores['empty_answers'] == 1
    assert scores['ROUGE_L'] == pytest.approx(0.5)
    assert scores['CIDEr'] == pytest.approx(2.5)
    # 2 of 2 words, but half as many as in the references.
    assert scores['BLEU-1'] == pytest.approx(math.exp(-1), abs=CLOSE)
    nothing = caption_scores([CaptionPair('', 'c d')])
    assert nothing['BLEU-1'] == nothing['ROUGE_L'] == 0


def test_no_pair_has_no_score():
    assert caption_scores([]) == {'pairs': 0, 'empty_answers': 0}


# Printed by pycocoevalcap 1.2 for the four pairs below.
RECORDED = {
    'BLEU-1': 0.5487117216413925,
    'BLEU-2': 0.4304448886102116,
    'BLEU-3': 0.30041113540656456,
    'BLEU-4': 4.102827460500316e-05,
    'ROUGE_L': 0.44176441436348984,
    'CIDEr': 2.4248552478051515,
}


def test_recorded_values_of_pycocoevalcap_1_2():
    pairs = [
        CaptionPair('The car ahead is braking .', 'The car ahead brakes .'),
        CaptionPair('a red light', 'There is a red light ahead .'),
        CaptionPair('', 'Nothing moves here'),
        CaptionPair('wait for the bus , then go', 'wait , then pass the bus'),
    ]
    scores = caption_scores(pairs)
    for name, value in RECORDED.items():
        assert scores[name] == pytest.approx(value, abs=1e-9), name


def test_scores_equal_pycocoevalcap():
    bleu_module = pytest.importorskip('pycocoevalcap.bleu.bleu')
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    pairs = random_pairs()
    truth = {i: [pair.reference] for i, pair in enumerate(pairs)}
    said = {i: [pair.answer] for i, pair in enumerate(pairs)}
    scores = caption_scores(pairs)
    theirs, _ = bleu_module.Bleu(4).compute_score(truth, said, verbose=0)
    for n in range(4):
        assert scores[f'BLEU-{n + 1}'] == pytest.approx(theirs[n], abs=1e-9)
    assert scores['ROUGE_L'] == pytest.approx(
        Rouge().compute_score(truth, said)[0], abs=1e-9
    )
    assert scores['CIDEr'] == pytest.approx(
        Cider().compute_score(truth, said)[0], abs=1e-9
    )


def test_treebank_tokens_drop_case_and_punctuation():
    pytest.importorskip('pycocoevalcap')
    if shutil.which('java') is None:
        pytest.skip('needs Java')
    pair = CaptionPair('a car', 'A car.')
    scores = caption_scores([pair, pair], tokenizer='ptb')
    assert scores['BLEU-1'] == pytest.approx(1, abs=CLOSE)


def without(monkeypatch, *packages):
    """Make packages look as if they were not installed."""
    plain = builtins.__import__

    def importer(name, *args, **kwargs):
        if name.split('.')[0] in packages:
            raise ImportError(name)
        return plain(name, *args, **kwargs)

    monkeypatch.setattr(builtins, '__import__', importer)


def test_missing_tokenizer_says_what_to_install(monkeypatch):
    without(monkeypatch, 'pycocoevalcap')
    with pytest.raises(MissingScorerError, match=r'requirements/optional'):
        caption_scores([CaptionPair('a', 'b')], tokenizer='ptb')


def test_missing_java_is_named(monkeypatch):
    pytest.importorskip('pycocoevalcap')
    monkeypatch.setattr(shutil, 'which', lambda name: None)
    with pytest.raises(MissingScorerError, match='install a JRE'):
        caption_scores([CaptionPair('a', 'b')], tokenizer='ptb')


def test_meteor_without_nltk_says_what_to_install(monkeypatch):
    without(monkeypatch, 'nltk')
    with pytest.raises(MissingScorerError, match='punkt punkt_tab wordnet'):
        meteor([CaptionPair('a', 'b')])


def test_meteor_without_its_data_says_what_to_download():
    def tokenize(text):
        raise LookupError('Resource punkt_tab not found.')

    with pytest.raises(MissingScorerError, match=r'nltk\.downloader'):
        meteor([CaptionPair('a', 'b')], tokenize, lambda *texts: 0.0)


def test_meteor_is_the_mean_over_pairs():
    seen = []

    def score(references, answer):
        seen.append((references, answer))
        return len(answer) / 10

    pairs = [CaptionPair('a b', 'c'), CaptionPair('d e f g', 'h i')]
    assert meteor(pairs, str.split, score) == pytest.approx(0.3)
    assert seen[1] == ([['h', 'i']], ['d', 'e', 'f', 'g'])


def test_meteor_of_nltk_with_a_dictionary_of_no_synonyms():
    translate = pytest.importorskip('nltk.translate.meteor_score')

    class NoSynonyms:
        def synsets(self, word):
            return []

    def score(references, answer):
        return translate.meteor_score(references, answer, wordnet=NoSynonyms())

    # All four words in one chunk: F = 1, penalty 0.5 * (1 / 4) ^ 3.
    pair = CaptionPair('a b c d', 'a b c d')
    assert meteor([pair], str.split, score) == pytest.approx(
        1 - 0.5 / 64, abs=1e-9
    )


@pytest.mark.parametrize(
    ('call', 'error', 'says'),
    [
        (lambda: caption_scores([], 'bert'), ValueError, "'bert'"),
        (
            lambda: caption_scores([CaptionPair('a', ' ')]),
            ValueError,
            'empty reference',
        ),
        (
            lambda: caption_scores([CaptionPair(3, 'a')]),
            TypeError,
            'the answer 3 is a int',
        ),
        (
            lambda: caption_scores([CaptionPair('a', None)]),
            TypeError,
            'the reference None',
        ),
    ],
)
def test_bad_pairs_are_refused(call, error, says):
    with pytest.raises(error, match=says):
        call()
