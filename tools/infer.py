#!/usr/bin/env python
"""Predict one frame and draw it, or all frames of its scene.

python tools/infer.py CONFIG CHECKPOINT --infos INFOS.pkl --out DIR
python tools/infer.py CONFIG CHECKPOINT --infos INFOS.pkl --data-root DIR \\
    --token TOKEN --out DIR --video --ply
python tools/infer.py CONFIG CHECKPOINT --images DIR --calibration FILE.json \\
    --ego FILE.json --questions "Are there any pedestrians?" --out DIR
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmocc.utils.config import explained, load_config
from mmocc.utils.frame_arguments import (
    FILES_HELP,
    add_frame_arguments,
    check_frame_arguments,
)
from mmocc.utils.overrides import Overrides

EPILOG = f"""
written to --out: prediction.json, occupancy.npz (semantics, Occ3D ids, uint8,
  and future_semantics, one grid each 0.5 s in the ego frame of that time),
  cameras.png, camera_voxels.png, occupancy.png, forecast.png, plan.png and
  panel.png. With --ply occupancy.ply, with --rrd frame.rrd. With --video
  also scene/: a page for each frame of the scene, scene.mp4 and scene.gif,
  and PLY files and the recording of the whole scene; frames that cannot be
  read are skipped with a warning.
  Parts that the model does not predict are left out. Planners that score
  anchors refine and draw all of them, which does not change the plan, unless
  the config sets model.planner.denoise.
{FILES_HELP}
Models that look back read the frames before --index or --token from the info
file. If there are none (--images, or the start of a scene), the oldest known
frame stands in for them.

MMOCC_TRACEBACK=1 shows where an error was raised.
"""


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_frame_arguments(parser)
    parser.add_argument(
        '--out',
        required=True,
        type=Path,
        metavar='DIR',
        help='folder of the results',
    )
    parser.add_argument(
        '--questions',
        nargs='*',
        metavar='TEXT',
        help='questions besides the meta-action (default: those of the info '
        'file)',
    )
    parser.add_argument(
        '--occ-labels',
        type=Path,
        metavar='FILE.npz',
        help='true occupancy to draw (default: that of the info file, if it '
        'exists)',
    )
    more = parser.add_argument_group('more pictures')
    for name, text in (
        ('video', 'predict and draw all frames of the scene, with --infos'),
        ('ply', 'occupancy for MeshLab'),
        ('rrd', 'a recording for Rerun'),
        ('show', 'open a window of open3d'),
    ):
        more.add_argument(f'--{name}', action='store_true', help=text)
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='override config keys',
    )
    args = parser.parse_args(argv)
    check_frame_arguments(parser, args)
    if args.images and args.video:
        parser.error('--video draws a scene, which only --infos has')
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    with explained():
        config = load_config(args.config, args.cfg_options)
        planner = config.model.get('planner') or {}
        if 'anchors' in planner:
            planner.setdefault('denoise', 'all')
    with explained(config):
        from mmocc.apis import VLAInferencer, summarize_prediction
        from mmocc.apis.camera_files import open_frames, with_ego_file
        from mmocc.apis.frame_export import (
            export_frame,
            export_scene,
            require_viewers,
        )

        require_viewers(args.rrd, args.show)
        inferencer = VLAInferencer(config, args.checkpoint, args.device)
        frames, index = open_frames(args, inferencer)
        frame = frames[index]
        if args.infos and args.ego:
            frame = with_ego_file(frame, args.ego)
        [sample] = inferencer.predict([frame], args.questions)
        prediction = export_frame(
            inferencer,
            frame,
            sample,
            args.out,
            dict(config=args.config, weights=args.checkpoint),
            args.occ_labels,
            args.ply,
            args.rrd,
            args.show,
        )
        if args.video:
            export = export_scene(
                inferencer,
                frames,
                index,
                args.out,
                args.questions,
                args.ply,
                args.rrd,
            )
            print(
                f'scene: {len(export.drawn)} frames drawn, '
                f'{len(export.skipped)} skipped'
            )
    print(summarize_prediction(prediction))
    print(f'results: {args.out}')


if __name__ == '__main__':
    main()
