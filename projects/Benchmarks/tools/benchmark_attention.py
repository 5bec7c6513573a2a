"""Measure one decoder layer of PaliGemma2-3B: by blocks, and by a full mask.

    python projects/Benchmarks/tools/benchmark_attention.py

1536 image tokens, 128 of text and 2500 queries pass the layer once by block
attention and once in one pass under a full mask. Each runs in a process of its
own, so that peaks of memory can be compared.
"""

import argparse

import torch
from mmengine.config import Config
from transformers import Gemma2Config
from transformers.models.gemma2.modeling_gemma2 import Gemma2Model

import mmocc.models.vlms.paligemma  # noqa: F401  (registers the kernel)
from mmocc.models.layers.block_attention import BlockLayout
from mmocc.models.vlms.paligemma import ATTENTION
from mmocc.projects.Benchmarks.benchmarks.benchmarking import (
    GIB,
    benchmark_parser,
    median_seconds,
    peak_bytes,
    run_in_process,
    save_result,
)

COMPONENT = 'configs/_base_/components/paligemma2-3b-224.py'
NUM_IMAGE, NUM_TEXT, NUM_QUERIES = 1536, 128, 2500
VARIANTS = ('blocks', 'full mask')
KEYS = ('seconds', 'peak_gib', 'extra_gib')


def full_mask() -> torch.Tensor:
    """Make the additive mask of all tokens, (1, 1, L, L)."""
    length = NUM_IMAGE + NUM_TEXT + NUM_QUERIES
    text = slice(NUM_IMAGE, NUM_IMAGE + NUM_TEXT)
    visible = torch.zeros(length, length, dtype=torch.bool)
    visible[:, :NUM_IMAGE] = True
    visible[text, text] = torch.ones(NUM_TEXT, NUM_TEXT).tril().bool()
    lowest = torch.finfo(torch.float32).min
    mask = torch.zeros(length, length).masked_fill_(~visible, lowest)
    return mask[None, None]


@torch.no_grad()
def run_attention(variant: str, args: argparse.Namespace) -> dict[str, float]:
    """Return time and memory of the layer; meant for a fresh process."""
    torch.manual_seed(args.seed)
    config = Config.fromfile(COMPONENT).vlm.config.text_config.to_dict()
    config.pop('model_type')
    config.update(num_hidden_layers=1, vocab_size=8, pad_token_id=0)
    model = Gemma2Model._from_config(
        Gemma2Config(**config),
        attn_implementation=ATTENTION if variant == 'blocks' else 'eager',
    ).to(args.device)
    length = NUM_IMAGE + NUM_TEXT + NUM_QUERIES
    embeds = torch.randn(1, length, model.config.hidden_size).to(args.device)
    positions = torch.arange(length, device=args.device)[None] + 1
    positions[:, NUM_IMAGE + NUM_TEXT :] = 0
    layout, mask = {}, None
    if variant == 'blocks':
        layout = dict(layout=BlockLayout(NUM_IMAGE, 1, NUM_TEXT, NUM_QUERIES))
    else:
        mask = full_mask().to(args.device)
    masks = dict.fromkeys(set(model.config.layer_types), mask)
    outputs = []

    def call() -> None:
        outputs[:] = model(
            inputs_embeds=embeds,
            position_ids=positions,
            attention_mask=masks,
            use_cache=False,
            **layout,
        )[:1]

    before = peak_bytes(args.device)
    seconds, _ = median_seconds(call, args.device, args.repeats)
    return dict(
        seconds=seconds,
        peak_gib=peak_bytes(args.device) / GIB,
        extra_gib=(peak_bytes(args.device) - before) / GIB,
        checksum=float(outputs[0].abs().mean()),
    )


def main() -> None:
    args = benchmark_parser(__doc__).parse_args()
    rows = {name: run_in_process(run_attention, name, args)
            for name in VARIANTS}  # fmt: skip
    ratios = {key: rows['blocks'][key] / rows['full mask'][key]
              for key in KEYS}  # fmt: skip
    print(
        f'one decoder layer of PaliGemma2-3B, fp32, {args.device}, '
        f'{NUM_IMAGE} image + {NUM_TEXT} text + {NUM_QUERIES} query tokens'
    )
    print(f'{"":12}{"seconds":>10}{"peak GiB":>10}{"pass GiB":>10}')
    for name, row in (*rows.items(), ('ratio', ratios)):
        print(f'{name:12}' + ''.join(f'{row[key]:10.2f}' for key in KEYS))
    save_result(dict(rows=rows, ratios=ratios), args)


if __name__ == '__main__':
    main()
