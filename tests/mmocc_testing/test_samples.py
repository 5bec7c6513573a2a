import pickle

import numpy as np

from mmocc.structures import CAMERAS, MetaAction, parse_meta_action
from mmocc_testing import make_occ_info, write_tiny_dataset


def test_the_same_arguments_write_the_same_bytes(tmp_path):
    roots = [write_tiny_dataset(tmp_path / name) for name in 'ab']
    files = [
        {p.relative_to(root): p.read_bytes() for p in root.rglob('*.*')}
        for root in roots
    ]
    images = [p for p in files[0] if p.suffix == '.jpg']
    assert len(images) == 2 * 3 * len(CAMERAS)
    assert files[0].keys() == files[1].keys()
    for path in files[0]:
        if path.suffix != '.npz':  # zip files hold the time of writing
            assert files[0][path] == files[1][path], path


def test_splits_share_no_scene(tmp_path):
    root = write_tiny_dataset(tmp_path, num_scenes=3, num_frames=2)
    scenes = []
    for split in ('train', 'val'):
        path = root / f'nuscenes_infos_occ_{split}.pkl'
        infos = pickle.loads(path.read_bytes())['data_list']
        scenes.append({info['scene_name'] for info in infos})
    assert len(scenes[0]) == 2 and len(scenes[1]) == 1
    assert not scenes[0] & scenes[1]


def test_frames_agree_with_each_other():
    """The next frame's pose is where this frame's future says it is."""
    here, there = (make_occ_info(0, i, 9) for i in (2, 3))
    step = np.linalg.inv(here['ego2global']) @ there['ego2global']
    assert here['ego']['fut_poses'][0, 0] == step[0, 3]
    assert here['next'] == there['token'] and there['prev'] == here['token']


def test_text_and_label_say_the_same():
    info = make_occ_info()
    label = info['meta_action']
    assert parse_meta_action(info['cot']) == MetaAction(
        label['speed'], label['direction']
    )
