"""Measure answers to 1 and 10 questions, with and without a shared prefix.

    python projects/Benchmarks/tools/benchmark_questions.py CONFIG

CONFIG is an OccVLA config. Its language model gets random weights.
"""

import torch
from mmengine.config import Config

from mmocc.models.bridges import greedy_decode
from mmocc.projects.Benchmarks.benchmarks.benchmarking import (
    benchmark_parser,
    median_seconds,
    save_result,
)
from mmocc.registry import MODELS
from mmocc.utils.overrides import Overrides

PROMPT_LENGTH, ANSWER_LENGTH = 24, 8
# An id that ends no answer, so that every run decodes as many tokens.
NO_END = -1


@torch.no_grad()
def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument('config', help='an OccVLA config')
    parser.add_argument('--numbers', type=int, nargs='+', default=[1, 10])
    parser.add_argument('--cfg-options', nargs='+', action=Overrides)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    bridge = MODELS.build(cfg.model.bridge).to(args.device).eval()
    size = bridge.vlm.image_size
    imgs = torch.randn(1, bridge.num_views, 3, size, size).to(args.device)
    vocabulary = bridge.vlm.hf.config.text_config.vocab_size

    def answer(number: int, times: int) -> None:
        """Answer ``number`` questions behind each of ``times`` prefixes."""
        for _ in range(times):
            ids = torch.randint(vocabulary, (1, number, PROMPT_LENGTH))
            ids = ids.to(args.device)
            _, memory = bridge.remember(bridge.embed_images(imgs))
            mask = torch.ones_like(ids).bool()
            greedy_decode(bridge, memory, ids, mask, NO_END, ANSWER_LENGTH)

    def seconds(number: int, times: int) -> float:
        return median_seconds(
            lambda: answer(number, times), args.device, args.repeats
        )[0]

    print(f'{args.config}, {args.device}, {ANSWER_LENGTH} tokens an answer')
    print(f'{"questions":>10}{"one prefix s":>14}{"a prefix each s":>17}')
    rows = {}
    for number in args.numbers:
        row = dict(
            one_prefix=seconds(number, 1), prefix_each=seconds(1, number)
        )
        print(
            f'{number:10}{row["one_prefix"]:14.3f}{row["prefix_each"]:17.3f}'
        )
        rows[number] = row
    first, last = args.numbers[0], args.numbers[-1]
    shared, separate = rows[last]['one_prefix'], rows[last]['prefix_each']
    ratios = {
        f'{last} to {first} questions': shared / rows[first]['one_prefix'],
        f'sharing to not sharing, {last} questions': shared / separate,
    }
    for name, value in ratios.items():
        print(f'{name}: {value:.2f}')
    save_result(dict(config=args.config, rows=rows, ratios=ratios), args)


if __name__ == '__main__':
    main()
