"""Fit the planner's trajectory anchors by k-means on the train split.

    python tools/fit_anchors.py data/nuscenes/nuscenes_infos_occ_train.pkl \\
        --out data/nuscenes/anchors_18_train.npz

The split is read off the scenes' names, so a renamed val file is refused
too. Futures that end before 3 s are left out.
"""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from nuscenes.utils import splits as nuscenes_splits
from scipy.cluster.vq import ClusterError, kmeans2
from tqdm import tqdm

from mmocc.infos import load_info_file
from mmocc.models.planners.anchor_set import (
    GT3S_COMMANDS,
    MODES,
    NO_COMMAND,
    AnchorSet,
    gt3s_command,
)
from mmocc.structures.occ3d import STEP_SECONDS

TRAIN = 'train'
OFFICIAL = (TRAIN, 'val', 'test')
MINI_VERSION = 'v1.0-mini'
ITERATIONS = 100  # of one k-means; it has long settled by then
# Displacements of a step outside these quantiles leave [-1, 1].
QUANTILES = (0.005, 0.995)
# Metres. Keeps a direction in which nothing moves from being blown up.
MIN_HALF_RANGE = 0.1

ProgressBar = Callable[[Iterable, str], Iterable]


class FitError(ValueError):
    """Trajectories that no anchors can or may be fitted to."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('infos', type=Path, help='info file of train')
    parser.add_argument(
        '--out', type=Path, required=True, help='.npz or .json file'
    )
    parser.add_argument('-k', type=int, default=18, help='number of anchors')
    parser.add_argument(
        '--mode',
        choices=MODES,
        default=MODES[0],
        help='per_command fits k / 3 anchors each to futures that turn left, '
        'go straight and turn right; these commands are gt3s, derived from '
        'the ground truth (default: %(default)s)',
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--restarts',
        type=int,
        default=10,
        help='k-means runs, of which the best counts (default: %(default)s)',
    )
    parser.add_argument(
        '--split',
        help='name of the split where the scenes are not of nuScenes; '
        'default: what the name of the info file says',
    )
    parser.add_argument(
        '--allow-val',
        action='store_true',
        help='fit on another split than train; the planner refuses such '
        'anchors unless planner.anchors.split names the split',
    )
    return parser.parse_args(argv)


def split_of(
    scenes: set[str], version: str, path: Path, given: str | None = None
) -> str:
    """Name the split that scenes belong to.

    Args:
        scenes (set[str]): Names of scenes.
        version (str): Of nuScenes. The mini version has lists of its own, of
            which some train scenes are val scenes of the whole.
        path (Path): Of their info file; asked about unknown scenes.
        given (str, optional): What the user says about unknown scenes.
            Defaults to None.

    Returns:
        str: ``train``, ``val``, ``test``, what the user says, or several of
        them joined by '+'.

    Raises:
        FitError: If nothing tells the split, or the user contradicts the
            scenes.
    """
    prefix = 'mini_' if version == MINI_VERSION else ''
    official = {
        scene: name
        for name in OFFICIAL
        for scene in getattr(nuscenes_splits, prefix + name, ())
    }
    found = {official[scene] for scene in scenes if scene in official}
    if not scenes <= official.keys():
        said = given or next(
            (name for name in reversed(OFFICIAL) if name in path.stem), None
        )
        if said is None:
            raise FitError(
                f'{path} has scenes that nuScenes does not know and its name '
                'tells no split; say which one it is with --split'
            )
        found.add(said)
    elif given is not None and found != {given}:
        raise FitError(
            f'--split says {given!r}, but the scenes of {path} belong to '
            f'{sorted(found)} of nuScenes; leave --split out'
        )
    return '+'.join(sorted(found))


def complete_futures(data_list: Iterable[dict]) -> np.ndarray:
    """Future positions (N, T, 2) in metres, of frames that have them all.

    Raises:
        FitError: If a future is not finite, has another length than the
            others, or none is complete.
    """
    futures = []
    for info in data_list:
        ego = info.get('ego')
        if ego is None:
            raise FitError(
                f"sample {info['token']} has no 'ego' in the info file; make "
                'the file with tools/create_data.py'
            )
        if not np.all(ego['fut_mask']):
            continue
        future = np.asarray(ego['fut_poses'], dtype=np.float64)[:, :2]
        if not np.isfinite(future).all():
            raise FitError(
                f'sample {info["token"]}: ego.fut_poses is NaN or infinite '
                'where ego.fut_mask says that it exists; make the info file '
                'again with tools/create_data.py'
            )
        if futures and future.shape != futures[0].shape:
            raise FitError(
                f'sample {info["token"]}: ego.fut_poses has {len(future)} '
                f'steps, those before it {len(futures[0])}; make the info '
                'file again with tools/create_data.py'
            )
        futures.append(future)
    if not futures:
        raise FitError(
            'no frame has a complete future, so there is nothing to fit; use '
            'scenes that last longer than the horizon'
        )
    return np.stack(futures)


def ade(futures: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Mean distance (N, A) over the steps, metres."""
    return np.stack(
        [
            np.linalg.norm(futures - anchor, axis=-1).mean(axis=-1)
            for anchor in anchors
        ],
        axis=1,
    )


def cluster(
    futures: np.ndarray,
    count: int,
    rng: np.random.Generator,
    restarts: int,
    progress: ProgressBar,
    name: str,
) -> np.ndarray:
    """Best of several k-means, (count, T, 2), from near to far.

    Args:
        futures (np.ndarray): (N, T, 2) metres.
        count (int): Number of clusters.
        rng (np.random.Generator): Chooses the starts.
        restarts (int): Number of runs.
        progress (Callable): Wraps the runs.
        name (str): Of what is clustered, for messages.

    Raises:
        FitError: If there are fewer different futures than clusters.
    """
    flat = futures.reshape(len(futures), np.prod(futures.shape[1:]))
    different = len(np.unique(flat, axis=0))
    if different < count:
        raise FitError(
            f'{count} anchors were asked for {name}, but there are '
            f'{different} different futures; ask for fewer with -k, or fit '
            'on more data'
        )
    best, least = None, np.inf
    for _ in progress(range(restarts), name):
        try:
            centres, labels = kmeans2(
                flat, count, ITERATIONS, minit='++', missing='raise', rng=rng
            )
        except ClusterError:  # a cluster lost its last member
            continue
        spread = np.square(flat - centres[labels]).sum()
        if spread < least:
            best, least = centres, spread
    if best is None:
        raise FitError(
            f'every one of {restarts} runs for {name} ended with an empty '
            'cluster; ask for fewer anchors with -k or more --restarts'
        )
    best = best.reshape(count, *futures.shape[1:])
    return best[np.argsort(best[:, -1, 0], kind='stable')]


def step_range(futures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle (2,) and half width (2,) of the displacements in one step."""
    steps = np.diff(futures, axis=1, prepend=0.0).reshape(-1, 2)
    low, high = np.quantile(steps, QUANTILES, axis=0)
    return (low + high) / 2, np.maximum((high - low) / 2, MIN_HALF_RANGE)


def no_bar(items: Iterable, name: str) -> Iterable:
    return items


def fit(
    futures: np.ndarray,
    k: int,
    mode: str,
    split: str,
    seed: int = 0,
    restarts: int = 10,
    progress: ProgressBar = no_bar,
) -> AnchorSet:
    """Fit anchors. The same arguments give the same anchors.

    Args:
        futures (np.ndarray): (N, T, 2) complete futures in metres.
        k (int): Number of anchors.
        mode (str): ``global`` or ``per_command``.
        split (str): Name of the split, to be stored.
        seed (int): Defaults to 0.
        restarts (int): Runs of k-means. Defaults to 10.
        progress (Callable): Wraps the runs of a clustering.

    Raises:
        FitError: If the number of anchors does not fit the futures.
    """
    if k < 1 or restarts < 1:
        raise FitError(f'-k is {k}, --restarts {restarts}, expected 1 or more')
    rng = np.random.default_rng(seed)
    if mode == 'global':
        anchors = cluster(futures, k, rng, restarts, progress, 'all futures')
        commands = np.full(k, NO_COMMAND)
    else:
        each, rest = divmod(k, len(GT3S_COMMANDS))
        if rest:
            raise FitError(
                f'-k is {k}, expected a multiple of {len(GT3S_COMMANDS)} for '
                '--mode per_command'
            )
        of_future = gt3s_command(futures[:, -1])
        anchors = np.concatenate(
            [
                cluster(
                    futures[of_future == i],
                    each,
                    rng,
                    restarts,
                    progress,
                    f'command {name}',
                )
                for i, name in enumerate(GT3S_COMMANDS)
            ]
        )
        commands = np.arange(len(GT3S_COMMANDS)).repeat(each)
    centre, half_range = step_range(futures)
    return AnchorSet(
        anchors=anchors,
        commands=commands,
        step_centre=centre,
        step_half_range=half_range,
        mode=mode,
        split=split,
        seed=seed,
        step_seconds=STEP_SECONDS,
        num_trajectories=len(futures),
        oracle_ade=ade(futures, anchors).min(axis=1).mean(),
    )


def show_progress(items: Iterable, name: str) -> Iterable:
    """A progress bar on one line."""
    return tqdm(items, desc=name, ncols=79)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        content = load_info_file(args.infos)
        infos = content['data_list']
        scenes = {info.get('scene_name', '') for info in infos}
        version = str(content['metainfo'].get('version', ''))
        split = split_of(scenes, version, args.infos, args.split)
        if split != TRAIN and not args.allow_val:
            raise FitError(
                f'{args.infos} is of the split {split!r}; anchors fitted on '
                'what is evaluated later flatter the planner: give the info '
                'file of train, or --allow-val if this is what you want'
            )
        futures = complete_futures(show_progress(infos, 'futures'))
        anchors = fit(
            futures,
            args.k,
            args.mode,
            split,
            args.seed,
            args.restarts,
            show_progress,
        )
        anchors.save(args.out)
    except ValueError as error:
        raise SystemExit(f'error: {error}') from error
    errors = ade(futures, anchors.anchors).min(axis=1)
    print(
        f'{len(anchors.anchors)} anchors ({anchors.mode}) -> {args.out}\n'
        f'split           {anchors.split}, {len(scenes)} scenes\n'
        f'trajectories    {len(futures)} complete of {len(infos)} frames\n'
        f'oracle ADE      {anchors.oracle_ade:.3f} m mean, '
        f'{np.quantile(errors, 0.9):.3f} m at the 90th percentile\n'
        f'seed            {anchors.seed}\n'
        f'hash            {anchors.hash}'
    )


if __name__ == '__main__':
    main()
