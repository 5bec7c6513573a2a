"""Boxes of a real key frame against mmdet3d's own and against the LiDAR."""

import cv2
import numpy as np
import pytest

from mmocc.infos import load_info_file
from mmocc.structures import CAMERAS
from mmocc.visualization import info_agents
from mmocc.visualization.projection import project

SIZE = (1600, 900)


@pytest.fixture(scope='module')
def info(real_data):
    (path,) = real_data.glob('frame/*.pkl')
    return load_info_file(path)['data_list'][0]


@pytest.fixture(scope='module')
def points(real_data, info):
    """LiDAR points (N, 3) in the ego frame."""
    (path,) = real_data.glob('frame/*.pcd.bin')
    points = np.fromfile(path, dtype=np.float32).reshape(-1, 5)[:, :3]
    pose = np.asarray(info['lidar_points']['lidar2ego'])
    return points @ pose[:3, :3].T + pose[:3, 3]


def calibration(info, camera):
    """Of a camera at its exposure, in the ego frame of the LiDAR."""
    view = info['images'][camera]
    lidar2ego = np.asarray(info['lidar_points']['lidar2ego'])
    return (
        np.asarray(view['cam2img']),
        lidar2ego @ np.linalg.inv(view['lidar2cam']),
    )


def inside(points, box):
    """Which points lie in a box (7,), (N,) bool."""
    away = points - box[:3]
    cos, sin = np.cos(box[6]), np.sin(box[6])
    along = away[:, 0] * cos + away[:, 1] * sin
    aside = away[:, 1] * cos - away[:, 0] * sin
    local = np.abs(np.stack([along, aside, away[:, 2]], axis=1))
    return (local <= box[3:6] / 2).all(axis=1)


def overlap(first, second):
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[2:], second[2:])
    shared = np.prod(np.maximum(high - low, 0))
    areas = [np.prod(box[2:] - box[:2]) for box in (first, second)]
    return shared / (sum(areas) - shared)


def test_boxes_in_the_ego_frame_hold_their_lidar_points(info, points):
    agents = info_agents(info)
    valid = [each for each in info['instances'] if each['bbox_3d_isvalid']]
    counts = np.array([inside(points, box).sum() for box in agents.boxes])
    expected = np.array([each['num_lidar_pts'] for each in valid])
    many = expected >= 5
    assert many.sum() >= 10
    share = counts[many] / expected[many]
    assert np.median(np.abs(share - 1)) < 0.05


@pytest.mark.parametrize('camera', CAMERAS)
def test_projected_boxes_are_those_of_mmdet3d(info, camera):
    """``cam_instances`` holds the rectangles that mmdet3d's converter made."""
    agents = info_agents(info)
    lens, pose = calibration(info, camera)
    overlaps = []
    for instance in info['cam_instances'][camera]:
        expected = np.array(instance['bbox'])
        if min(expected[2:] - expected[:2]) < 10:
            continue
        best = 0.0
        for corners in agents.corners:
            pixels, depth = project(corners, lens, pose)
            if depth.min() < 0.5:
                continue
            hull = cv2.convexHull(pixels.astype(np.float32))[:, 0]
            rectangle = np.concatenate([hull.min(axis=0), hull.max(axis=0)])
            rectangle = rectangle.clip(0, [*SIZE, *SIZE])
            best = max(best, overlap(rectangle, expected))
        overlaps.append(best)
    if not overlaps:
        pytest.skip(f'{camera} shows no box of 10 pixels or more')
    assert np.median(overlaps) > 0.9


@pytest.mark.parametrize('camera', CAMERAS)
def test_points_of_a_box_land_in_its_outline(info, points, camera):
    agents = info_agents(info)
    lens, pose = calibration(info, camera)
    landed = total = 0
    for box, corners in zip(agents.boxes, agents.corners, strict=True):
        pixels, depth = project(corners, lens, pose)
        if depth.min() < 0.5:
            continue
        hull = cv2.convexHull(pixels.astype(np.float32))
        for point in project(points[inside(points, box)], lens, pose)[0]:
            total += 1
            place = tuple(float(value) for value in point)
            landed += cv2.pointPolygonTest(hull, place, False) >= 0
    if total:
        assert landed / total > 0.99
