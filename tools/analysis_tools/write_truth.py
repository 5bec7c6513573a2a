"""Write the ground truth of a split as files of ``tools/evaluate.py``.

    python tools/analysis_tools/write_truth.py planning \\
        data/nuscenes/nuscenes_infos_occ_val.pkl --out plan_truth.npz

TASK is one of occ, rayiou, forecast, planning, qa and meta. The info file must
hold every frame of its scenes (tools/create_data.py). docs/evaluation.md says
what is in the files. Maps for boundary metrics are not in info files.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mmocc.datasets import LoadOcc3DFromFile
from mmocc.evaluation.files import (
    GridFileWriter,
    write_plan_truth,
)
from mmocc.evaluation.functional.forecast import (
    CONVENTIONS,
    HORIZONS,
    forecast_frames,
)
from mmocc.evaluation.scene_truth import SceneTruth
from mmocc.infos import InfoFrame, group_scenes, load_info_file
from mmocc.utils.json_files import write_json_lines


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('task', choices=list(WRITERS), metavar='TASK')
    parser.add_argument('infos', type=Path, help='the info file')
    parser.add_argument(
        '--data-root',
        type=Path,
        help='where gts/ lies; the folder of the info file by default',
    )
    parser.add_argument(
        '--convention',
        choices=list(CONVENTIONS),
        default='sparseworld',
        help='which frames are forecast from (forecast only)',
    )
    parser.add_argument('--out', type=Path, required=True, metavar='FILE')
    args = parser.parse_args(argv)
    if args.data_root is None:
        args.data_root = args.infos.parent
    return args


class Labels:
    """Occ3D labels of an info file's frames.

    Args:
        infos (Sequence[dict]): Entries of ``data_list``.
        root (Path): The data root.
    """

    def __init__(self, infos: Sequence[dict], root: Path) -> None:
        self._paths = {
            frame.token: root / frame.occ_path
            for frame in map(InfoFrame, infos)
            if frame.occ_path
        }
        self._load = LoadOcc3DFromFile()

    def __contains__(self, token: str) -> bool:
        return token in self._paths

    def read(self, token: str) -> dict[str, np.ndarray]:
        """``voxel_semantics``, ``mask_camera`` and ``mask_lidar``."""
        path = str(self._paths[token])
        return self._load.transform(dict(token=token, occ_path=path))


def write_occ(args: argparse.Namespace, infos: Sequence[dict]) -> int:
    """Labels with both masks, and for ``rayiou`` ray origins instead."""
    labels = Labels(infos, args.data_root)
    scenes = SceneTruth(args.infos) if args.task == 'rayiou' else None
    tokens = [info['token'] for info in infos if info['token'] in labels]
    with GridFileWriter(args.out) as writer:
        for token in tqdm(tokens, ncols=79):
            label = labels.read(token)
            if scenes is None:
                masks = label['mask_camera'], label['mask_lidar']
                writer.add(token, label['voxel_semantics'], *masks)
            else:
                origins = scenes.ray_origins(token)
                writer.add(token, label['voxel_semantics'], origins=origins)
    return len(tokens)


def write_forecast(args: argparse.Namespace, infos: Sequence[dict]) -> int:
    """Labels at 0, 1, 2 and 3 s of every window of the convention."""
    labels = Labels(infos, args.data_root)
    count = 0
    with GridFileWriter(args.out, (0.0, *HORIZONS)) as writer:
        for scene in tqdm(group_scenes(infos, str(args.infos)), ncols=79):
            frames = scene.frames
            windows = forecast_frames(len(frames), args.convention)
            for now, later in windows:
                tokens = [frames[place].token for place in (now, *later)]
                grids = [labels.read(t)['voxel_semantics'] for t in tokens]
                writer.add(tokens[0], np.stack(grids))
                count += 1
    return count


def write_planning(args: argparse.Namespace, infos: Sequence[dict]) -> int:
    """True paths, headings, agents and places in the scenes."""
    scenes = SceneTruth(args.infos)
    tokens = [info['token'] for info in infos]
    samples = [scenes.plan_sample(token) for token in tqdm(tokens, ncols=79)]
    write_plan_truth(args.out, tokens, samples)
    return len(tokens)


def _questions(infos: Sequence[dict]) -> Iterator[dict]:
    for frame in map(InfoFrame, infos):
        for number, question in enumerate(frame.read('qa')):
            yield dict(token=frame.token, id=number, **question)


def write_qa(args: argparse.Namespace, infos: Sequence[dict]) -> int:
    """NuScenes-QA's questions with their answers, types and hops."""
    return write_json_lines(_questions(infos), args.out)


def write_meta(args: argparse.Namespace, infos: Sequence[dict]) -> int:
    """The meta-action of every frame that has a label."""
    return write_json_lines(
        (
            dict(token=frame.token, **frame.meta_action._asdict())
            for frame in map(InfoFrame, infos)
            if frame.meta_action is not None
        ),
        args.out,
    )


WRITERS = {
    'occ': write_occ,
    'rayiou': write_occ,
    'forecast': write_forecast,
    'planning': write_planning,
    'qa': write_qa,
    'meta': write_meta,
}


def main() -> int:
    args = parse_args()
    try:
        infos = load_info_file(args.infos)['data_list']
        count = WRITERS[args.task](args, infos)
    except ValueError as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    print(f'{count} samples in {args.out}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
