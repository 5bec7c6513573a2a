"""Fit the planner's trajectory anchors by k-means on the train split.

    python tools/fit_anchors.py data/nuscenes/nuscenes_infos_occ_train.pkl \\
        --out data/nuscenes/anchors_18_train.npz

The split is read off the scenes' names, so a renamed val file is refused
too. Futures that end before 3 s are left out.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmocc.infos import InfoFrame, load_info_file
from mmocc.models.planners.anchor_fit import average_errors, fit_anchors
from mmocc.models.planners.anchor_set import MODES, AnchorError

TRAIN = 'train'
OFFICIAL = (TRAIN, 'val', 'test')
MINI_VERSION = 'v1.0-mini'


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('infos', type=Path, metavar='INFOS.pkl')
    parser.add_argument(
        '--out', type=Path, required=True, help='.npz or .json file'
    )
    parser.add_argument(
        '-k', type=int, default=18, help='number of anchors (default: 18)'
    )
    parser.add_argument(
        '--mode',
        choices=MODES,
        default=MODES[0],
        help='per_command fits k / 3 anchors each to futures that turn left, '
        'go straight and turn right; these commands are gt3s, derived from '
        'the ground truth (default: %(default)s)',
    )
    parser.add_argument('--seed', type=int, default=0, help='(default: 0)')
    parser.add_argument(
        '--restarts',
        type=int,
        default=10,
        help='k-means runs, of which the best counts (default: 10)',
    )
    parser.add_argument(
        '--split',
        help='name of the split where the scenes are not of nuScenes '
        '(default: what the name of the info file says)',
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
        version (str): Version of nuScenes. The mini version has lists of its
            own, of which some train scenes are val scenes of the whole.
        path (Path): Path of the info file, whose name counts for unknown
            scenes.
        given (str, optional): Split that the user names for unknown scenes.
            Defaults to None.

    Returns:
        str: ``train``, ``val``, ``test``, what the user says, or several of
        them joined by '+'.

    Raises:
        AnchorError: If nothing tells the split, or the user contradicts the
            scenes.
    """
    from nuscenes.utils import splits

    prefix = 'mini_' if version == MINI_VERSION else ''
    official = {
        scene: name
        for name in OFFICIAL
        for scene in getattr(splits, prefix + name, ())
    }
    found = {official[scene] for scene in scenes if scene in official}
    if not scenes <= official.keys():
        named = given or next(
            (name for name in reversed(OFFICIAL) if name in path.stem), None
        )
        if named is None:
            raise AnchorError(
                f'{path} has scenes that nuScenes does not know and its name '
                'tells no split; say which one it is with --split'
            )
        found.add(named)
    elif given is not None and found != {given}:
        raise AnchorError(
            f'--split says {given!r}, but the scenes of {path} belong to '
            f'{sorted(found)} of nuScenes; leave --split out'
        )
    return '+'.join(sorted(found))


def complete_futures(data_list: Iterable[dict]) -> np.ndarray:
    """Collect future positions (N, T, 2) in metres of frames with all steps.

    Raises:
        AnchorError: If a future is not finite, has another length than the
            others, or none is complete.
    """
    futures = []
    for frame in map(InfoFrame, data_list):
        if not np.all(frame.fut_mask):
            continue
        future = np.asarray(frame.fut_poses, dtype=np.float64)[:, :2]
        problem = None
        if not np.isfinite(future).all():
            problem = 'is NaN or infinite where ego.fut_mask says it exists'
        elif futures and future.shape != futures[0].shape:
            problem = (
                f'has {len(future)} steps, those before it {len(futures[0])}'
            )
        if problem is not None:
            raise AnchorError(
                f'sample {frame.token}: ego.fut_poses {problem}; make the '
                'info file again with tools/create_data.py'
            )
        futures.append(future)
    if not futures:
        raise AnchorError(
            'no frame has a complete future, so there is nothing to fit; use '
            'scenes that last longer than the horizon'
        )
    return np.stack(futures)


def show_progress(items: Iterable, name: str) -> Iterable:
    """Show a progress bar on one line."""
    return tqdm(items, desc=name, ncols=79)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        content = load_info_file(args.infos)
        infos = content['data_list']
        scenes = {info.get('scene_name', '') for info in infos}
        version = str(content['metainfo'].get('version', ''))
        split = split_of(scenes, version, args.infos, args.split)
        if split != TRAIN and not args.allow_val:
            raise AnchorError(
                f'{args.infos} is of the split {split!r}; anchors fitted on '
                'what is evaluated later flatter the planner: give the info '
                'file of train, or --allow-val if this is what you want'
            )
        futures = complete_futures(show_progress(infos, 'futures'))
        anchors = fit_anchors(
            futures, args.k, args.mode, split, args.seed, args.restarts,
            show_progress,
        )  # fmt: skip
        anchors.save(args.out)
    except ValueError as error:
        raise SystemExit(f'error: {error}') from error
    errors = average_errors(futures, anchors.anchors).min(axis=1)
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
