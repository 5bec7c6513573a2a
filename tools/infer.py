#!/usr/bin/env python
"""Predict on one frame: JSON, occupancy and pictures; or draw its scene.

python tools/infer.py CONFIG WEIGHTS --infos FILE.pkl --data-root DIR --out DIR
python tools/infer.py CONFIG WEIGHTS --infos FILE.pkl --data-root DIR \\
    --token TOKEN --out DIR --video --ply
python tools/infer.py CONFIG WEIGHTS --images DIR --calibration FILE.json \\
    --ego FILE.json --questions "Are there any pedestrians?" --out DIR
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from mmengine.config import Config

from mmocc.apis import (
    VLAInferencer,
    frame_of,
    prediction_dict,
    prediction_json,
    read_views,
)
from mmocc.apis.camera_files import (
    CALIBRATION_EXAMPLE,
    EGO_EXAMPLE,
    read_camera_frame,
    read_ego,
)
from mmocc.apis.ego_state import parse_ego_state, parse_past_actions
from mmocc.datasets import LoadMetaAction, LoadOcc3DFromFile, PackOccInputs
from mmocc.infos import InfoFileError, load_info_file
from mmocc.structures import OCC3D_CLASSES, OccDataSample
from mmocc.utils.atomic import atomic_open
from mmocc.utils.config import explained, load_config
from mmocc.utils.overrides import Overrides
from mmocc.visualization import (
    FramePicture,
    SceneExport,
    export_frames,
    frame_pictures,
    info_overlays,
    open_rrd,
    show_frame,
    write_ply,
    write_png,
)

PREDICTION, OCCUPANCY = 'prediction.json', 'occupancy.npz'
PLY, RRD, SCENE = 'occupancy.ply', 'frame.rrd', 'scene'
PICTURES = (
    'cameras.png',
    'camera_voxels.png',
    'occupancy.png',
    'forecast.png',
    'plan.png',
    'panel.png',
)

EPILOG = f"""
written to --out: {PREDICTION}, {OCCUPANCY} (semantics, Occ3D ids, uint8, and
  future_semantics, one grid each 0.5 s in the ego frame of then),
  {', '.join(PICTURES)}.
  With --ply {PLY}, with --rrd {RRD}. With --video also {SCENE}/: a page for
  each frame of the scene, scene.mp4 and scene.gif, and these two of the whole
  scene; frames that cannot be read are skipped with a warning.
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
    more = parser.add_argument_group('more pictures')
    more.add_argument(
        '--video',
        action='store_true',
        help='predict and draw all frames of the scene, with --infos',
    )
    more.add_argument(
        '--ply', action='store_true', help='occupancy for MeshLab'
    )
    more.add_argument(
        '--rrd', action='store_true', help='a recording for Rerun'
    )
    more.add_argument(
        '--show', action='store_true', help='open a window of open3d'
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda or cuda:N')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='override config keys',
    )
    args = parser.parse_args(argv)
    if args.images and not args.calibration:
        parser.error('--images needs --calibration')
    if args.images and args.video:
        parser.error('--video draws a scene, which only --infos has')
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
    frame = frame_of(infos, info, num_history, args.data_root, args.images_dir)
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


def occ3d_ids(path: str | None) -> dict[int, int] | None:
    """From the box labels of an info file to Occ3D ids."""
    if path is None:
        return None
    categories = load_info_file(path)['metainfo'].get('categories', {})
    return {
        label: OCC3D_CLASSES.index(name)
        for name, label in categories.items()
        if name in OCC3D_CLASSES
    }


def make_picture(
    args: argparse.Namespace,
    inferencer: VLAInferencer,
    frame: dict,
    sample: OccDataSample,
    ids: dict[int, int] | None,
) -> FramePicture:
    """All that is known about a predicted frame."""
    bank = getattr(getattr(inferencer.model, 'planner', None), 'bank', None)
    return FramePicture.from_sample(
        sample,
        read_views(frame, inferencer.cameras),
        overlays=info_overlays(
            frame,
            args.data_root,
            ids,
            None if bank is None else bank.anchors.cpu().numpy(),
        ),
    )


def write_models(args: argparse.Namespace, frame: FramePicture) -> None:
    """Write, or show, what can be turned around."""
    if args.ply and frame.pred_occ is not None:
        write_ply(frame.pred_occ, args.out / PLY)
    if args.rrd:
        with open_rrd(args.out / RRD) as add:
            add(frame)
    if args.show:
        show_frame(frame)


def draw_scene(
    args: argparse.Namespace, inferencer: VLAInferencer
) -> SceneExport:
    """Predict and draw every frame of the chosen frame's scene."""
    infos = load_info_file(args.infos)['data_list']
    chosen = choose_info(infos, args.infos, args.index, args.token)
    ids = occ3d_ids(args.infos)

    def predict(info: dict) -> FramePicture:
        frame = frame_of(
            infos,
            info,
            inferencer.num_history,
            args.data_root,
            args.images_dir,
        )
        sample = inferencer.predict([frame], args.questions)[0]
        add_truth(sample, frame, None)
        return make_picture(args, inferencer, frame, sample, ids)

    scene = [
        info
        for info in infos
        if info.get('scene_token') == chosen.get('scene_token')
    ]
    return export_frames(
        {
            f'{place:03d}_{info["token"]}': partial(predict, info)
            for place, info in enumerate(scene)
        },
        args.out / SCENE,
        video=True,
        ply=args.ply,
        rrd=args.rrd,
    )


def write(
    out: Path, prediction: dict, sample: OccDataSample, pictures: dict
) -> None:
    """Write what there is in place of an earlier run's results.

    The JSON file comes last: where it is, everything is.
    """
    for name in (PREDICTION, OCCUPANCY, PLY, RRD, *PICTURES):
        (out / name).unlink(missing_ok=True)
    if 'pred_occ' in sample:
        grids = {key: grid.numpy() for key, grid in sample.pred_occ.items()}
        with atomic_open(out / OCCUPANCY) as file:
            np.savez_compressed(file, **grids)
    for name, picture in pictures.items():
        write_png(picture, out / f'{name}.png')
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
        picture = make_picture(
            args, inferencer, frame, sample, occ3d_ids(args.infos)
        )
        pictures = frame_pictures(picture)
        write(args.out, prediction, sample, pictures)
        write_models(args, picture)
        if args.video:
            export = draw_scene(args, inferencer)
            print(
                f'scene: {len(export.drawn)} frames drawn, '
                f'{len(export.skipped)} skipped'
            )
    print(describe(prediction, args.out))


if __name__ == '__main__':
    main()
