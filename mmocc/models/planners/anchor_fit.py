"""Fit trajectory anchors to recorded futures by k-means."""

from collections.abc import Callable, Iterable

import numpy as np
from scipy.cluster.vq import ClusterError, kmeans2

from mmocc.models.planners.anchor_set import (
    GT3S_COMMANDS,
    NO_COMMAND,
    AnchorError,
    AnchorSet,
    gt3s_command,
)
from mmocc.structures.occ3d import STEP_SECONDS

ITERATIONS = 100  # of one k-means; it has long settled by then
# Displacements of a step outside these quantiles leave [-1, 1].
QUANTILES = (0.005, 0.995)
# Metres. Keeps a direction in which nothing moves from being blown up.
MIN_HALF_RANGE = 0.1

# Wraps the runs of one clustering; the second argument says of what.
ProgressBar = Callable[[Iterable, str], Iterable]


def no_progress(items: Iterable, name: str) -> Iterable:
    """Return the items without showing anything."""
    return items


def fit_anchors(
    futures: np.ndarray,
    k: int,
    mode: str,
    split: str,
    seed: int = 0,
    restarts: int = 10,
    progress: ProgressBar = no_progress,
) -> AnchorSet:
    """Fit anchors to futures. The same arguments give the same anchors.

    Args:
        futures (np.ndarray): (N, T, 2) complete future positions in metres,
            ego frame of the key frame.
        k (int): Number of anchors, A.
        mode (str): ``global`` clusters all futures together; ``per_command``
            fits k / 3 anchors each to futures that turn left, go straight and
            turn right.
        split (str): Name of the split that the futures are from, to be
            stored.
        seed (int): Random seed of the starts. Defaults to 0.
        restarts (int): Number of k-means runs, of which the best counts.
            Defaults to 10.
        progress (Callable): Wraps the runs of each clustering. Defaults to
            showing nothing.

    Returns:
        AnchorSet: A anchors of T steps with the range of displacements and
        the oracle error.

    Raises:
        AnchorError: If the number of anchors does not fit the futures.
    """
    if k < 1 or restarts < 1:
        raise AnchorError(
            f'-k is {k}, --restarts {restarts}, expected 1 or more'
        )
    rng = np.random.default_rng(seed)
    if mode == 'global':
        anchors = cluster(futures, k, rng, restarts, progress, 'all futures')
        commands = np.full(k, NO_COMMAND)
    else:
        each, rest = divmod(k, len(GT3S_COMMANDS))
        if rest:
            raise AnchorError(
                f'-k is {k}, expected a multiple of {len(GT3S_COMMANDS)} for '
                '--mode per_command'
            )
        of_future = gt3s_command(futures[:, -1])  # (N,)
        groups = [
            cluster(
                futures[of_future == command],
                each,
                rng,
                restarts,
                progress,
                f'command {name}',
            )
            for command, name in enumerate(GT3S_COMMANDS)
        ]
        anchors = np.concatenate(groups)  # (A, T, 2)
        commands = np.arange(len(GT3S_COMMANDS)).repeat(each)  # (A,)
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
        oracle_ade=average_errors(futures, anchors).min(axis=1).mean(),
    )


def cluster(
    futures: np.ndarray,
    count: int,
    rng: np.random.Generator,
    restarts: int,
    progress: ProgressBar,
    name: str,
) -> np.ndarray:
    """Return the centres of the best of several k-means, near ones first.

    Args:
        futures (np.ndarray): (N, T, 2) metres.
        count (int): Number of clusters.
        rng (np.random.Generator): Source of the starts.
        restarts (int): Number of runs.
        progress (Callable): Wraps the runs.
        name (str): Name of what is clustered, for messages.

    Returns:
        np.ndarray: (count, T, 2) metres.

    Raises:
        AnchorError: If there are fewer different futures than clusters.
    """
    flat = futures.reshape(len(futures), np.prod(futures.shape[1:]))  # (N, 2T)
    different = len(np.unique(flat, axis=0))
    if different < count:
        raise AnchorError(
            f'{count} anchors were asked for {name}, but there are '
            f'{different} different futures; ask for fewer with -k, or fit '
            'on more data'
        )
    best, least = None, np.inf
    for _ in progress(range(restarts), name):
        try:
            centres, labels = kmeans2(
                flat, count, ITERATIONS, minit='++', missing='raise', rng=rng
            )  # (count, 2T), (N,)
        except ClusterError:  # a cluster lost its last member
            continue
        spread = np.square(flat - centres[labels]).sum()
        if spread < least:
            best, least = centres, spread
    if best is None:
        raise AnchorError(
            f'every one of {restarts} runs for {name} ended with an empty '
            'cluster; ask for fewer anchors with -k or more --restarts'
        )
    best = best.reshape(count, *futures.shape[1:])
    return best[np.argsort(best[:, -1, 0], kind='stable')]


def average_errors(futures: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Return the average displacement error of each anchor for each future.

    Args:
        futures (np.ndarray): (N, T, 2) metres.
        anchors (np.ndarray): (A, T, 2) metres.

    Returns:
        np.ndarray: (N, A) metres, means over the steps.
    """
    return np.stack(
        [
            np.linalg.norm(futures - anchor, axis=-1).mean(axis=-1)  # (N,)
            for anchor in anchors
        ],
        axis=1,
    )


def step_range(futures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the range of the displacements in one step.

    Args:
        futures (np.ndarray): (N, T, 2) metres.

    Returns:
        tuple: Middle (2,) and half width (2,) in metres.
    """
    steps = np.diff(futures, axis=1, prepend=0.0).reshape(-1, 2)  # (N T, 2)
    low, high = np.quantile(steps, QUANTILES, axis=0)
    return (low + high) / 2, np.maximum((high - low) / 2, MIN_HALF_RANGE)
