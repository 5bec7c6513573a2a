"""Measure how long pictures of a frame take: cameras, views, a whole page.

python projects/Benchmarks/tools/benchmark_rendering.py
"""

import os

import cv2
import numpy as np

from mmocc.projects.Benchmarks.benchmarks.benchmarking import (
    benchmark_parser,
    median_ms,
    save_result,
    street_scene,
)
from mmocc.structures import CAMERAS, FREE
from mmocc.visualization import (
    FramePicture,
    GroundPath,
    bev_view,
    camera_panel,
    frame_panel,
    plan_bev,
    voxel_view,
)
from mmocc.visualization.drawing import PLAN

IMAGE_SIZE = (1600, 900)
# Yaw of the optical axes in degrees, and nuScenes' focal length in pixels.
YAWS = (0.0, -55.0, 55.0, 180.0, 110.0, -110.0)
FOCAL = 1266.0
CAMERA_HEIGHT = 1.5
AHEAD = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def street_frame(seed: int) -> FramePicture:
    """Make six images of noise, nuScenes' cameras, a street and a plan."""
    rng = np.random.default_rng(seed)
    width, height = IMAGE_SIZE
    poses = np.tile(np.eye(4), (len(YAWS), 1, 1))
    for pose, yaw in zip(poses, np.deg2rad(YAWS), strict=True):
        cos, sin = np.cos(yaw), np.sin(yaw)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
        pose[:3, :3], pose[2, 3] = turn @ AHEAD, CAMERA_HEIGHT
    lens = [[FOCAL, 0, width / 2], [0, FOCAL, height / 2], [0, 0, 1]]
    steps = np.arange(1, 7)[:, None]
    return FramePicture(
        title='a street',
        images=[
            rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            for _ in CAMERAS
        ],
        cam_names=CAMERAS,
        cam2img=np.array([lens] * len(CAMERAS)),
        cam2ego=poses,
        pred_occ=street_scene(seed),
        gt_occ=street_scene(seed + 1),
        pred_trajs=np.concatenate([4.0 * steps, 0.1 * steps**2], axis=1)[None],
    )


def main() -> None:
    args = benchmark_parser(__doc__).parse_args()
    load = os.getloadavg()[0]
    frame = street_frame(args.seed)
    cameras = frame.images, frame.cam_names
    calibration = frame.cam2img, frame.cam2ego
    semantics, plans = frame.pred_occ, frame.pred_trajs
    path = GroundPath(plans[0], PLAN, 1.2)
    views = {
        'six cameras with occupancy': lambda: camera_panel(
            *cameras, (), *calibration, semantics=semantics
        ),
        'six cameras with the plan': lambda: camera_panel(
            *cameras, [path], *calibration
        ),
        'voxels in 3D': lambda: voxel_view(semantics),
        'occupancy from above': lambda: bev_view(semantics),
        'plan from above': lambda: plan_bev(semantics, None, plans),
        'a whole page': lambda: frame_panel(frame),
    }
    occupied = int((semantics < FREE).sum())
    result = dict(occupied_voxels=occupied, load=load, threads={})
    for threads in (1, 2):
        cv2.setNumThreads(threads)
        print(f'{threads} threads of OpenCV; load {load:.1f}')
        print(f'{"":28}{"ms":>9}{"CPU ms":>9}')
        rows = result['threads'][threads] = {}
        for name, draw in views.items():
            rows[name] = row = median_ms(draw, [()], args.repeats)
            print(f'{name:28}{row["ms"]:9.1f}{row["cpu_ms"]:9.1f}')
    save_result(result, args)


if __name__ == '__main__':
    main()
