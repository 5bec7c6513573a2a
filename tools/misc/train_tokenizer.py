"""Train the small byte-level BPE tokenizer that ships with mmocc.

The tiny models need a vocabulary of their own: PaliGemma's has 257,216
entries and cannot be downloaded without an account. Any text can be encoded,
since the alphabet is bytes; words of the training text become single tokens.

    python tools/misc/train_tokenizer.py data/synthetic/*_infos_occ_train.pkl \
        --out mmocc/assets/tiny_tokenizer
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from mmocc.infos import InfoFrame, load_info_file
from mmocc.structures import DIRECTIONS, OCC3D_CLASSES, SPEEDS
from mmocc.structures.prompts import meta_action_question

# PaliGemma's order of special tokens.
SPECIAL = ['<pad>', '<eos>', '<bos>', '<unk>', '<image>']
# Closed vocabularies weigh as much as this many sentences each, so that they
# become single tokens whatever the sample of frames.
VOCABULARY_REPEATS = 50


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('infos', nargs='+', type=Path, metavar='INFOS.pkl')
    parser.add_argument(
        '--out', required=True, type=Path, metavar='DIR', help='new tokenizer'
    )
    parser.add_argument(
        '--vocab-size',
        type=int,
        default=1024,
        help='number of tokens (default: 1024)',
    )
    return parser.parse_args()


def texts(infos: list[Path]) -> Iterator[str]:
    """Yield all questions, answers and chains of thought of info files."""
    closed = [*SPEEDS, *DIRECTIONS, *OCC3D_CLASSES, *map(str, range(100))]
    for word in closed * VOCABULARY_REPEATS:
        yield word.replace('_', ' ')
        yield ' ' + word.replace('_', ' ')
    for path in infos:
        for frame in map(InfoFrame, load_info_file(path)['data_list']):
            yield meta_action_question(frame.his_meta_actions) + '\n'
            yield frame.cot
            for item in frame.questions:
                yield item.question + '\n'
                yield item.answer


def main() -> None:
    args = parse_args()
    tokenizer = Tokenizer(models.BPE(unk_token='<unk>'))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        texts(args.infos),
        trainers.BpeTrainer(
            vocab_size=args.vocab_size,
            special_tokens=SPECIAL,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token='<pad>',
        eos_token='<eos>',
        bos_token='<bos>',
        unk_token='<unk>',
        padding_side='right',
    ).save_pretrained(args.out)
    print(f'{tokenizer.get_vocab_size()} tokens -> {args.out}')


if __name__ == '__main__':
    main()
