import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import pseudo_collate
from mmocc_testing import make_occ_info, wrap_infos

from mmocc.datasets import NuScenesOccDataset, SampleError
from mmocc.infos import InfoFileError, InfoFrame
from mmocc.registry import DATASETS, MODELS
from mmocc.structures import CAMERAS, OCC3D_CLASSES, OccDataSample

TRAIN = 'nuscenes_infos_occ_train.pkl'
IMAGES = (
    {'type': 'LoadSurroundImages', 'size': (28, 42)},
    {'type': 'ComputeLidar2Img'},
    {'type': 'PackOccInputs'},
)


def write_infos(folder, infos, **metainfo):
    content = wrap_infos(infos)
    content['metainfo'].update(metainfo)
    (folder / 'infos.pkl').write_bytes(pickle.dumps(content))
    return NuScenesOccDataset('infos.pkl', str(folder))


def test_frames_keep_our_keys_and_get_whole_paths(tiny_root):
    dataset = NuScenesOccDataset(TRAIN, str(tiny_root))
    info = dataset.get_data_info(1)
    assert info['scene_name'] == 'scene-0001'
    assert info['ego']['fut_poses'].shape == (6, 3)
    assert Path(info['occ_path']).is_file()
    for view in info['images'].values():
        assert Path(view['img_path']).is_file()


def test_boxes_and_voxels_share_class_ids(tmp_path):
    infos = [make_occ_info(frame_idx=i) for i in range(3)]
    dataset = write_infos(tmp_path, infos)
    assert dataset.metainfo['classes'] == OCC3D_CLASSES
    names = list(wrap_infos([])['metainfo']['categories'])
    for i, info in enumerate(infos):
        (before,) = info['instances']
        (after,) = dataset.get_data_info(i)['instances']
        for key in ('bbox_label', 'bbox_label_3d'):
            assert OCC3D_CLASSES[after[key]] == names[before[key]]


def test_unknown_class_id_is_named(tmp_path):
    info = make_occ_info()
    info['instances'][0]['bbox_label_3d'] = 42
    with pytest.raises(SampleError, match=r'class id 42') as error:
        write_infos(tmp_path, [info])
    assert info['token'] in str(error.value)
    assert 'infos.pkl' in str(error.value)


def test_ignored_boxes_stay_ignored(tmp_path):
    info = make_occ_info()
    info['instances'][0].update(bbox_label=-1, bbox_label_3d=-1)
    dataset = write_infos(tmp_path, [info])
    assert dataset.get_data_info(0)['instances'][0]['bbox_label_3d'] == -1


def test_boxes_for_mmdet3d_come_on_request(tiny_root):
    dataset = NuScenesOccDataset(TRAIN, str(tiny_root), load_boxes=True)
    info = dataset.get_data_info(0)
    assert info['ann_info']['gt_bboxes_3d'].tensor.shape == (1, 9)
    assert (
        info['ann_info']['gt_labels_3d'][0]
        == info['instances'][0]['bbox_label_3d']
    )


@pytest.mark.parametrize('test_mode', [False, True])
def test_frame_without_ground_truth_gives_images_and_calibration(
    tiny_root, tmp_path, test_mode
):
    """All that an own car has: images, intrinsics, extrinsics."""
    full = make_occ_info(num_frames=3)
    info = {
        'token': 'mine',
        'images': {
            camera: {
                'img_path': str(
                    tiny_root / 'samples' / camera / view['img_path']
                ),
                'cam2img': view['cam2img'],
                'cam2ego': view['cam2ego'],
            }
            for camera, view in full['images'].items()
        },
    }
    (tmp_path / 'mine.pkl').write_bytes(pickle.dumps(wrap_infos([info])))
    dataset = NuScenesOccDataset(
        'mine.pkl', str(tmp_path), IMAGES, test_mode=test_mode
    )
    item = dataset[0]
    sample = item['data_samples']
    assert item['inputs']['img'].shape == (6, 3, 28, 42)
    assert sample.token == 'mine' and sample.frame_idx == -1
    np.testing.assert_allclose(
        sample.cam2ego,
        [info['images'][camera]['cam2ego'] for camera in CAMERAS],
        atol=1e-12,
    )
    assert not [key for key in sample.keys() if key.startswith('gt_')]


def test_neighbours_stay_in_their_scene(tmp_path):
    infos = [
        make_occ_info(scene, frame_idx, 4)
        for scene in range(2)
        for frame_idx in range(4)
    ]
    dataset = write_infos(tmp_path, infos)
    for index, info in enumerate(infos):
        for step in (-1, 1):
            neighbours = dataset.get_neighbours(index, 4, step)
            assert len(neighbours) == 4
            for distance, found in enumerate(neighbours, start=1):
                wanted = info['frame_idx'] + step * distance
                if 0 <= wanted < 4:
                    assert found['scene_token'] == info['scene_token']
                    assert found['frame_idx'] == wanted
                else:
                    assert found is None


def test_neighbours_are_found_across_filtered_frames(tmp_path):
    infos = [make_occ_info(0, i, 5) for i in range(5)]
    infos[2]['cot'] = ''
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps(wrap_infos(infos)))
    dataset = NuScenesOccDataset(
        'infos.pkl', str(tmp_path), filter_cfg={'require': ['cot']}
    )
    assert len(dataset) == 4
    assert [i and i['frame_idx'] for i in dataset.get_neighbours(1, 2, 1)] == [
        None,
        3,
    ]
    assert dataset.get_neighbours(3, 4, -1)[3]['frame_idx'] == 0


def test_each_frame_is_unpacked_once_for_a_sample(tmp_path, monkeypatch):
    infos = [
        make_occ_info(scene, frame_idx, 6)
        for scene in range(3)
        for frame_idx in range(6)
    ]
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps(wrap_infos(infos)))
    dataset = NuScenesOccDataset(
        'infos.pkl', str(tmp_path), num_history=3, num_future=2
    )
    unpacked = []
    get_data_info = dataset.get_data_info
    monkeypatch.setattr(
        dataset,
        'get_data_info',
        lambda place: unpacked.append(place) or get_data_info(place),
    )
    for index in range(len(dataset)):
        unpacked.clear()
        results = dataset[index]
        assert len(results['history']) == 3 and len(results['future']) == 2
        assert len(unpacked) == len(set(unpacked)) <= 6


def test_another_version_is_refused_when_the_data_set_is_built(tmp_path):
    with pytest.raises(
        InfoFileError,
        match=r"info_version '2\.0', expected '1\.1'.*create_data\.py",
    ):
        write_infos(tmp_path, [make_occ_info()], info_version='2.0')


def test_filters_keep_what_has_all_parts(tmp_path):
    infos = [make_occ_info(0, i, 8) for i in range(8)]
    infos[0]['meta_action'] = None
    infos[2]['cot'], infos[3]['qa'] = '', []
    infos[4].update(cot='', qa=[])
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps(wrap_infos(infos)))

    def kept(*require):
        dataset = NuScenesOccDataset(
            'infos.pkl', str(tmp_path), filter_cfg={'require': require}
        )
        return [
            dataset.get_data_info(i)['frame_idx'] for i in range(len(dataset))
        ]

    assert kept('future') == [0, 1]  # six steps ahead exist
    assert kept('future', 'meta_action') == [1]
    assert kept('occ', 'qa', 'cot') == [0, 1, 5, 6, 7]
    assert kept('text') == [0, 1, 2, 3, 5, 6, 7]
    with pytest.raises(ValueError, match=r"requires \['futrue'\]"):
        kept('futrue')


@pytest.mark.parametrize('answer', [None, '', ' \n', float('nan')])
def test_questions_without_an_answer_are_no_text(tmp_path, answer):
    infos = [make_occ_info(0, i, 4) for i in range(4)]
    for info in infos:
        info['cot'] = ''
        for question in info['qa']:
            question['answer'] = answer
    infos[1]['captions'] = [{'question': 'Rain?', 'answer': 'No.'}]
    infos[2]['qa'][-1]['answer'] = 0
    infos[3]['captions'] = [{'question': 'Rain?', 'answer': answer}]
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps(wrap_infos(infos)))

    def kept(name):
        dataset = NuScenesOccDataset(
            'infos.pkl', str(tmp_path), filter_cfg={'require': [name]}
        )
        return [item['frame_idx'] for item in dataset]

    assert kept('qa') == [2] and kept('text') == [1, 2]
    # Transforms count in the same way.
    answers = [q.answer for q in InfoFrame(infos[2]).questions]
    assert answers == ['', '', '', '', '0']


def test_filters_that_leave_nothing_say_so(tmp_path):
    info = make_occ_info()
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps(wrap_infos([info])))
    with pytest.raises(ValueError, match='none of the 1 frames'):
        NuScenesOccDataset(
            'infos.pkl', str(tmp_path), filter_cfg={'require': ['future']}
        )


def test_filter_on_plain_file_names_the_missing_key(tmp_path):
    info = make_occ_info()
    del info['qa']
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps(wrap_infos([info])))
    with pytest.raises(ValueError, match="no key 'qa'"):
        NuScenesOccDataset(
            'infos.pkl', str(tmp_path), filter_cfg={'require': ['qa']}
        )


def test_frame_without_images_key_is_refused(tmp_path):
    info = make_occ_info()
    del info['images']
    with pytest.raises(SampleError, match="no 'images'") as error:
        write_infos(tmp_path, [info])
    assert info['token'] in str(error.value)


@pytest.mark.parametrize(
    'content',
    [{'frames': []}, [1, 2], b'no pickle at all'],
    ids=['keys', 'list', 'bytes'],
)
def test_other_files_are_no_info_files(tmp_path, content):
    path = tmp_path / 'infos.pkl'
    path.write_bytes(
        content if isinstance(content, bytes) else pickle.dumps(content)
    )
    with pytest.raises(InfoFileError, match='create_data') as error:
        NuScenesOccDataset('infos.pkl', str(tmp_path))
    assert str(path) in str(error.value)


def test_items_collate_through_mmdet3ds_preprocessor(tiny_root):
    dataset = DATASETS.build(
        {
            'type': 'NuScenesOccDataset',
            'data_root': str(tiny_root),
            'ann_file': TRAIN,
            'pipeline': IMAGES,
        }
    )
    preprocessor = MODELS.build(
        {
            'type': 'Det3DDataPreprocessor',
            'mean': [127.5] * 3,
            'std': [127.5] * 3,
            'bgr_to_rgb': True,
        }
    )
    items = [dataset[0], dataset[1]]
    batch = preprocessor(pseudo_collate(items))
    images = batch['inputs']['imgs']
    assert images.shape == (2, 6, 3, 28, 42)
    for image, item in zip(images, items, strict=True):
        # BGR bytes become RGB in [-1, 1], each view by itself.
        expected = item['inputs']['img'].flip(1).float() / 127.5 - 1
        np.testing.assert_allclose(image, expected, atol=1e-6)
    for sample in batch['data_samples']:
        assert isinstance(sample, OccDataSample)
        assert sample.img_shape == (28, 42)


def test_workers_share_one_packed_list_of_frames(tiny_root):
    dataset = NuScenesOccDataset(ann_file=TRAIN, data_root=str(tiny_root))
    # mmengine's packed form: bytes that no reference counter touches, so
    # that forked workers never copy their pages.
    assert dataset.data_list == []
    assert dataset.data_bytes.dtype == np.uint8
    assert len(dataset.data_address) == len(dataset) > 0


@pytest.fixture
def real_frame():
    folder = os.environ.get('MMOCC_REAL_DATA')
    if not folder:
        pytest.skip('MMOCC_REAL_DATA does not name a folder of real samples')
    return next((Path(folder) / 'frame').glob('*.pkl'))


def test_real_mmdet3d_frame_loads_and_projects(real_frame):
    """Boxes of the file land where the file's own image boxes are."""
    dataset = NuScenesOccDataset(
        real_frame.name,
        str(real_frame.parent),
        [*IMAGES[:2], {'type': 'PackOccInputs', 'meta_keys': ['lidar2img']}],
        data_prefix={'img': ''},
        test_mode=True,
    )
    item = dataset[0]
    sample = item['data_samples']
    assert item['inputs']['img'].shape == (6, 3, 28, 42)
    raw = pickle.loads(real_frame.read_bytes())['data_list'][0]
    centres = np.array([box['bbox_3d'][:3] for box in raw['instances']])
    points = np.concatenate([centres, np.ones((len(centres), 1))], axis=1)
    scale = np.array([42 / 1600, 28 / 900])
    checked = 0
    for view, camera in enumerate(CAMERAS):
        projected = points @ sample.lidar2img[view].T
        ahead = projected[:, 2] > 1
        pixels = projected[ahead, :2] / projected[ahead, 2:3]
        for box in raw['cam_instances'][camera]:
            centre = np.array(box['center_2d']) * scale
            assert np.abs(pixels - centre).max(axis=1).min() < 0.05
            checked += 1
    assert checked > 50


def shuffled_scenes(count=4):
    """Two scenes, their frames in any order and in each other's midst."""
    infos = [
        make_occ_info(s, k, count) for s in range(2) for k in range(count)
    ]
    order = np.random.default_rng(0).permutation(len(infos))
    return [infos[place] for place in order]


@pytest.mark.parametrize('serialize', [True, False])
def test_neighbours_do_not_depend_on_the_order_of_frames(tmp_path, serialize):
    infos = shuffled_scenes()
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps(wrap_infos(infos)))
    dataset = NuScenesOccDataset(
        'infos.pkl',
        str(tmp_path),
        num_history=2,
        serialize_data=serialize,
        indices=list(range(len(infos)))[::-1],
    )
    few = dataset.get_subset([7, 3, 2, 0])
    first = dataset.get_subset(5)
    for each in (dataset, few, first):
        tokens = {each.get_data_info(k)['token'] for k in range(len(each))}
        for place in range(len(each)):
            item = each[place]
            scene, here = item['scene_token'], item['frame_idx']
            for distance, info in enumerate(item['history'], start=1):
                wanted = [
                    other['token']
                    for other in infos
                    if other['scene_token'] == scene
                    and other['frame_idx'] == here - distance
                    and other['token'] in tokens
                ]
                assert [info['token']] == wanted if info else not wanted
    few.get_subset_([1, 0])
    assert few.get_neighbours(0, 1, -1)[0] in (None, few.get_data_info(1))


def test_plain_file_finds_its_past_by_recording_or_says_what_lacks(tmp_path):
    infos = shuffled_scenes()
    for info in infos:
        scene = info.pop('scene_name')
        info['lidar_points']['lidar_path'] = f'{scene}__LIDAR_TOP__0.bin'
        for key in ('scene_token', 'frame_idx', 'prev', 'next'):
            del info[key]
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps(wrap_infos(infos)))
    dataset = NuScenesOccDataset('infos.pkl', str(tmp_path), num_history=1)
    for item in map(dataset.__getitem__, range(len(dataset))):
        (past,) = item['history']
        if item['timestamp']:
            assert past['timestamp'] == item['timestamp'] - 0.5
            assert past['lidar_points'] == item['lidar_points']
        else:
            assert past is None
    for info in infos:
        info['lidar_points']['lidar_path'] = ''
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps(wrap_infos(infos)))
    with pytest.raises(
        InfoFileError, match=r'num_history=0 and num_future=2 .*scene_token'
    ):
        NuScenesOccDataset('infos.pkl', str(tmp_path), num_future=2)
    dataset = NuScenesOccDataset('infos.pkl', str(tmp_path))
    with pytest.raises(InfoFileError, match='does not tell scenes apart'):
        dataset.get_neighbours(0, 1, 1)


@pytest.mark.parametrize(
    ('path', 'value', 'expected'),
    [
        ('images.CAM_BACK', [1], r"'images\.CAM_BACK' is a list, .* a dict"),
        ('images.CAM_BACK.cam2img', [[1], [2, 3]], r'of shape None, .*\(3, 3'),
        ('images.CAM_FRONT.lidar2cam', 'x', r'is a str .*array \(4, 4\)'),
        ('images.CAM_FRONT.img_path', None, 'NoneType, expected str'),
        ('images.CAM_FRONT.img_path', ..., 'no key .*img_path'),
        ('instances.0', 3, r"'instances\.0' is a int, expected a dict"),
        ('instances.0.bbox_label', {}, 'is a dict, expected int'),
        ('instances.0.bbox_3d', [[1], [2, 3]], r'expected array \(7,\)'),
        ('qa.1.question', ..., r'no key qa\.1\.question'),
        ('qa.0.num_hop', 'x', 'expected int'),
        ('his_meta_actions.0', None, 'NoneType, expected a dict'),
        ('his_meta_actions.2.speed', ..., 'no key .*speed'),
    ],
)
def test_what_no_transform_could_read_is_named(
    tmp_path, path, value, expected
):
    infos = [make_occ_info(0, k, 3) for k in range(3)]
    *parents, key = path.split('.')
    node = infos[1]
    for parent in parents:
        node = node[int(parent) if parent.isdigit() else parent]
    key = int(key) if key.isdigit() else key
    if value is ...:
        del node[key]
    else:
        node[key] = value
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps(wrap_infos(infos)))
    with pytest.raises(InfoFileError, match=expected) as error:
        # As the past of the third frame.
        NuScenesOccDataset('infos.pkl', str(tmp_path), num_history=1)[2]
    assert 'infos.pkl' in str(error.value)
    named = infos[1]['token'] in str(error.value)
    assert named or 'frame 1' in str(error.value)
