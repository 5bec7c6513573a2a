"""Thresholds of the meta-action labels, in one place."""

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class LabelRules:
    """Thresholds that turn a movement into the words of a meta-action.

    The paper names the words but gives no threshold; "ours" marks a choice
    of this project.

    Attributes:
        acceleration (float): m/s^2 above which the speed counts as changing.
            Ours: 0.4 keeps the three classes in balance on nuScenes plans.
        acceleration_low (float): m/s^2; between this and ``acceleration`` the
            label of the frame before is kept. Ours.
        standing_speed (float): m/s; a car that never exceeds it maintains
            its speed. Ours.
        stop_path (float): Metres; a shorter path over the horizon is a stop.
            Ours.
        stop_end_speed (float): m/s; a car that ends slower than this, on a
            path below ``stop_end_path``, stops. Ours.
        stop_end_path (float): Metres. Ours.
        turn_angle (float): Radians of heading change of a turn on a turning
            connector, or without a map (20 degrees, as OmniDrive).
        connector_angle (float): Radians of heading change from which a lane
            connector is a turning one. Ours.
        lane_change_shift (float): Metres of sideways motion against the lane
            within the horizon. Ours.
        lane_change_end_shift (float): Metres of sideways motion reached
            ``settle_time`` after the frame. Ours.
        lane_change_path (float): Metres that a lane change takes at least.
            Ours.
        settle_time (float): Seconds after the frame when a lane change is
            over at the latest. Ours.
        match_radius (float): Metres around a pose in which lanes are looked
            for. Ours.
        match_angle (float): Radians between a pose and a lane it can be on.
            Ours.
        match_sigma (float): Metres of offset that cost 1. Ours.
        match_sigma_angle (float): Radians that cost 1. Ours.
        neighbour_cost (float): Cost of a step to a lane side by side. Ours.
        jump_cost (float): Cost of any other step between lanes. Ours.
        match_links (int): Lanes that may be passed between two key frames.
            Ours: two, as some connectors are shorter than one step.
        match_past (float): Seconds before the frame where matching starts.
            Ours.
        free_shift (tuple[float, float]): Metres of sideways motion of a lane
            change where there is no map. Ours.
        free_angle (float): Radians; its largest final heading change. Ours.
        free_swing (float): Radians; its least heading change on the way, which
            tells it from a straight drift. Ours.
        free_residual (float): Metres off a circular arc that it must be, which
            tells it from a bend. Ours.
        min_future (int): Steps of future that a label needs; of 6. Ours.
        history_turn_angle (float): Radians of heading change of a turn within
            one history window. Ours: 8 degrees in 1 s.
        history_shift (float): Metres of sideways motion within one history
            window that crosses a lane line. Ours.
    """

    acceleration: float = 0.4
    acceleration_low: float = 0.3
    standing_speed: float = 0.5
    stop_path: float = 1.0
    stop_end_speed: float = 0.3
    stop_end_path: float = 3.0
    turn_angle: float = float(np.deg2rad(20.0))
    connector_angle: float = float(np.deg2rad(25.0))
    lane_change_shift: float = 1.2
    lane_change_end_shift: float = 2.0
    lane_change_path: float = 6.0
    settle_time: float = 4.5
    match_radius: float = 3.0
    match_angle: float = float(np.deg2rad(30.0))
    match_sigma: float = 1.0
    match_sigma_angle: float = float(np.deg2rad(15.0))
    neighbour_cost: float = 3.0
    jump_cost: float = 12.0
    match_links: int = 2
    match_past: float = 1.0
    free_shift: tuple[float, float] = (1.75, 5.0)
    free_angle: float = float(np.deg2rad(8.0))
    free_swing: float = float(np.deg2rad(3.0))
    free_residual: float = 0.25
    min_future: int = 4
    history_turn_angle: float = float(np.deg2rad(8.0))
    history_shift: float = 0.6

    def __post_init__(self) -> None:
        if not 0 <= self.acceleration_low <= self.acceleration:
            raise ValueError(
                'LabelRules needs 0 <= acceleration_low <= acceleration, got '
                f'{self.acceleration_low} and {self.acceleration}'
            )
        if self.min_future < 2:
            raise ValueError(
                'LabelRules.min_future must be at least 2 (a slope needs two '
                f'speeds), got {self.min_future}'
            )

    def scaled(self, share: float) -> 'LabelRules':
        """Return rules for a stretch of ``share`` times the horizon."""
        return replace(
            self,
            stop_path=self.stop_path * share,
            stop_end_path=self.stop_end_path * share,
            lane_change_path=self.lane_change_path * share,
        )

    def for_history(self, share: float) -> 'LabelRules':
        """Return rules for a history window of ``share`` times the horizon.

        A window is too short for a whole lane change, so crossing the line
        while moving sideways is enough, and without a map none is found.
        """
        return replace(
            self.scaled(share),
            turn_angle=self.history_turn_angle,
            lane_change_shift=self.history_shift,
            lane_change_end_shift=0.0,
        )
