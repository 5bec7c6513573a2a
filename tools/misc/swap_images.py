"""Give every frame the images of another scene, as a control experiment.

Whatever a model still gets right on the result, it does not owe to the
images. Calibration moves with the images; labels, ego motion and questions
stay.

    python tools/misc/swap_images.py INFOS.pkl --out work_dirs/control.pkl
"""

import argparse
import pickle
from pathlib import Path

from mmocc.infos import load_info_file
from mmocc.utils.atomic import atomic_open
from mmocc.utils.config import explained


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('infos', type=Path, help='info file')
    parser.add_argument('--out', type=Path, required=True, help='info file')
    return parser.parse_args()


def swap_images(data_list: list[dict]) -> list[dict]:
    """Frames whose ``images`` come from the next scene, in order of time.

    Args:
        data_list (list[dict]): Of an info file.

    Returns:
        list[dict]: As many frames; the argument is not changed.

    Raises:
        ValueError: If there is only one scene.
    """
    scenes: dict[str, list[dict]] = {}
    for info in data_list:
        scenes.setdefault(info['scene_token'], []).append(info)
    if len(scenes) < 2:
        raise ValueError(
            f'got {len(scenes)} scene, but another scene is needed to take '
            'images from; use an info file of two scenes or more'
        )
    order = list(scenes)
    donors = dict(zip(order, order[1:] + order[:1], strict=True))
    swapped = []
    for info in data_list:
        own = scenes[info['scene_token']]
        donor = scenes[donors[info['scene_token']]]
        place = own.index(info) % len(donor)
        swapped.append(dict(info, images=donor[place]['images']))
    return swapped


def main() -> None:
    args = parse_args()
    with explained():
        infos = load_info_file(args.infos)
        infos['data_list'] = swap_images(infos['data_list'])
        with atomic_open(args.out) as file:
            pickle.dump(infos, file)
    print(f'{len(infos["data_list"])} frames -> {args.out}')


if __name__ == '__main__':
    main()
