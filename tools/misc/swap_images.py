"""Give every frame the images of another scene, as a control experiment.

Whatever a model still gets right on the result, it does not owe to the
images. Calibration moves with the images; labels, ego motion and questions
stay.

    python tools/misc/swap_images.py INFOS.pkl --out work_dirs/control.pkl
"""

import argparse
from pathlib import Path

from mmocc.infos import (
    InfoFrame,
    group_scenes,
    load_info_file,
    write_info_file,
)
from mmocc.utils.config import explained


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'infos', type=Path, metavar='INFOS.pkl', help='info file'
    )
    parser.add_argument(
        '--out',
        type=Path,
        required=True,
        metavar='INFOS.pkl',
        help='write the info file with other images here',
    )
    return parser.parse_args()


def swap_images(data_list: list[dict]) -> list[dict]:
    """Give each frame the ``images`` of a frame of the next scene.

    Args:
        data_list (list[dict]): Frames of an info file; not changed.

    Returns:
        list[dict]: The frames with other images, in the same order.

    Raises:
        ValueError: If there is only one scene.
    """
    scenes = group_scenes(data_list)
    if len(scenes) < 2:
        raise ValueError(
            f'got {len(scenes)} scene, but another scene is needed to take '
            'images from; use an info file of two scenes or more'
        )
    donors = {
        frame.token: donor.frames[place % len(donor)]
        for scene, donor in zip(scenes, scenes[1:] + scenes[:1], strict=True)
        for place, frame in enumerate(scene.frames)
    }
    return [
        dict(info, images=donors[InfoFrame(info).token].cameras)
        for info in data_list
    ]


def main() -> None:
    args = parse_args()
    with explained():
        infos = load_info_file(args.infos)
        infos['data_list'] = swap_images(infos['data_list'])
        write_info_file(infos, args.out)
    print(f'{len(infos["data_list"])} frames -> {args.out}')


if __name__ == '__main__':
    main()
