"""What a picture of a frame costs."""

import argparse
import os

import cv2
import numpy as np

from benchmarks.evaluation import street_scene, timed
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

# Seconds of six cameras with occupancy, on two cores.
BUDGET_SECONDS = 1.5
IMAGE_SIZE = (1600, 900)
# Yaw of the optical axes in degrees, and nuScenes' focal length in pixels.
YAWS = (0.0, -55.0, 55.0, 180.0, 110.0, -110.0)
FOCAL = 1266.0
CAMERA_HEIGHT = 1.5
AHEAD = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def street_frame(seed: int) -> FramePicture:
    """Six images of noise, nuScenes' rig, a street, and a plan."""
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


def rendering(args: argparse.Namespace) -> dict:
    """Measure, print, and compare with the budget."""
    load = os.getloadavg()[0]
    frame = street_frame(args.seed)
    cameras = frame.images, frame.cam_names
    calibration = frame.cam2img, frame.cam2ego
    semantics, plans = frame.pred_occ, frame.pred_trajs
    occupied = int((semantics < FREE).sum())
    report = dict(occupied_voxels=occupied, load=load, threads={})
    for threads in (1, 2):
        cv2.setNumThreads(threads)
        rows = {
            'six cameras with occupancy': timed(
                lambda: camera_panel(
                    *cameras, (), *calibration, semantics=semantics
                ),
                [()],
                args.repeats,
            ),
            'six cameras with the plan': timed(
                lambda: camera_panel(
                    *cameras, [GroundPath(plans[0], PLAN, 1.2)], *calibration
                ),
                [()],
                args.repeats,
            ),
            'voxels in 3D': timed(voxel_view, [(semantics,)], args.repeats),
            'occupancy from above': timed(
                bev_view, [(semantics,)], args.repeats
            ),
            'plan from above': timed(
                plan_bev, [(semantics, None, plans)], args.repeats
            ),
            'a whole page': timed(frame_panel, [(frame,)], args.repeats),
        }
        report['threads'][threads] = rows
        print(f'{threads} threads of OpenCV; load {load:.1f}')
        print(f'{"":28}{"ms":>9}{"CPU ms":>9}')
        for name, row in rows.items():
            print(f'{name:28}{row["ms"]:9.1f}{row["cpu_ms"]:9.1f}')
    seconds = {
        key: report['threads'][2]['six cameras with occupancy'][key] / 1000
        for key in ('ms', 'cpu_ms')
    }
    report.update(
        budget_seconds=BUDGET_SECONDS,
        within=seconds['ms'] <= BUDGET_SECONDS,
        within_cpu=seconds['cpu_ms'] <= BUDGET_SECONDS,
    )
    print(
        f'budget of six cameras with occupancy: {BUDGET_SECONDS} s; '
        f'{seconds["ms"]:.2f} s by the clock, {seconds["cpu_ms"]:.2f} s of '
        'CPU time'
    )
    return report
