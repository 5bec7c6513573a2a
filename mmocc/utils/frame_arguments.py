"""Command-line arguments that name the frame to predict, for infer and chat.

The module imports neither torch nor mmdet3d, so that ``--help`` is quick.
"""

import argparse
from pathlib import Path

CALIBRATION_EXAMPLE = """\
{"CAM_FRONT": {"cam2img": [[1266.4, 0, 816.3], [0, 1266.4, 491.5], [0, 0, 1]],
               "cam2ego": [[0, 0, 1, 1.70], [-1, 0, 0, 0.02],
                           [0, -1, 0, 1.51], [0, 0, 0, 1]]},
 "CAM_FRONT_RIGHT": ...}"""
EGO_EXAMPLE = """\
{"velocity": 5.2, "yaw_rate": 0.01,
 "his_poses": [[-10.4, 0, 0], [-7.8, 0, 0], [-5.2, 0, 0], [-2.6, 0, 0]],
 "past_actions": ["Accelerate; Go Straight", "Maintain speed; Go Straight"]}"""
FILES_HELP = f"""
coordinates: x forward, y left, z up, metres, from the point on the ground
  below the rear axle; yaw counter-clockwise, radians. Cameras: x right,
  y down, z forward; cam2img in pixels of the image file.

--calibration:
{CALIBRATION_EXAMPLE}

--ego: velocity (forward, or [vx, vy], m/s) is required; yaw_rate, ax, ay and
  steer, his_poses (x, y, yaw at -2.0, -1.5, -1.0 and -0.5 s) with his_mask,
  and past_actions (of the seconds before, oldest first) are optional:
{EGO_EXAMPLE}

Without an ego state (no --ego, and no `ego` in the info file), the planner
gets a velocity of 0 and a history that is masked out.
"""


def add_frame_arguments(parser: argparse.ArgumentParser) -> None:
    """Add model, device and the sources of a frame to a parser.

    Args:
        parser (argparse.ArgumentParser): Parser of the tool; its epilog
            should hold ``FILES_HELP``.
    """
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        '--infos', type=Path, metavar='INFOS.pkl', help='info file'
    )
    source.add_argument(
        '--images',
        type=Path,
        metavar='DIR|FILE.json',
        help="a folder with one image for each camera, the camera's name in "
        'the file name, or a JSON file of paths by camera name',
    )
    infos = parser.add_argument_group('with --infos')
    infos.add_argument(
        '--data-root',
        type=Path,
        metavar='DIR',
        help='root of the paths in the info file (default: its folder)',
    )
    infos.add_argument(
        '--images-dir',
        type=Path,
        metavar='DIR',
        help='folder of the images, if they are not below the data root',
    )
    which = infos.add_mutually_exclusive_group()
    which.add_argument(
        '--index',
        type=int,
        default=0,
        metavar='N',
        help='position of the frame (default: 0)',
    )
    which.add_argument('--token', help='token of the frame')
    own = parser.add_argument_group('with --images')
    own.add_argument(
        '--calibration',
        type=Path,
        metavar='FILE.json',
        help='calibration of the cameras, see below',
    )
    parser.add_argument(
        '--ego', type=Path, metavar='FILE.json', help='ego state, see below'
    )
    parser.add_argument(
        '--device',
        default='cpu',
        help='cpu, cuda or cuda:N (default: cpu)',
    )


def check_frame_arguments(
    parser: argparse.ArgumentParser, args: argparse.Namespace
) -> None:
    """End with a usage error if the sources contradict each other.

    Args:
        parser (argparse.ArgumentParser): From :func:`add_frame_arguments`.
        args (argparse.Namespace): The parsed arguments.
    """
    if args.images and not args.calibration:
        parser.error('--images needs --calibration')
    if args.infos and args.calibration:
        parser.error(
            '--calibration belongs to --images; the file of --infos has one'
        )
