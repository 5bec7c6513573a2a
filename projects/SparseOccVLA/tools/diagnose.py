"""Measure what each part of SparseOccVLA adds to plans and forecasts.

    python tools/analysis_tools/diagnose.py CONFIG CHECKPOINT --out scores.json

Plans, L2 in metres: the model's; with the anchor nearest to the truth, with
any anchor, and with anchors as they are (errors of scoring and of denoising
apart); an MLP on the ego status alone, fitted on train; constant velocity.
Forecasts, mIoU at 1, 2 and 3 s: the model's, its present prediction left where
it is, moved by the ego motion that the forecast itself expects, and moved by
that which really follows, which no model knows.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from tqdm import tqdm

from mmocc.apis.weights import load_weights
from mmocc.evaluation.functional.forecast import (
    copy_and_paste,
    forecast_histograms,
    forecast_scores,
)
from mmocc.evaluation.functional.moved_copy import moved_copy
from mmocc.evaluation.functional.planning import (
    planning_scores,
    planning_sums,
)
from mmocc.evaluation.scene_truth import SceneTruth
from mmocc.infos import InfoFrame, load_info_file
from mmocc.projects.Baselines.baselines.ego_mlp import EgoMLP
from mmocc.projects.Baselines.baselines.simple_baselines import (
    FUTURE_SECONDS,
    drive_on,
)
from mmocc.registry import MODELS
from mmocc.structures import EGO_STATUS, OccDataSample, OccGrid
from mmocc.utils.atomic import atomic_open
from mmocc.utils.config import ConfigError, explained, load_config
from mmocc.utils.env import environment_report
from mmocc.utils.overrides import Overrides

VELOCITY = (EGO_STATUS.index('vx'), EGO_STATUS.index('vy'))
CONVENTION = 'sparseworld'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'config', metavar='CONFIG', help='config of SparseOccVLA, last stage'
    )
    parser.add_argument(
        'checkpoint', metavar='CHECKPOINT', help='checkpoint file'
    )
    parser.add_argument(
        '--data-root',
        metavar='DIR',
        help="root of the data's paths (default: the config's)",
    )
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        metavar='N',
        help='random seed (default: 0)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='FILE.json',
        help='write the scores here',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='override keys of the config',
    )
    return parser.parse_args()


def prepare(args: argparse.Namespace) -> Config:
    """Read the config and adapt it to the data root and checkpoint."""
    cfg = load_config(args.config, args.cfg_options)
    planner = cfg.model.get('planner') or {}
    if not ('anchors' in planner and cfg.model.get('forecaster')):
        raise ConfigError(
            f'{args.config} has no planner or no forecaster of the kind that '
            'is diagnosed (AnchorDiffusionPlanner, OccForecaster); give the '
            'config of the last stage'
        )
    cfg.model.planner.anchors.file = None  # the checkpoint holds them
    if args.data_root is not None:
        for loader in ('train_dataloader', 'test_dataloader'):
            cfg[loader].dataset.data_root = f'{args.data_root}/'
    return cfg


class Rows:
    """Sums of the errors of several planners and forecasters."""

    def __init__(self) -> None:
        self.plans = defaultdict(list)
        self.truth, self.mask, self.status = [], [], []
        self.histograms = defaultdict(int)
        self.windows = 0

    def add_plans(
        self,
        plans: dict[str, torch.Tensor],
        data_samples: list[OccDataSample],
    ) -> None:
        """Add the errors of plans (B, T, 2) of B frames, by name."""
        for name, plan in plans.items():
            self.plans[name].append(plan.cpu().numpy())
        for sample in data_samples:
            self.truth.append(sample.gt_ego.fut_trajs.cpu().numpy())
            self.mask.append(sample.gt_ego.fut_masks.cpu().numpy())
            self.status.append(sample.gt_ego.status.cpu().numpy())

    def add_forecast(
        self,
        present: np.ndarray,
        future: np.ndarray,
        poses: dict[str, np.ndarray],
        sample: OccDataSample,
    ) -> None:
        """Add a frame with all labels: its present grid and T future ones.

        ``poses`` are (T, 3), by the name of what moves the present by them.
        """
        label = sample.gt_occ
        if not label.future_valid.all():
            return
        self.windows += 1
        truth = label.future_semantics.cpu().numpy()
        seen = label.future_mask_camera.cpu().numpy()
        forecasts = dict(
            forecast=future,
            copy=copy_and_paste(present, len(truth)),
            **{
                name: moved_copy(present, each, OccGrid())
                for name, each in poses.items()
            },
        )
        for name, grids in forecasts.items():
            for mask_name, mask in (('camera', seen), ('all', None)):
                self.histograms[name, mask_name] += forecast_histograms(
                    grids, truth, mask
                )

    def planning(self, ego_mlp: EgoMLP) -> dict[str, dict[str, float]]:
        """Return the L2 errors of each planner."""
        truth, mask = np.stack(self.truth), np.stack(self.mask)
        status = np.stack(self.status).astype(np.float64)
        plans = {n: np.concatenate(each) for n, each in self.plans.items()}
        plans['ego_mlp'] = ego_mlp(status)
        plans['constant_velocity'] = drive_on(status[:, VELOCITY])
        return {
            name: planning_scores(planning_sums(plan, truth, mask))
            for name, plan in plans.items()
        }

    def forecasting(self) -> dict[str, dict[str, float]]:
        """Return the mIoU of each forecaster, with and without camera mask."""
        return {
            f'{name}/{mask}': forecast_scores(
                histogram, FUTURE_SECONDS, CONVENTION
            )
            for (name, mask), histogram in self.histograms.items()
        }


def fit_ego_mlp(cfg: Config, seed: int) -> EgoMLP:
    """Fit the MLP on the ego status that the planner reads in training."""
    dataset = cfg.train_dataloader.dataset
    infos = load_info_file(Path(dataset.data_root) / dataset.ann_file)
    frames = [InfoFrame(info) for info in infos['data_list']]
    status = np.array([frame.status_vector for frame in frames])
    return EgoMLP(
        np.nan_to_num(status),
        np.array([frame.fut_poses for frame in frames])[..., :2],
        np.array([frame.fut_mask for frame in frames]),
        VELOCITY,
        seed,
    )


@torch.no_grad()
def measure(cfg: Config, checkpoint: str, seed: int) -> Rows:
    """Run the model over the test frames."""
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    load_weights(model, checkpoint)
    model.to(get_device()).eval()
    loader = Runner.build_dataloader(cfg.test_dataloader, seed=seed)
    dataset = cfg.test_dataloader.dataset
    scenes = SceneTruth(Path(dataset.data_root) / dataset.ann_file)
    rows = Rows()
    for batch in tqdm(loader, desc='frames', ncols=79):
        batch = model.data_preprocessor(batch, False)
        samples = batch['data_samples']
        found = model.diagnose(batch['inputs'], samples, seed)
        rows.add_plans(found.plans, samples)
        for sample, present, future, expected in zip(
            samples, found.present, found.future, found.poses, strict=True
        ):
            true_poses, _ = scenes.future_poses(sample.token)
            rows.add_forecast(
                present.cpu().numpy(),
                future.cpu().numpy(),
                dict(
                    own_moved_copy=expected.cpu().numpy(),
                    moved_copy=true_poses,
                ),
                sample,
            )
    return rows


def main() -> None:
    args = parse_args()
    with explained():
        cfg = prepare(args)
    with explained(cfg):
        rows = measure(cfg, args.checkpoint, args.seed)
        report = dict(
            config=args.config,
            checkpoint=args.checkpoint,
            planning=rows.planning(fit_ego_mlp(cfg, args.seed)),
            forecasting=rows.forecasting(),
            frames=len(rows.truth),
            windows=rows.windows,
            environment=environment_report(args.seed),
        )
    with atomic_open(args.out, 'w') as file:
        json.dump(report, file, indent=2)
        file.write('\n')


if __name__ == '__main__':
    main()
