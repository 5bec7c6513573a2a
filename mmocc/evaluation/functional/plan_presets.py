"""Score open-loop plans as the published evaluators do, by presets.

The same plans in the same world score 1.1 % to 4.9 % collisions under the
different evaluators, so rows of different presets must not be compared. A
preset fixes which samples count, how short futures enter, which agents are
obstacles, how overlap is decided, and which read-out is the published one.
Both read-outs of everything are given all the same.

In every preset a step at which the ground-truth trajectory "collides" is not
scored; how often that happens is the floor below which differences between
methods mean nothing, and is printed as ``truth_collision_...``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

import numpy as np

from mmocc.evaluation.functional import plan_agents, plan_shapes
from mmocc.evaluation.functional.plan_agents import (
    LIDAR_AHEAD,
    AgentRule,
    Agents,
)
from mmocc.evaluation.functional.plan_shapes import MapLines
from mmocc.evaluation.functional.planning import (
    SECONDS,
    columns,
    displacement_errors,
    error_bands,
    read_outs,
)
from mmocc.structures.occ3d import NUM_FUTURE, STEP_SECONDS

Frame = Literal['ego', 'lidar']
Samples = Literal['all', 'complete', 'with_past', 'window']
Overlap = Literal['cells', 'warped_cells', 'turned_cells', 'polygons']
ReadOut = Literal['at', 'mean', 'any']
Boundary = Literal['drivable_area', 'road_boundary']

# ST-P3 reads two frames back; OccWorld's windows need more on both sides.
PAST_FRAMES = 2
WINDOW_PAST, WINDOW_FUTURE = 5, 7
# nuScenes val.
SAMPLES_OF_VAL = {
    'all': 6019,
    'complete': 5119,
    'with_past': 4819,
    'window': 4219,
}
# Subsets: VAD's and OmniDrive's commands turn at 2 m to the side after 3 s;
# below this speed a car stands (ours).
SIDEWAYS = 2.0
STANDING = 0.5  # m/s
ALL = 'all'
NON_STRAIGHT = 'non_straight'
STOP_START = 'stop_start'
SUBSETS = (ALL, NON_STRAIGHT, STOP_START)


@dataclass(frozen=True)
class PlanningPreset:
    """The rules of one published evaluator.

    Attributes:
        source (str): Whose it is.
        samples (str): ``all`` (missing steps add 0 and stay in the
            denominator), ``complete`` (all six steps exist), ``with_past``
            (and two frames before) or ``window`` (five before, seven after).
        frame (str): Whose position the trajectory is: ``lidar`` or ``ego``.
        l2 (str): The published read-out of L2.
        collision (str): The published read-out of collisions.
        agents (AgentRule, optional): Obstacles; None where there are none.
        agent_frame (str): Whose origin obstacles are placed from.
        overlap (str): How overlap with a box is decided.
        grid (Grid, optional): What boxes are drawn on.
        boundary (str, optional): The boundary metric it comes with.
        may_skip (bool): Plans without parsable text leave the denominator.
    """

    source: str
    samples: Samples = 'complete'
    frame: Frame = 'lidar'
    l2: ReadOut = 'mean'
    collision: ReadOut = 'mean'
    agents: AgentRule | None = None
    agent_frame: Frame = 'lidar'
    overlap: Overlap = 'cells'
    grid: plan_shapes.Grid | None = None
    boundary: Boundary | None = None
    may_skip: bool = False

    def __post_init__(self) -> None:
        if self.agents and self.overlap != 'polygons' and self.grid is None:
            raise ValueError(f'{self.source}: drawing boxes needs a grid')


PRESETS: Mapping[str, PlanningPreset] = {
    'l2': PlanningPreset('L2 alone, complete futures', frame='ego'),
    'uniad': PlanningPreset(
        'UniAD',
        samples='all',
        l2='at',
        collision='at',
        agents=plan_agents.detected_vehicles,
        grid=plan_shapes.UNIAD_GRID,
    ),
    'vad': PlanningPreset(
        'VAD',
        agents=plan_agents.near_from_now,
        grid=plan_shapes.VAD_GRID,
    ),
    'occworld': PlanningPreset(
        'OccWorld',
        samples='window',
        l2='at',
        collision='at',
        agents=plan_agents.detected_from_now,
        grid=plan_shapes.VAD_GRID,
    ),
    # Its boxes are drawn around the ego origin, its trajectory starts at the
    # LiDAR's: the vehicle is 0.94 m too far back among them.
    'stp3_admlp': PlanningPreset(
        'ST-P3, AD-MLP',
        samples='with_past',
        agents=plan_agents.recently_seen,
        agent_frame='ego',
        overlap='warped_cells',
        grid=plan_shapes.STP3_GRID,
    ),
    'omnidrive': PlanningPreset(
        'OmniDrive',
        frame='ego',
        collision='any',
        agents=plan_agents.vehicles_from_now,
        agent_frame='ego',
        overlap='turned_cells',
        grid=plan_shapes.OMNIDRIVE_GRID,
        boundary='drivable_area',
        may_skip=True,
    ),
    'bevplanner': PlanningPreset(
        'BEV-Planner',
        frame='ego',
        collision='any',
        agents=plan_agents.detected_vehicles,
        agent_frame='ego',
        overlap='turned_cells',
        grid=plan_shapes.BEV_PLANNER_GRID,
        boundary='road_boundary',
    ),
    'sparsedrive': PlanningPreset(
        'SparseDrive',
        agents=plan_agents.with_points,
        overlap='polygons',
    ),
}


def get_preset(name: str) -> PlanningPreset:
    """Return the planning preset of that name.

    Raises:
        ValueError: There is none.
    """
    if name not in PRESETS:
        raise ValueError(
            f'the preset is {name!r}, expected one of {list(PRESETS)}'
        )
    return PRESETS[name]


@dataclass(frozen=True)
class PlanSample:
    """One frame with its plan and all ground truth that presets use.

    Positions are x forward, y left, in metres from ``frame``'s origin now.

    Attributes:
        plan (np.ndarray, optional): (6, 2); None where nothing could be
            parsed.
        truth (np.ndarray): (6, 2); not read where ``mask`` is False.
        mask (np.ndarray): (6,) bool, True where the step exists.
        frame (str): Whose positions they are, the ego origin's or the
            LiDAR's; both move differently in turns.
        plan_yaw (np.ndarray, optional): (6,) headings of the plan, radians.
        truth_yaw (np.ndarray, optional): (6,) headings of the truth.
        agents (Agents, optional): From the same origin.
        drivable (MapLines, optional): Drivable area.
        boundary (MapLines, optional): Road boundaries.
        frame_idx (int): Index of the frame in its scene, -1 if unknown.
        scene_length (int): Key frames of the scene, -1 where unknown.
    """

    plan: np.ndarray | None
    truth: np.ndarray
    mask: np.ndarray
    frame: Frame = 'ego'
    plan_yaw: np.ndarray | None = None
    truth_yaw: np.ndarray | None = None
    agents: Agents | None = None
    drivable: MapLines | None = None
    boundary: MapLines | None = None
    frame_idx: int = -1
    scene_length: int = -1


def _zeros() -> np.ndarray:
    return np.zeros(NUM_FUTURE, dtype=np.int64)


@dataclass(frozen=True)
class PlanTally:
    """Sums over any number of samples; ``a + b`` joins two sets.

    Every array is (6,), one entry for each step up to 3 s.

    Attributes:
        frames (int): All frames that were offered.
        skipped (int): Number of those without a parsable plan.
        samples (int): The denominator.
        errors (np.ndarray): Metres.
        hits (np.ndarray): Collisions at a step.
        any_hits (np.ndarray): Samples with a collision up to a step.
        truth_hits (np.ndarray): Collisions of the true trajectory.
        truth_any (np.ndarray): Samples with one up to a step.
        mapped (int): Samples whose map is known.
        off (np.ndarray): Samples that left the road up to a step.
        truth_off (np.ndarray): True trajectories that did.
    """

    frames: int = 0
    skipped: int = 0
    samples: int = 0
    errors: np.ndarray = field(default_factory=lambda: np.zeros(NUM_FUTURE))
    hits: np.ndarray = field(default_factory=_zeros)
    any_hits: np.ndarray = field(default_factory=_zeros)
    truth_hits: np.ndarray = field(default_factory=_zeros)
    truth_any: np.ndarray = field(default_factory=_zeros)
    mapped: int = 0
    off: np.ndarray = field(default_factory=_zeros)
    truth_off: np.ndarray = field(default_factory=_zeros)

    def __add__(self, other: 'PlanTally') -> 'PlanTally':
        return PlanTally(
            *(
                getattr(self, item.name) + getattr(other, item.name)
                for item in fields(self)
            )
        )


class PlanTallies(dict):
    """A :class:`PlanTally` for each subset; ``a + b`` joins two sets."""

    def __add__(self, other: Mapping[str, PlanTally]) -> 'PlanTallies':
        return PlanTallies(
            {name: self[name] + other[name] for name in SUBSETS}
        )


def subsets_of(truth: np.ndarray, mask: np.ndarray) -> tuple[str, ...]:
    """Return the subsets that a ground-truth trajectory belongs to.

    ``non_straight``: more than 2 m to the side at its last known step.
    ``stop_start``: it stands (under 0.5 m/s) over its first or its last known
    step, and not over both.
    """
    known = truth[mask]
    names = [ALL]
    if len(known):
        if abs(known[-1, 1]) >= SIDEWAYS:
            names.append(NON_STRAIGHT)
        path = np.concatenate((np.zeros((1, 2)), known))
        speeds = np.linalg.norm(np.diff(path, axis=0), axis=1) / STEP_SECONDS
        if (speeds[0] < STANDING) != (speeds[-1] < STANDING):
            names.append(STOP_START)
    return tuple(names)


def counts_as_sample(sample: PlanSample, rule: Samples) -> bool:
    """Return whether a rule takes a frame into its denominator.

    Raises:
        ValueError: The rule asks for what is not known of the frame.
    """
    if rule == 'all':
        return True
    if not sample.mask.all():
        return False
    if rule == 'complete':
        return True
    if sample.frame_idx < 0:
        raise ValueError(
            f'the sample rule {rule!r} counts the frames of a scene; the '
            'ground truth needs "frame_idx"'
        )
    if rule == 'with_past':
        return sample.frame_idx >= PAST_FRAMES
    if sample.scene_length < 0:
        raise ValueError(
            f'the sample rule {rule!r} counts the frames of a scene; the '
            'ground truth needs "scene_length"'
        )
    later = sample.scene_length - 1 - sample.frame_idx
    return sample.frame_idx >= WINDOW_PAST and later >= WINDOW_FUTURE


def carried_point(
    path: np.ndarray, yaw: np.ndarray, ahead: float
) -> np.ndarray:
    """Compute the path of a point on the vehicle, relative to its start.

    Args:
        path (np.ndarray): (T, 2) of the vehicle's origin.
        yaw (np.ndarray): (T,) its headings.
        ahead (float): Metres from the origin to the point.

    Returns:
        np.ndarray: (T, 2).
    """
    offset = np.stack((np.cos(yaw) - 1, np.sin(yaw)), axis=-1)
    return path + ahead * offset


def place_in(sample: PlanSample, preset: PlanningPreset) -> PlanSample:
    """Move a sample into the frames of a preset.

    Obstacles move exactly. Trajectories of the other origin are recomputed
    where both have headings; where one has none, both stay as they are.
    """
    ahead = 0.0
    if sample.frame != preset.frame:
        ahead = LIDAR_AHEAD if preset.frame == 'lidar' else -LIDAR_AHEAD
    plan, truth = sample.plan, sample.truth
    if ahead and sample.plan_yaw is not None and sample.truth_yaw is not None:
        plan = carried_point(plan, sample.plan_yaw, ahead)
        truth = carried_point(truth, sample.truth_yaw, ahead)
    agents = sample.agents
    if agents is not None and sample.frame != preset.agent_frame:
        agents = agents.shifted(
            LIDAR_AHEAD if preset.agent_frame == 'lidar' else -LIDAR_AHEAD
        )
    return replace(
        sample, plan=plan, truth=truth, agents=agents, frame=preset.frame
    )


def tally_plan(sample: PlanSample, preset: PlanningPreset) -> PlanTallies:
    """Score one frame under one preset.

    Raises:
        ValueError: Something is not finite, or the preset asks for what the
            sample does not have; the caller adds which frame it is.
    """
    for values, name in (
        (sample.truth, 'trajectory'),
        (sample.truth_yaw, 'heading'),
    ):
        if values is not None and not np.isfinite(values[sample.mask]).all():
            raise ValueError(
                f'the ground-truth {name} is not finite at a step that its '
                'mask declares valid'
            )
    names = subsets_of(sample.truth, sample.mask)
    tally = _tally(sample, preset)
    return PlanTallies(
        {name: tally if name in names else PlanTally() for name in SUBSETS}
    )


def _tally(sample: PlanSample, preset: PlanningPreset) -> PlanTally:
    counted = counts_as_sample(sample, preset.samples)
    if sample.plan is None:
        if not preset.may_skip:
            raise ValueError(
                'there is no plan; only the preset "omnidrive" leaves frames '
                'without parsable text out of its denominator'
            )
        return PlanTally(frames=1, skipped=int(counted))
    if not counted:
        return PlanTally(frames=1)
    mask = sample.mask
    # What does not exist is not read: it may be NaN.
    truth, yaw = np.where(mask[:, None], sample.truth, 0.0), sample.truth_yaw
    if yaw is not None:
        yaw = np.where(mask, yaw, 0.0)
    sample = replace(sample, truth=truth, truth_yaw=yaw)
    ego = ego_poses(sample)
    sample = place_in(sample, preset)
    errors = displacement_errors(sample.plan[None], sample.truth[None])[0]
    hits = truth_hits = off = truth_off = np.zeros(NUM_FUTURE, dtype=bool)
    paths = sample.plan, sample.truth
    cells = [cells_of(path, preset) for path in paths]
    if preset.agents is not None:
        hits, truth_hits = collisions(paths, cells, sample.agents, ego, preset)
    mapped = knows_boundary(sample, preset)
    if mapped:
        off, truth_off = boundary_hits(sample, cells, preset)
    # A step that does not exist is never scored.
    hits = hits & mask & ~truth_hits
    return PlanTally(
        frames=1,
        samples=1,
        errors=np.where(mask, errors, 0.0),
        hits=hits.astype(np.int64),
        any_hits=_up_to(hits),
        truth_hits=(truth_hits & mask).astype(np.int64),
        truth_any=_up_to(truth_hits & mask),
        mapped=int(mapped),
        off=_up_to(off & mask),
        truth_off=_up_to(truth_off & mask),
    )


def _up_to(hits: np.ndarray) -> np.ndarray:
    """Return 1 from the first hit on, else 0."""
    return np.logical_or.accumulate(hits).astype(np.int64)


def ego_poses(sample: PlanSample) -> np.ndarray | None:
    """Return the true poses (6, 3) of the ego origin; None without yaws."""
    if sample.truth_yaw is None:
        return None
    path = sample.truth
    if sample.frame == 'lidar':
        path = carried_point(path, sample.truth_yaw, -LIDAR_AHEAD)
    return np.concatenate((path, sample.truth_yaw[:, None]), axis=-1)


def cells_of(path: np.ndarray, preset: PlanningPreset) -> np.ndarray | None:
    """Return the cells (6, K, 2) of the vehicle; None without a grid."""
    if preset.grid is None:
        return None
    if preset.overlap == 'turned_cells':
        return plan_shapes.turned_cells(path, preset.grid)
    return plan_shapes.upright_cells(path, preset.grid)


def collisions(
    paths: Sequence[np.ndarray],
    cells: Sequence[np.ndarray | None],
    agents: Agents | None,
    ego: np.ndarray | None,
    preset: PlanningPreset,
) -> list[np.ndarray]:
    """Find the steps at which paths meet an obstacle.

    Args:
        paths (Sequence[np.ndarray]): (6, 2) each, in the preset's frame.
        cells (Sequence[np.ndarray]): What the vehicle covers on each of them;
            see :func:`cells_of`.
        agents (Agents, optional): In the preset's frame of obstacles.
        ego (np.ndarray, optional): (6, 3) true poses, for ST-P3's warp.
        preset (PlanningPreset): Which obstacles, and how.

    Returns:
        list[np.ndarray]: (6,) bool for each path.

    Raises:
        ValueError: Obstacles or poses are not known.
    """
    if agents is None:
        raise ValueError(
            f'{preset.source} counts collisions; the ground truth needs the '
            'boxes of agents (an empty set where there are none)'
        )
    counted = preset.agents(agents)
    grid = preset.grid
    if preset.overlap == 'warped_cells':
        if ego is None:
            raise ValueError(
                f'{preset.source} draws boxes around the future ego; the '
                'ground truth needs "yaws"'
            )
        return [
            plan_shapes.hits_by_warped_cells(
                covered, agents.future, agents.size, counted, ego, grid
            )
            for covered in cells
        ]
    corners = plan_shapes.box_corners(agents.future, agents.size[:, None])
    if preset.overlap == 'polygons':
        return [
            plan_shapes.hits_by_polygons(path, corners, counted)
            for path in paths
        ]
    return [
        plan_shapes.hits_by_cells(covered, corners, counted, grid)
        for covered in cells
    ]


def knows_boundary(sample: PlanSample, preset: PlanningPreset) -> bool:
    """Return whether a sample has the map that the preset needs."""
    if preset.boundary == 'drivable_area':
        return sample.drivable is not None
    return preset.boundary is not None and sample.boundary is not None


def boundary_hits(
    sample: PlanSample, cells: Sequence[np.ndarray], preset: PlanningPreset
) -> tuple[np.ndarray, np.ndarray]:
    """Find the steps (6,) at which plan and ground truth leave the road.

    ``cells`` are those of the plan and of the truth.

    OmniDrive scores no frame whose vehicle overlaps the boundary already;
    BEV-Planner scores no step at which the truth does.
    """
    grid = preset.grid
    if preset.boundary == 'drivable_area':
        area = plan_shapes.draw_area(sample.drivable, grid)
        now, plan = plan_shapes.leaves_area(sample.plan, area, grid)
        _, truth = plan_shapes.leaves_area(sample.truth, area, grid)
        return plan & (not now), truth & (not now)
    lines = plan_shapes.draw_lines(sample.boundary, grid)
    plan, truth = (
        plan_shapes.crosses_lines(covered, lines) for covered in cells
    )
    return plan & ~truth, truth


def preset_scores(
    tally: PlanTally, preset: PlanningPreset
) -> dict[str, float]:
    """Compute scores from a tally: L2 in metres, all else in per cent.

    Args:
        tally (PlanTally): Sums over the whole split or a subset.
        preset (PlanningPreset): What it was taken under.

    Returns:
        dict: ``L2_{at,mean}_{1,2,3}s`` and their ``avg``, ``L2_band_{1,2,3}s``
        (within one second), and with obstacles
        ``collision_{at,mean,any}_...`` and ``truth_collision_...``, and where
        every sample has a map ``boundary_any_...`` and
        ``truth_boundary_any_...``; then the counts ``samples`` (the
        denominator), ``frames`` and ``skipped``. With no sample, the counts
        alone.
    """
    counts = {
        'samples': tally.samples,
        'frames': tally.frames,
        'skipped': tally.skipped,
    }
    if tally.samples == 0:
        return counts
    steps = tally.errors / tally.samples
    scores = read_outs('L2', steps) | error_bands('L2', steps)
    share = 100 / tally.samples
    if preset.agents is not None:
        scores |= read_outs('collision', tally.hits * share)
        scores |= columns('collision_any', tally.any_hits * share)
        scores |= read_outs('truth_collision', tally.truth_hits * share)
        scores |= columns('truth_collision_any', tally.truth_any * share)
    if preset.boundary is not None and tally.mapped == tally.samples:
        scores |= columns('boundary_any', tally.off * share)
        scores |= columns('truth_boundary_any', tally.truth_off * share)
    return scores | counts


def published_columns(preset: PlanningPreset) -> tuple[str, ...]:
    """Return the names of the figures that this preset's papers print."""
    families = [f'L2_{preset.l2}']
    if preset.agents is not None:
        families.append(f'collision_{preset.collision}')
    if preset.boundary is not None:
        families.append('boundary_any')
    return tuple(
        f'{family}_{column}'
        for family in families
        for column in (*(f'{second}s' for second in SECONDS), 'avg')
    )
