"""Build the pages on which people review meta-action labels.

    python tools/review_labels.py data/nuscenes/nuscenes_infos_occ_train.pkl \\
        --out review/train --queue review_queue.jsonl

One HTML file per scene and an index; open review/train/index.html. What is
exported there goes into the labels with tools/apply_review.py. See
docs/review.md.
"""

import argparse
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import cv2
from tqdm import tqdm

from mmocc.annotation import RoadMap
from mmocc.infos import InfoFrame, load_info_file, map_path
from mmocc.projects.DrivingLabels.driving_labels.review import (
    INDEX_NAME,
    QueueEntry,
    ReviewError,
    Roads,
    index_page,
    page_name,
    read_queue,
    review_scenes,
    scene_page,
)
from mmocc.utils.atomic import atomic_open

CAMERA = 'CAM_FRONT'
MEGABYTE = 1e6
# Bytes above which a page is slow to open; a warning, no more.
LARGE_PAGE = 4 * MEGABYTE
_NAMED = 5  # scenes that a message lists


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('infos', type=Path, help='info file with labels')
    parser.add_argument('--out', type=Path, required=True, help='folder')
    parser.add_argument(
        '--data-root',
        '--root',
        dest='root',
        type=Path,
        help='data root with maps/expansion and samples (default: the folder '
        'of the info file)',
    )
    parser.add_argument(
        '--queue',
        type=Path,
        help='review_queue.jsonl; its frames are marked and come first',
    )
    parser.add_argument(
        '--scenes', nargs='+', help='names of scenes (default: all)'
    )
    parser.add_argument(
        '--no-images',
        action='store_true',
        help='leave the front camera out: smaller pages without pixels of '
        'the data set',
    )
    parser.add_argument(
        '--image-width',
        type=int,
        default=480,
        help='pixels (default: %(default)s)',
    )
    parser.add_argument(
        '--jpeg-quality',
        type=int,
        default=70,
        help='1 to 100 (default: %(default)s)',
    )
    return parser.parse_args(argv)


def small_jpeg(path: Path, width: int, quality: int) -> bytes:
    """Encode an image as JPEG, at most ``width`` pixels wide.

    Raises:
        ReviewError: The file is missing or no image.
    """
    image = cv2.imread(str(path))
    if image is None:
        raise ReviewError(
            f'cannot read the image {path}; give the data root with '
            '--data-root, or leave images out with --no-images'
        )
    scale = min(width / image.shape[1], 1.0)
    small = cv2.resize(
        image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
    )
    _, content = cv2.imencode(
        '.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return content.tobytes()


def front_images(
    infos: Sequence[Mapping], root: Path, width: int, quality: int
) -> dict[str, bytes]:
    """Return JPEG images of the front camera by sample token."""
    return {
        info['token']: small_jpeg(
            InfoFrame(info).image_path(CAMERA, root),
            width,
            quality,
        )
        for info in infos
        if CAMERA in info['images']
    }


@cache
def load_roads(path: Path) -> Roads:
    """Read the roads of a map-expansion file; none without the file."""
    if not path.is_file():
        return Roads()
    road_map = RoadMap.from_json(path)
    lanes = road_map.lanes
    lines = [line[:, :2] for line in lanes.polylines]
    pairs = list(zip(lines, lanes.is_connector, strict=True))
    return Roads(
        lanes=tuple(line for line, connector in pairs if not connector),
        connectors=tuple(line for line, connector in pairs if connector),
        crosswalks=road_map.crosswalks,
        stop_lines=road_map.stop_lines,
    )


def choose_infos(infos: list[dict], names: Sequence[str] | None) -> list[dict]:
    """Return the entries of the scenes with the given names, or all.

    Raises:
        ReviewError: A scene is not there.
    """
    if names is None:
        return infos
    known = sorted({InfoFrame(info).scene_name for info in infos})
    missing = sorted(set(names) - set(known))
    if missing:
        raise ReviewError(
            f'the info file has no scenes {missing}; its {len(known)} are '
            f'{known[:_NAMED]} and so on'
        )
    return [info for info in infos if InfoFrame(info).scene_name in names]


def load_queue(path: Path | None, tokens: set[str]) -> dict[str, QueueEntry]:
    """Read the queue of the given frames; print how many are of others."""
    if path is None:
        return {}
    queue = read_queue(path)
    outside = len(queue.keys() - tokens)
    if outside:
        print(f'{outside} of {len(queue)} frames in {path} are not shown')
    return queue


def write_page(path: Path, text: str) -> int:
    """Write a page whole or not at all; return its size in bytes."""
    with atomic_open(path, 'w') as file:
        file.write(text)
    return path.stat().st_size


def build_pages(args: argparse.Namespace) -> dict[str, int]:
    """Write all pages; return their sizes in bytes by file name."""
    infos = choose_infos(load_info_file(args.infos)['data_list'], args.scenes)
    root = args.root or args.infos.parent
    queue = load_queue(args.queue, {info['token'] for info in infos})
    scenes = review_scenes(infos, queue)
    sizes = {}
    for scene in tqdm(scenes, desc='scenes', ncols=79):
        images = (
            {}
            if args.no_images
            else front_images(
                choose_infos(infos, [scene.name]),
                root,
                args.image_width,
                args.jpeg_quality,
            )
        )
        roads = load_roads(map_path(root, scene.location))
        name = page_name(scene)
        sizes[name] = write_page(
            args.out / name, scene_page(scene, roads, images)
        )
        if not roads.lanes:
            print(f'{scene.name}: no map of {scene.location!r} below {root}')
    write_page(args.out / INDEX_NAME, index_page(scenes))
    return sizes


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        sizes = build_pages(args)
    except (ValueError, OSError) as error:
        raise SystemExit(f'error: {error}') from error
    largest = max(sizes, key=sizes.get, default=None)
    print(f'{len(sizes)} scenes -> {args.out / INDEX_NAME}')
    if largest is None:
        return
    print(
        f'size            {sum(sizes.values()) / MEGABYTE:.1f} MB, largest '
        f'page {sizes[largest] / MEGABYTE:.2f} MB ({largest})'
    )
    if sizes[largest] > LARGE_PAGE:
        print(
            'warning         pages above '
            f'{LARGE_PAGE / MEGABYTE:.0f} MB are slow to open; make the '
            'images smaller with --image-width, or leave them out with '
            '--no-images'
        )


if __name__ == '__main__':
    main()
