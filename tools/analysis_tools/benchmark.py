"""Measure what mmocc claims about cost, as ratios on one machine.

    python tools/analysis_tools/benchmark.py attention
    python tools/analysis_tools/benchmark.py questions CONFIG
    python tools/analysis_tools/benchmark.py set_loss
    python tools/analysis_tools/benchmark.py evaluation
    python tools/analysis_tools/benchmark.py rendering
    python tools/analysis_tools/benchmark.py loading CONFIG --images *.jpg
    python tools/analysis_tools/benchmark.py training CONFIG --random-weights

``attention`` runs one decoder layer of PaliGemma2-3B over 1536 image tokens,
128 of text and 2500 queries: by blocks, and in one pass under a full mask.
``questions`` answers 1 and 10 questions about a frame: with one image prefix
for all of them, and with one for each.
``set_loss`` compares 76,800 predicted points with 30,000 occupied voxels, by
a k-d tree and by blocks of the distance matrix; both also at a quarter of
that, beside the whole matrix.
``evaluation`` scores frames and plans: mIoU and RayIoU of Occ3D's grid, every
planning preset among 60 agents, and the memory of short and long files.
``rendering`` draws a frame: six cameras with occupancy, the other views, and
a whole page.
``loading`` decodes images to 224 x 224, in full and shrunk on the way, reads
samples through the config's own loader, and trains the config's model (random
weights) to see for which share of the time it waits for data.
``training`` takes a config through a few steps of training at its own size:
losses, seconds, the peak of memory, and which of its weights moved.
"""

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from pathlib import Path

import torch
from mmengine.config import Config
from transformers import Gemma2Config
from transformers.models.gemma2.modeling_gemma2 import Gemma2Model

import mmocc.models.vlms.paligemma  # noqa: F401  (registers the kernel)
from benchmarks.evaluation import evaluation
from benchmarks.loading import loading
from benchmarks.measuring import GIB, peak_bytes, synchronise
from benchmarks.rendering import rendering
from benchmarks.training import training
from mmocc.models.bridges import greedy_decode
from mmocc.models.layers.block_attention import BlockLayout
from mmocc.models.losses import OccupiedVoxels, occupied_voxels
from mmocc.models.vlms.paligemma import ATTENTION
from mmocc.registry import MODELS
from mmocc.structures import FREE, OccGrid
from mmocc.structures.sparse_occ import PointSet
from mmocc.utils.env import environment_report
from mmocc.utils.overrides import Overrides

COMPONENT = 'configs/_base_/components/paligemma2-3b-224.py'
NUM_IMAGE, NUM_TEXT, NUM_QUERIES = 1536, 128, 2500
PROMPT_LENGTH = 24
ANSWER_LENGTH = 8
# An id that ends no answer, so that every run decodes as many tokens.
NEVER = -1
# Predicted points, Q * R after SparseOccVLA's last layer, and voxels.
SET_SIZE = (76_800, 30_000)
# A quarter of both; there the whole distance matrix takes 0.54 GiB.
DENSE_SIZE = (19_200, 7_500)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    tasks = parser.add_subparsers(dest='task', required=True)
    attention = tasks.add_parser('attention')
    questions = tasks.add_parser('questions')
    questions.add_argument('config', help='an OccVLA config')
    questions.add_argument('--numbers', type=int, nargs='+', default=[1, 10])
    questions.add_argument('--cfg-options', nargs='+', action=Overrides)
    set_loss = tasks.add_parser('set_loss')
    scoring = tasks.add_parser('evaluation')
    drawing = tasks.add_parser('rendering')
    reading = tasks.add_parser('loading')
    reading.add_argument('config', help='any config that needs no weights')
    reading.add_argument('--data-root', help="instead of the config's")
    reading.add_argument('--images', type=Path, nargs='+', default=[])
    reading.add_argument('--workers', type=int, nargs='+', default=[0, 1])
    reading.add_argument('--batches', type=int, default=20)
    reading.add_argument('--cfg-options', nargs='+', action=Overrides)
    stepping = tasks.add_parser('training')
    stepping.add_argument('config', help='any stage of any model')
    stepping.add_argument('--data-root', help="instead of the config's")
    stepping.add_argument('--batch-size', type=int, default=1)
    stepping.add_argument('--steps', type=int, default=2)
    stepping.add_argument(
        '--random-weights',
        action='store_true',
        help='no checkpoint, and the tokenizer that ships with mmocc',
    )
    stepping.add_argument('--cfg-options', nargs='+', action=Overrides)
    for task in (
        attention, questions, set_loss, scoring, drawing, reading, stepping,
    ):  # fmt: skip
        task.add_argument('--repeats', type=int, default=3)
        task.add_argument('--seed', type=int, default=0)
        task.add_argument('--device', default='cpu')
        task.add_argument('--out', type=Path, help='JSON file')
    return parser.parse_args()


def full_mask() -> torch.Tensor:
    """(1, 1, L, L), additive; what block attention never makes."""
    length = NUM_IMAGE + NUM_TEXT + NUM_QUERIES
    text = slice(NUM_IMAGE, NUM_IMAGE + NUM_TEXT)
    visible = torch.zeros(length, length, dtype=torch.bool)
    visible[:, :NUM_IMAGE] = True
    visible[text, text] = torch.ones(NUM_TEXT, NUM_TEXT).tril().bool()
    lowest = torch.finfo(torch.float32).min
    return torch.zeros(length, length).masked_fill_(~visible, lowest)[
        None, None
    ]


@torch.no_grad()
def run_attention(variant: str, device: str, repeats: int, seed: int) -> dict:
    """Time and memory of one layer; meant for a process of its own."""
    torch.manual_seed(seed)
    config = Config.fromfile(COMPONENT).vlm.config.text_config.to_dict()
    config.pop('model_type')
    config.update(num_hidden_layers=1, vocab_size=8, pad_token_id=0)
    kernel = ATTENTION if variant == 'blocks' else 'eager'
    model = Gemma2Model._from_config(
        Gemma2Config(**config), attn_implementation=kernel
    ).to(device)
    embeds = torch.randn(
        1, NUM_IMAGE + NUM_TEXT + NUM_QUERIES, model.config.hidden_size
    ).to(device)
    options = dict(attention_mask=dict.fromkeys(set(model.config.layer_types)))
    if variant == 'blocks':
        options['layout'] = BlockLayout(NUM_IMAGE, 1, NUM_TEXT, NUM_QUERIES)
    else:
        mask = full_mask().to(device)
        options['attention_mask'] = dict.fromkeys(
            set(model.config.layer_types), mask
        )
    positions = torch.arange(embeds.shape[1], device=device)[None] + 1
    positions[:, NUM_IMAGE + NUM_TEXT :] = 0
    before = peak_bytes(device)
    seconds = []
    for _ in range(repeats + 1):  # the first one warms up
        synchronise(device)
        start = time.perf_counter()
        out = model(
            inputs_embeds=embeds,
            position_ids=positions,
            use_cache=False,
            **options,
        )
        synchronise(device)
        seconds.append(time.perf_counter() - start)
    return dict(
        seconds=statistics.median(seconds[1:]),
        peak_gib=peak_bytes(device) / GIB,
        extra_gib=(peak_bytes(device) - before) / GIB,
        checksum=float(out.last_hidden_state.abs().mean()),
    )


def attention(args: argparse.Namespace) -> dict:
    context = multiprocessing.get_context('spawn')
    rows = {}
    for variant in ('blocks', 'full mask'):
        with context.Pool(1) as pool:
            rows[variant] = pool.apply(
                run_attention,
                (variant, args.device, args.repeats, args.seed),
            )
    print(
        f'one decoder layer of PaliGemma2-3B, fp32, {args.device}, '
        f'{NUM_IMAGE} image + {NUM_TEXT} text + {NUM_QUERIES} query tokens'
    )
    print(f'{"":12}{"seconds":>9}{"peak GiB":>10}{"pass GiB":>10}')
    for variant, row in rows.items():
        print(
            f'{variant:12}{row["seconds"]:9.2f}{row["peak_gib"]:10.2f}'
            f'{row["extra_gib"]:10.2f}'
        )
    ratios = {
        key: rows['blocks'][key] / rows['full mask'][key]
        for key in ('seconds', 'peak_gib', 'extra_gib')
    }
    print(
        f'{"ratio":12}{ratios["seconds"]:9.2f}{ratios["peak_gib"]:10.2f}'
        f'{ratios["extra_gib"]:10.2f}'
    )
    return dict(rows=rows, ratios=ratios)


@torch.no_grad()
def questions(args: argparse.Namespace) -> dict:
    torch.manual_seed(args.seed)
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    bridge = MODELS.build(cfg.model.bridge).to(args.device).eval()
    size = bridge.vlm.image_size
    imgs = torch.randn(1, bridge.num_views, 3, size, size).to(args.device)
    vocabulary = bridge.vlm.hf.config.text_config.vocab_size

    def answer(number: int) -> None:
        """One image prefix, ``number`` questions."""
        ids = torch.randint(vocabulary, (1, number, PROMPT_LENGTH))
        ids = ids.to(args.device)
        _, memory = bridge.remember(bridge.embed_images(imgs))
        greedy_decode(
            bridge, memory, ids, torch.ones_like(ids).bool(), NEVER,
            ANSWER_LENGTH,
        )  # fmt: skip

    def timed(number: int, times: int) -> float:
        seconds = []
        for _ in range(args.repeats + 1):
            synchronise(args.device)
            start = time.perf_counter()
            for _ in range(times):
                answer(number)
            synchronise(args.device)
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds[1:])

    print(f'{args.config}, {args.device}, {ANSWER_LENGTH} tokens an answer')
    print(f'{"questions":>10}{"one prefix s":>14}{"a prefix each s":>17}')
    rows = {}
    for number in args.numbers:
        rows[number] = dict(
            one_prefix=timed(number, 1), prefix_each=timed(1, number)
        )
        print(
            f'{number:10}{rows[number]["one_prefix"]:14.3f}'
            f'{rows[number]["prefix_each"]:17.3f}'
        )
    first, last = args.numbers[0], args.numbers[-1]
    ratios = {
        f'{last} to {first} questions': rows[last]['one_prefix']
        / rows[first]['one_prefix'],
        f'sharing to not sharing, {last} questions': rows[last]['one_prefix']
        / rows[last]['prefix_each'],
    }
    for name, value in ratios.items():
        print(f'{name}: {value:.2f}')
    return dict(config=args.config, rows=rows, ratios=ratios)


class DenseNearest(torch.nn.Module):
    """All distances at once; what the set loss never makes."""

    @torch.no_grad()
    def forward(
        self, source: torch.Tensor, target: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        distance, index = torch.cdist(
            source, target, compute_mode='donot_use_mm_for_euclid_dist'
        ).min(1)
        return index, distance


def random_sets(
    size: tuple[int, int], device: str, seed: int
) -> tuple[PointSet, OccupiedVoxels]:
    """Voxels at random, and points about 1 m from them."""
    points, voxels = size
    grid = OccGrid()
    random = torch.Generator().manual_seed(seed)
    semantics = torch.full(grid.shape, FREE)
    chosen = torch.randperm(semantics.numel(), generator=random)[:voxels]
    semantics.view(-1)[chosen] = torch.randint(
        FREE, (voxels,), generator=random
    )
    target = occupied_voxels(semantics.to(device), grid)
    nearby = torch.randint(voxels, (points,), generator=random)
    positions = target.centres.cpu()[nearby]
    positions = positions + torch.randn(points, 3, generator=random)
    logits = torch.randn(points, FREE, generator=random)
    points = PointSet(
        positions[None, :, None].to(device).requires_grad_(),
        logits[None, :, None].to(device).requires_grad_(),
    )
    return points, target


def run_set_loss(
    method: str, size: tuple[int, int], device: str, repeats: int, seed: int
) -> dict:
    """Time and memory of one layer's loss and gradient.

    CPU seconds count no time that other jobs had the cores for.
    """
    points, target = random_sets(size, device, seed)
    config = dict(type='SetOccLoss')
    if method != 'dense':
        config['nearest'] = dict(type='NearestNeighbour', method=method)
    loss = MODELS.build(config).to(device)
    if method == 'dense':
        loss.nearest = DenseNearest()
    before = peak_bytes(device)
    seconds, busy = [], []
    for _ in range(repeats):
        synchronise(device)
        start = time.perf_counter(), time.process_time()
        total = sum(loss([points], [target]).values())
        total.backward()
        synchronise(device)
        seconds.append(time.perf_counter() - start[0])
        busy.append(time.process_time() - start[1])
    return dict(
        points=size[0],
        voxels=size[1],
        method=method,
        seconds=statistics.median(seconds),
        cpu_seconds=statistics.median(busy),
        extra_gib=(peak_bytes(device) - before) / GIB,
        loss=float(total.detach()),
    )


def set_loss(args: argparse.Namespace) -> dict:
    context = multiprocessing.get_context('spawn')
    runs = [(method, SET_SIZE) for method in ('kdtree', 'chunked')]
    runs += [(m, DENSE_SIZE) for m in ('kdtree', 'chunked', 'dense')]
    print(f'set loss of one layer with its gradient, {args.device}')
    print(f'{"points":>8}{"voxels":>8}  {"method":9}{"seconds":>9}', end='')
    print(f'{"CPU s":>9}{"extra GiB":>11}{"loss":>11}')
    rows = []
    for method, size in runs:
        with context.Pool(1) as pool:
            row = pool.apply(
                run_set_loss,
                (method, size, args.device, args.repeats, args.seed),
            )
        rows.append(row)
        print(
            f'{row["points"]:8}{row["voxels"]:8}  {method:9}'
            f'{row["seconds"]:9.3f}{row["cpu_seconds"]:9.3f}'
            f'{row["extra_gib"]:11.3f}{row["loss"]:11.5f}'
        )
    by_tree, by_chunks, dense = rows[2:]
    ratios = {
        f'{row["method"]} to dense, {key}': row[key] / dense[key]
        for row in (by_tree, by_chunks)
        for key in ('cpu_seconds', 'extra_gib')
    }
    for name, value in ratios.items():
        print(f'{name}: {value:.2f}')
    return dict(rows=rows, ratios=ratios)


def main() -> None:
    args = parse_args()
    tasks = dict(
        attention=attention,
        questions=questions,
        set_loss=set_loss,
        evaluation=evaluation,
        rendering=rendering,
        loading=loading,
        training=training,
    )
    result = tasks[args.task](args)
    result.update(
        command=' '.join(sys.argv),
        seed=args.seed,
        environment=environment_report(args.seed),
    )
    if args.out is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=2) + '\n')


if __name__ == '__main__':
    main()
