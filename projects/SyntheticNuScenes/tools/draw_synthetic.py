"""Draw one scene of a synthetic data set: images, LiDAR, voxels, map.

python projects/SyntheticNuScenes/tools/draw_synthetic.py data/synthetic \
    --scene scene-0061 --index 6 --out docs/images
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'tools'))

from dataset_converters.nuscenes_tables import (
    NuScenesFrame,
    NuScenesScene,
    NuScenesTables,
    SensorReading,
)
from mmocc.annotation.lane_graph import sample_arcline
from mmocc.infos import MapTables, map_path
from mmocc.infos.planar import planar_pose
from mmocc.infos.rigid import invert_rigid, rotation_matrix
from mmocc.structures import OCC3D_CLASSES
from mmocc.structures.meta_action import DIRECTIONS
from mmocc.utils.atomic import atomic_open
from mmocc.utils.json_files import read_json
from mmocc.visualization import bev_view, voxel_view, write_png
from mmocc.visualization.camera_panel import project
from mmocc.visualization.drawing import (
    INK,
    MUTED,
    PAPER,
    SMALL_SIZE,
    Colour,
    Label,
    below,
    beside,
    blank,
    class_colours,
    disc,
    legend,
    polyline,
    to_subpixels,
    with_caption,
    write_labels,
)
from mmocc.visualization.drawing import SHIFT as SUBPIXEL

# As a person would see them: the front row above the rear row.
VIEWS = (
    ('CAM_FRONT_LEFT', 'CAM_FRONT', 'CAM_FRONT_RIGHT'),
    ('CAM_BACK_LEFT', 'CAM_BACK', 'CAM_BACK_RIGHT'),
)
VIEW_SIZE = (400, 225)
PHOTO_QUALITY = 80
FARTHEST = 50.0  # metres, end of the colour scale of points
# Near is yellow, far purple; the darkest quarter would not be seen.
RANGE_COLOURS, RANGE_SPAN = colormaps['plasma'], 0.75
SCALE_SIZE = (160, 12)  # pixels of the bar that shows them
DARKENED = 0.45  # of the images below the points
BEV_SCALE = 8.0  # pixels for each metre
BEV_MARGIN = 22.0  # metres around the driven path
TRACK_ROOM = 20.0  # pixels between two numbers
NUMBER_ASIDE = 2.8  # metres, to the right of the path
METRE_BAR = 10  # metres, length of the bar that shows the scale
MARK_RADIUS, SHOWN_RADIUS = 5.5, 8.0  # pixels

ROAD_FILL, WALK_FILL, AREA_FILL = (222, 224, 228), (238, 232, 222), (250,) * 3
CROSSING_FILL, LANE_LINE = (255, 255, 255), (150, 158, 170)
CONNECTOR_LINE, STOP_LINE = (190, 198, 210), (200, 60, 60)
# The palette of Okabe and Ito, which colour-blind people can tell apart.
INTENTS: dict[str, Colour] = dict(
    zip(
        DIRECTIONS,
        (
            (0, 114, 178),
            (213, 94, 0),
            (0, 158, 115),
            (230, 159, 0),
            (86, 180, 233),
            (240, 228, 66),
        ),
        strict=True,
    )
)
NO_LABEL: Colour = (170, 170, 170)
MARKS = {'Accelerate': '+', 'Decelerate': '-', 'Maintain speed': '='}
BOX_COLOURS = {'vehicle': (128, 140, 158), 'human': (200, 60, 120)}
OTHER_BOX: Colour = (170, 110, 30)
SHAPES: dict[str, Colour] = {
    'stop line': STOP_LINE,
    'vehicle': BOX_COLOURS['vehicle'],
    'person': BOX_COLOURS['human'],
    'other object': OTHER_BOX,
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'data_root', type=Path, metavar='DATA_ROOT', help='synthetic data root'
    )
    parser.add_argument(
        '--version',
        default='v1.0-mini',
        metavar='NAME',
        help='folder of the tables (default: %(default)s)',
    )
    parser.add_argument(
        '--scene',
        default='scene-0061',
        metavar='NAME',
        help='name of the scene (default: %(default)s)',
    )
    parser.add_argument(
        '--index',
        '--frame',
        type=int,
        default=6,
        metavar='N',
        help='position of the key frame in the scene (default: %(default)s)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='DIR',
        help='folder of the pictures',
    )
    return parser.parse_args(argv)


def find_scene(root: Path, version: str, name: str) -> NuScenesScene:
    """Read a scene.

    Raises:
        ValueError: There is none of that name.
    """
    tables = NuScenesTables(root, version, max_sweeps=0)
    rows = {row['name']: row for row in tables.scenes}
    if name not in rows:
        raise ValueError(
            f'{root} has no scene {name!r}; it has {", ".join(sorted(rows))}'
        )
    return tables.read_scene(rows[name])


def read_image(root: Path, camera: SensorReading) -> np.ndarray:
    """An image as RGB in the size of a view."""
    image = cv2.imread(str(root / camera.filename))
    small = cv2.resize(image, VIEW_SIZE, interpolation=cv2.INTER_AREA)
    return small[..., ::-1].copy()


def arrange(pictures: dict[str, np.ndarray]) -> np.ndarray:
    """Arrange six named views in two rows."""
    return below(
        [
            beside(
                [
                    with_caption(
                        pictures[name],
                        name.removeprefix('CAM_').replace('_', ' ').lower(),
                    )
                    for name in row
                ]
            )
            for row in VIEWS
        ]
    )


def draw_views(root: Path, frame: NuScenesFrame) -> np.ndarray:
    """Draw the six camera images."""
    return arrange(
        {name: read_image(root, view) for name, view in frame.cameras.items()}
    )


def range_shades(away: np.ndarray) -> np.ndarray:
    """Colours (N, 3) of distances (N,) in metres."""
    share = 1 - RANGE_SPAN * np.clip(away / FARTHEST, 0, 1)
    return np.rint(RANGE_COLOURS(share)[:, :3] * 255).astype(np.uint8)


def range_scale() -> np.ndarray:
    """A bar that says which colour is how far away."""
    width, height = SCALE_SIZE
    start, top = 40, 5
    image = blank(3 * width, height + 2 * top)
    shades = range_shades(np.linspace(0, FARTHEST, width))
    image[top : top + height, start : start + width] = shades
    middle = top + height / 2
    far = f'{FARTHEST:.0f} m or more from the car'
    return write_labels(
        image,
        [
            Label('0 m', start - 6, middle, SMALL_SIZE, anchor='rm'),
            Label(far, start + width + 6, middle, SMALL_SIZE, anchor='lm'),
        ],
    )


def draw_points(root: Path, frame: NuScenesFrame) -> np.ndarray:
    """LiDAR returns on the darkened images, coloured by range."""
    points = np.fromfile(root / frame.lidar.filename, np.float32)
    points = points.reshape(-1, 5)[:, :3].astype(np.float64)
    lidar = frame.lidar.sensor2ego
    points = points @ lidar[:3, :3].T + lidar[:3, 3]
    shade = range_shades(np.linalg.norm(points, axis=1))
    pictures = {}
    for name, camera in frame.cameras.items():
        image = (read_image(root, camera) * DARKENED).astype(np.uint8)
        scale = np.array(VIEW_SIZE) / (camera.width, camera.height)
        cam2ego = invert_rigid(frame.lidar.ego2global) @ camera.ego2global
        cam2ego = cam2ego @ camera.sensor2ego
        pixels, depth = project(points, camera.intrinsic, cam2ego)
        pixels = pixels * scale
        seen = (depth > 1.0) & (pixels >= 0).all(1)
        seen &= (pixels < VIEW_SIZE).all(1)
        for k in np.flatnonzero(seen)[np.argsort(-depth[seen])]:
            colour = tuple(int(v) for v in shade[k])
            disc(image, pixels[k], 1.6, colour)
        pictures[name] = image
    return below([arrange(pictures), range_scale()], gap=4)


def draw_occupancy(
    root: Path, scene: NuScenesScene, frame: NuScenesFrame
) -> np.ndarray:
    """The Occ3D label: all of it in 3D, what cameras see from above."""
    path = root / 'gts' / scene.name / frame.token / 'labels.npz'
    with np.load(path) as file:
        semantics, mask = file['semantics'], file['mask_camera'] > 0
    ids = [i for i in np.unique(semantics) if OCC3D_CLASSES[i] != 'free']
    entries = [
        (
            OCC3D_CLASSES[i].replace('_', ' '),
            tuple(int(v) for v in class_colours(i)),
        )
        for i in ids
    ]
    row = beside(
        [
            with_caption(
                voxel_view(semantics, width=640, height=400),
                'seen by the LiDAR',
            ),
            with_caption(
                bev_view(semantics, mask),
                'seen by the cameras',
                'from above, 80 x 80 m',
            ),
        ]
    )
    return below([row, legend(entries, row.shape[1])])


class MapPicture:
    """A map seen from above, turned so that the ego car starts upwards.

    Args:
        poses (np.ndarray): (N, 3) driven x, y, yaw, global.
    """

    def __init__(self, poses: np.ndarray) -> None:
        yaw = poses[0, 2] - np.pi / 2
        cos, sin = np.cos(yaw), np.sin(yaw)
        self.turn = np.array([[cos, -sin], [sin, cos]])
        places = poses[:, :2] @ self.turn
        self.low = places.min(0) - BEV_MARGIN
        self.high = places.max(0) + BEV_MARGIN
        width, height = np.ceil((self.high - self.low) * BEV_SCALE).astype(int)
        self.image = blank(width, height, AREA_FILL)

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Pixels (N, 2) of global points (N, 2)."""
        places = np.asarray(points, float)[:, :2] @ self.turn
        across = (places[:, 0] - self.low[0]) * BEV_SCALE
        return np.stack(
            [across, (self.high[1] - places[:, 1]) * BEV_SCALE], axis=1
        )

    def fill(self, rings: list[np.ndarray], colour: Colour) -> None:
        """Fill a polygon with holes."""
        cv2.fillPoly(
            self.image,
            [to_subpixels(self.pixels(ring)) for ring in rings],
            colour,
            cv2.LINE_AA,
            SUBPIXEL,
        )

    def line(self, points: np.ndarray, colour: Colour, width: int) -> None:
        polyline(self.image, self.pixels(points), colour, width)


def draw_roads(picture: MapPicture, expansion: MapTables) -> None:
    """Surfaces, crossings, stop lines and lanes of the map."""
    for layer, colour in (
        ('walkway', WALK_FILL),
        ('drivable_area', ROAD_FILL),
        ('ped_crossing', CROSSING_FILL),
        ('stop_line', STOP_LINE),
    ):
        for rings in expansion.polygons(layer):
            picture.fill(rings, colour)
    for layer, colour in (
        ('lane_connector', CONNECTOR_LINE),
        ('lane', LANE_LINE),
    ):
        for row in expansion.tables[layer]:
            path = expansion.tables['arcline_path_3'][row['token']]
            picture.line(sample_arcline(path, 1.0), colour, 1)


def draw_boxes(picture: MapPicture, frame: NuScenesFrame) -> None:
    """Footprints of the annotated objects, a line to the front."""
    for box in frame.annotations:
        width, length, _ = box.size
        turn = rotation_matrix(box.rotation)[:2, :2]
        base = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) / 2
        corners = base * (length, width) @ turn.T + box.translation[:2]
        colour = BOX_COLOURS.get(box.category.split('.')[0], OTHER_BOX)
        picture.fill([corners], colour)
        front = np.stack([[0, 0], [length * 0.9, 0]]) @ turn.T
        if box.category.startswith('vehicle'):
            picture.line(front + box.translation[:2], colour, 1)


def _with_halo(labels: list[Label]) -> Iterator[Label]:
    """Each label on a light rim, to be read on any ground."""
    for label in labels:
        for x, y in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            yield label._replace(x=label.x + x, y=label.y + y, colour=PAPER)
        yield label


def draw_metre_bar(image: np.ndarray) -> Label:
    """Draw the scale, in place, and give what it is called."""
    start, row = 12, len(image) - 12
    end = start + METRE_BAR * BEV_SCALE
    polyline(image, np.array([[start, row], [end, row]]), INK, 2)
    return Label(f'{METRE_BAR} m', end + 8, row, anchor='lm')


def draw_intents(root: Path, scene: NuScenesScene, shown: int) -> np.ndarray:
    """Lanes, boxes of a frame, and the meta-action of every key frame."""
    expansion = MapTables.read(map_path(root, scene.location))
    labels = read_json(root / 'meta_actions.json', kind=dict)
    poses = np.stack([planar_pose(f.lidar.ego2global) for f in scene.frames])
    picture = MapPicture(poses)
    draw_roads(picture, expansion)
    draw_boxes(picture, scene.frames[shown])
    picture.line(poses, MUTED, 2)
    places = picture.pixels(poses)
    right = np.stack([np.sin(poses[:, 2]), -np.cos(poses[:, 2])], axis=1)
    numbers = picture.pixels(poses[:, :2] + NUMBER_ASIDE * right)
    marks: list[Label] = []
    for k, frame in enumerate(scene.frames):
        label = labels[frame.token]
        colour = INTENTS[label['direction']] if label else NO_LABEL
        radius = SHOWN_RADIUS if k == shown else MARK_RADIUS
        disc(picture.image, places[k], radius + 1, INK)
        disc(picture.image, places[k], radius, colour)
        x, y = numbers[k]
        if marks and np.hypot(x - marks[-1].x, y - marks[-1].y) < TRACK_ROOM:
            continue
        sign = MARKS[label['speed']] if label else ''
        marks.append(Label(f'{k}{sign}', x, y, bold=k == shown, anchor='mm'))
    marks.append(draw_metre_bar(picture.image))
    image = write_labels(picture.image, list(_with_halo(marks)))
    entries = [*INTENTS.items(), ('no label', NO_LABEL), *SHAPES.items()]
    width = max(image.shape[1], 420)
    notes = blank(width, 20)
    notes = write_labels(
        notes,
        [
            Label(
                'number: key frame   + accelerates   - slows down   '
                '= keeps speed',
                2,
                3,
                SMALL_SIZE,
            )
        ],
    )
    return below([image, legend(entries, width), notes], gap=4)


def write_photo(image: np.ndarray, path: Path) -> Path:
    """Write an RGB picture of photographs as JPEG."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, PHOTO_QUALITY]
    encoded = cv2.imencode('.jpg', image[..., ::-1], quality)[1]
    with atomic_open(path) as file:
        file.write(encoded.tobytes())
    return path


def main(argv: Sequence[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        scene = find_scene(args.data_root, args.version, args.scene)
    except ValueError as error:
        sys.exit(f'error: {error}')
    if not 0 <= args.index < len(scene.frames):
        sys.exit(
            f'error: {args.scene} has the key frames 0 to '
            f'{len(scene.frames) - 1}, got {args.index}'
        )
    frame = scene.frames[args.index]
    written = [
        write_photo(
            draw_views(args.data_root, frame), args.out / 'synthetic_views.jpg'
        ),
        write_photo(
            draw_points(args.data_root, frame),
            args.out / 'synthetic_lidar.jpg',
        ),
        write_png(
            draw_occupancy(args.data_root, scene, frame),
            args.out / 'synthetic_occupancy.png',
        ),
        write_png(
            draw_intents(args.data_root, scene, args.index),
            args.out / 'synthetic_intents.png',
        ),
    ]
    for path in written:
        print(f'{path}: {path.stat().st_size / 1000:.0f} kB')


if __name__ == '__main__':
    main()
