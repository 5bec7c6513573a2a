#!/usr/bin/env python
"""Predict on one frame: JSON, occupancy and pictures.

python tools/infer.py CONFIG WEIGHTS --infos FILE.pkl --data-root DIR --out DIR
python tools/infer.py CONFIG WEIGHTS --images DIR --calibration FILE.json \\
    --ego FILE.json --questions "Are there any pedestrians?" --out DIR
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config, DictAction

from mmocc.apis import (
    VLAInferencer,
    info_frame,
    past_infos,
    prediction_dict,
    prediction_json,
    read_views,
    with_history,
)
from mmocc.apis.camera_files import (
    CALIBRATION_EXAMPLE,
    EGO_EXAMPLE,
    read_camera_frame,
    read_ego,
)
from mmocc.apis.ego_state import parse_ego_state, parse_past_actions
from mmocc.datasets import LoadMetaAction, LoadOcc3DFromFile, PackOccInputs
from mmocc.structures import OccDataSample
from mmocc.utils.atomic import atomic_open
from mmocc.utils.config import explained, load_config
from mmocc.utils.info_file import InfoFileError, load_info_file
from mmocc.visualization import (
    FramePicture,
    camera_panel,
    forecast_strip,
    frame_panel,
    occupancy_comparison,
    plan_bev,
    write_png,
)
from mmocc.visualization.drawing import PLAN, TRUTH, below, legend

PREDICTION, OCCUPANCY = 'prediction.json', 'occupancy.npz'
PICTURES = (
    'cameras.png',
    'occupancy.png',
    'forecast.png',
    'plan.png',
    'panel.png',
)
PLAN_WIDTH = 800  # pixels

EPILOG = f"""
written to --out: {PREDICTION}, {OCCUPANCY} (semantics, Occ3D ids, uint8, and
  future_semantics, one grid each 0.5 s in the ego frame of then),
  {', '.join(PICTURES)}.
  What the model does not predict is left out. Planners that score anchors
  refine and draw all of them, which leaves the plan as it is, unless the
  config sets model.planner.denoise.

frames: x forward, y left, z up, metres, from the point on the ground below
  the rear axle; yaw counter-clockwise, radians. Cameras: x right, y down, z
  forward; cam2img in pixels of the image file.

--calibration:
{CALIBRATION_EXAMPLE}

--ego: velocity (forward, or [vx, vy], m/s) is needed; yaw_rate, ax, ay and
  steer, his_poses (x, y, yaw at -2.0, -1.5, -1.0 and -0.5 s) with his_mask,
  and past_actions (of the seconds before, oldest first) may be left out:
{EGO_EXAMPLE}

Where the ego state is unknown (no --ego, and no `ego` in the info file), the
planner gets a velocity of 0 and a history that is masked out.

Models that look back read the frames before --index or --token from the info
file. Where there are none (--images, or the start of a scene), the oldest
frame there is stands in for them.

MMOCC_TRACEBACK=1 shows where an error was raised.
"""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('weights', help='checkpoint file')
    parser.add_argument(
        '--out', required=True, type=Path, metavar='DIR', help='for results'
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        '--infos', metavar='FILE.pkl', help='info file of mmdet3d 1.1'
    )
    source.add_argument(
        '--images',
        metavar='DIR|FILE.json',
        help='a folder with one image a camera, whose file name contains the '
        "camera's name, or a JSON file of paths by camera name",
    )
    infos = parser.add_argument_group('with --infos')
    infos.add_argument(
        '--data-root', default='', metavar='DIR', help='of the info file'
    )
    infos.add_argument(
        '--images-dir',
        metavar='DIR',
        help='where the images are, if not below the data root',
    )
    which = infos.add_mutually_exclusive_group()
    which.add_argument(
        '--index', type=int, default=0, help='of the frame (default: 0)'
    )
    which.add_argument('--token', help='of the frame')
    own = parser.add_argument_group('with --images')
    own.add_argument('--calibration', metavar='FILE.json', help='see below')
    parser.add_argument(
        '--ego', metavar='FILE.json', help='ego state, see below'
    )
    parser.add_argument(
        '--questions',
        nargs='*',
        metavar='TEXT',
        help='asked besides the meta-action; default: those of the info file',
    )
    parser.add_argument(
        '--occ-labels',
        metavar='FILE.npz',
        help='true occupancy to draw; default: that of the info file, if it '
        'is on disk',
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda or cuda:N')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        metavar='KEY=VALUE',
        help='override config keys',
    )
    args = parser.parse_args(argv)
    if args.images and not args.calibration:
        parser.error('--images needs --calibration')
    if args.infos and args.calibration:
        parser.error(
            '--calibration belongs to --images; the file of --infos has one'
        )
    return args


def refine_all_candidates(cfg: Config) -> None:
    """Let a planner that scores anchors show all of them."""
    planner = cfg.model.get('planner') or {}
    if 'anchors' in planner:
        planner.setdefault('denoise', 'all')


def read_frame(
    args: argparse.Namespace, cameras: Sequence[str], num_history: int
) -> dict:
    """The frame that the command line names, with its past."""
    if args.images:
        return read_camera_frame(
            args.images, args.calibration, args.ego, cameras
        )
    infos = load_info_file(args.infos)['data_list']
    info = choose_info(infos, args.infos, args.index, args.token)
    frame, *past = [
        each and info_frame(each, args.data_root, args.images_dir)
        for each in [info, *past_infos(infos, info, num_history)]
    ]
    frame = with_history(frame, past)
    if args.ego is not None:
        state, past_actions = read_ego(args.ego)
        frame['ego'] = {
            **frame.get('ego', {}),
            **parse_ego_state(frame['token'], state),
        }
        if past_actions:
            frame['his_meta_actions'] = parse_past_actions(
                frame['token'], past_actions
            )
    return frame


def choose_info(
    infos: Sequence[dict], path: str, index: int, token: str | None
) -> dict:
    """An element of an info file, by its token or its place."""
    if token is not None:
        for info in infos:
            if info.get('token') == token:
                return info
        raise InfoFileError(
            f'none of the {len(infos)} frames of {path} has the token '
            f'{token!r}; correct --token, or use --index'
        )
    if not 0 <= index < len(infos):
        raise InfoFileError(
            f'{path} has {len(infos)} frames, there is no --index {index}'
        )
    return infos[index]


def add_truth(
    sample: OccDataSample, frame: dict, occ_labels: str | None
) -> None:
    """Give a predicted sample the labels that there are, for the pictures."""
    known = {'token': frame['token']}
    path = occ_labels or frame.get('occ_path', '')
    if occ_labels or Path(path).is_file():
        known = LoadOcc3DFromFile()({**known, 'occ_path': path})
    if frame.get('meta_action'):
        known['meta_action'] = frame['meta_action']
        known = LoadMetaAction()(known)
    truth = PackOccInputs()(known)['data_samples']
    for field in ('gt_occ', 'gt_meta'):
        if field in truth:
            setattr(sample, field, truth.get(field))


def draw(
    sample: OccDataSample, images: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """The pictures by file name."""
    frame = FramePicture.from_sample(sample, images)
    views = camera_panel(
        frame.images,
        frame.cam_names,
        frame.paths,
        frame.cam2img,
        frame.cam2ego,
    )
    colours = [
        (name, colour)
        for name, trajs, colour in (
            ('planned', frame.pred_trajs, PLAN),
            ('driven', frame.gt_trajs, TRUTH),
        )
        if trajs is not None and len(trajs)
    ]
    if colours:
        views = below([views, legend(colours, views.shape[1])])
    pictures = {'cameras.png': views, 'panel.png': frame_panel(frame)}
    if frame.pred_occ is not None:
        pictures['occupancy.png'] = occupancy_comparison(
            frame.pred_occ, frame.gt_occ, frame.mask_camera, from_above=True
        )
    if frame.forecast is not None:
        pictures['forecast.png'] = forecast_strip(
            frame.pred_occ, frame.forecast
        )
    if frame.pred_trajs is not None:
        pictures['plan.png'] = plan_bev(
            frame.pred_occ,
            frame.gt_trajs,
            frame.pred_trajs,
            frame.his_trajs,
            PLAN_WIDTH,
            scores=frame.pred_scores,
        )
    return pictures


def write(
    out: Path, prediction: dict, sample: OccDataSample, pictures: dict
) -> None:
    """Write what there is in place of an earlier run's results.

    The JSON file comes last: where it is, everything is.
    """
    for name in (PREDICTION, OCCUPANCY, *PICTURES):
        (out / name).unlink(missing_ok=True)
    if 'pred_occ' in sample:
        grids = {key: grid.numpy() for key, grid in sample.pred_occ.items()}
        with atomic_open(out / OCCUPANCY) as file:
            np.savez_compressed(file, **grids)
    for name, picture in pictures.items():
        write_png(picture, out / name)
    with atomic_open(out / PREDICTION, 'w') as file:
        file.write(prediction_json(prediction))


def describe(prediction: dict, out: Path) -> str:
    """A few lines for people."""
    lines = []
    action = prediction['meta_action']
    if action is not None:
        written = f'{action["speed"]}; {action["direction"]}'
        if action['speed'] is None:
            written = 'none that can be read'
        lines.append(f'meta-action: {written}')
    if prediction['trajectory'] is not None:
        x, y = prediction['trajectory'][-1]
        lines.append(f'plan: {x:.1f} m ahead, {y:.1f} m left after 3 s')
    if prediction['occupancy'] is not None:
        voxels = prediction['occupancy']['voxels']
        occupied = sum(voxels.values()) - voxels['free']
        lines.append(f'occupancy: {occupied} voxels')
    lines.append(f'results: {out}')
    return '\n'.join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with explained():
        cfg: Config = load_config(args.config, args.cfg_options)
        refine_all_candidates(cfg)
    with explained(cfg):
        inferencer = VLAInferencer(cfg, args.weights, args.device)
        frame = read_frame(args, inferencer.cameras, inferencer.num_history)
        sample = inferencer.predict([frame], args.questions)[0]
        add_truth(sample, frame, args.occ_labels)
        prediction = dict(
            prediction_dict(sample),
            ego_state_known='ego' in frame,
            config=args.config,
            weights=args.weights,
        )
        pictures = draw(sample, read_views(frame, inferencer.cameras))
        write(args.out, prediction, sample, pictures)
    print(describe(prediction, args.out))


if __name__ == '__main__':
    main()
