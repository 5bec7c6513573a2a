"""Write the ground truth of a split as files of ``tools/evaluate.py``.

    python tools/analysis_tools/write_truth.py planning \\
        data/nuscenes/nuscenes_infos_occ_val.pkl --out plan_truth.npz

TASK is one of occ, rayiou, forecast, planning, qa and meta. The info file must
hold every frame of its scenes (tools/create_data.py). docs/evaluation.md says
what is in the files. Maps for boundary metrics are not in info files.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mmocc.evaluation.files import GridFileWriter, write_plan_truth
from mmocc.evaluation.functional.forecast import (
    CONVENTIONS,
    HORIZONS,
    forecast_frames,
)
from mmocc.evaluation.scene_truth import SceneTruth
from mmocc.infos import InfoFrame, group_scenes, load_info_file
from mmocc.structures.driving_qa import is_answer
from mmocc.utils.json_files import write_json_lines

Infos = Sequence[dict]


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('task', choices=list(WRITERS), metavar='TASK')
    parser.add_argument(
        'infos', type=Path, metavar='INFOS.pkl', help='the info file'
    )
    parser.add_argument(
        '--data-root',
        type=Path,
        metavar='DIR',
        help='where gts/ lies (default: the folder of the info file)',
    )
    parser.add_argument(
        '--convention',
        choices=list(CONVENTIONS),
        default='sparseworld',
        help='which frames are forecast from (default: %(default)s)',
    )
    parser.add_argument('--out', type=Path, required=True, metavar='FILE')
    args = parser.parse_args(argv)
    if args.data_root is None:
        args.data_root = args.infos.parent
    return args


def label_reader(root: Path) -> Callable[[dict], dict[str, np.ndarray]]:
    """Return a function that reads the Occ3D label of an info entry."""
    from mmocc.datasets import LoadOcc3DFromFile  # imports mmdet3d

    load = LoadOcc3DFromFile()

    def read(info: dict) -> dict[str, np.ndarray]:
        frame = InfoFrame(info)
        path = root / frame.occ_path if frame.occ_path else ''
        return load.transform(dict(token=frame.token, occ_path=str(path)))

    return read


def write_occ(args: argparse.Namespace, infos: Infos) -> int:
    """Write labels with both masks, for ``rayiou`` with ray origins."""
    from tqdm import tqdm

    read = label_reader(args.data_root)
    scenes = SceneTruth(args.infos) if args.task == 'rayiou' else None
    labelled = [info for info in infos if InfoFrame(info).occ_path]
    with GridFileWriter(args.out) as writer:
        for info in tqdm(labelled, ncols=79):
            label, token = read(info), InfoFrame(info).token
            if scenes is None:
                masks = label['mask_camera'], label['mask_lidar']
                writer.add(token, label['voxel_semantics'], *masks)
            else:
                origins = scenes.ray_origins(token)
                writer.add(token, label['voxel_semantics'], origins=origins)
    return len(labelled)


def write_forecast(args: argparse.Namespace, infos: Infos) -> int:
    """Write labels at 0, 1, 2 and 3 s of every window of the convention."""
    from tqdm import tqdm

    read, count = label_reader(args.data_root), 0
    with GridFileWriter(args.out, (0.0, *HORIZONS)) as writer:
        for scene in tqdm(group_scenes(infos, str(args.infos)), ncols=79):
            for now, later in forecast_frames(len(scene), args.convention):
                frames = [scene.infos[place] for place in (now, *later)]
                grids = [read(info)['voxel_semantics'] for info in frames]
                writer.add(InfoFrame(frames[0]).token, np.stack(grids))
                count += 1
    return count


def write_planning(args: argparse.Namespace, infos: Infos) -> int:
    """Write true paths, headings, agents and places in the scenes."""
    scenes = SceneTruth(args.infos)
    tokens = [InfoFrame(info).token for info in infos]
    write_plan_truth(args.out, tokens, [*map(scenes.plan_sample, tokens)])
    return len(tokens)


def write_qa(args: argparse.Namespace, infos: Infos) -> int:
    """Write NuScenes-QA's answered questions, with types and hops."""
    records = (
        dict(token=InfoFrame(info).token, id=number, **question)
        for info in infos
        for number, question in enumerate(InfoFrame(info).read('qa'))
        if is_answer(question.get('answer'))
    )
    return write_json_lines(records, args.out)


def write_meta(args: argparse.Namespace, infos: Infos) -> int:
    """Write the meta-action of every frame that has a label."""
    labels = ((InfoFrame(i).token, InfoFrame(i).meta_action) for i in infos)
    records = (
        dict(token=token, speed=action.speed, direction=action.direction)
        for token, action in labels
        if action is not None
    )
    return write_json_lines(records, args.out)


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
