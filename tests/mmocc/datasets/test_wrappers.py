"""mmengine's and mmdet3d's wrappers around our data set."""

import pickle
from collections import Counter

import pytest
from mmocc_testing import make_occ_info, wrap_infos

from mmocc.datasets import EpochSampler
from mmocc.datasets.transforms.frame_rng import frame_rng
from mmocc.registry import DATASETS
from mmocc.structures import OCC3D_CLASSES

CAR, BUS = (OCC3D_CLASSES.index(name) for name in ('car', 'bus'))


def draw(results):
    """The whole pipeline: a number that belongs to frame and epoch."""
    number = int(frame_rng(results, 'test').integers(1 << 40))
    return results['token'], number


def part(folder, name='a', scene=0, **options):
    """Six frames: three of a car, one with a bus too, two without boxes."""
    infos = [make_occ_info(scene, k, 6) for k in range(6)]
    for k, info in enumerate(infos):
        (box,) = info['instances']
        labels = [[0], [0], [0, 3], [], [], [0]][k]
        info['instances'] = [
            dict(box, bbox_label=label, bbox_label_3d=label)
            for label in labels
        ]
    infos[5]['instances'][0]['bbox_3d_isvalid'] = False
    content = wrap_infos(infos)
    # `own` files name another data set and version.
    content['metainfo'].update(dataset=name, version=name)
    (folder / f'{name}.pkl').write_bytes(pickle.dumps(content))
    return dict(
        type='NuScenesOccDataset',
        ann_file=f'{name}.pkl',
        data_root=str(folder),
        pipeline=[draw],
        **options,
    )


@pytest.mark.parametrize('load_boxes', [False, True])
@pytest.mark.parametrize('lazy', [False, True])
def test_cbgs_draws_classes_equally(tmp_path, load_boxes, lazy):
    inner = part(tmp_path, load_boxes=load_boxes, lazy_init=lazy)
    config = dict(type='CBGSDataset', dataset=inner, lazy_init=lazy)
    dataset = DATASETS.build(dict(config))
    dataset.full_init()
    assert [sorted(dataset.dataset.get_cat_ids(k)) for k in range(6)] == [
        *([CAR], [CAR], sorted([BUS, CAR]), [], [], []),
    ]
    # Of 3 + 1 frames with a class, 2 of each.
    assert len(dataset) == 4
    tokens = Counter(dataset[k][0][-1] for k in range(4))
    assert tokens['2'] >= 2 and set(tokens) <= set('012')
    again = DATASETS.build(dict(config))
    again.full_init()
    assert again.sample_indices == dataset.sample_indices


def test_cbgs_balances_joined_and_repeated_data_sets(tmp_path):
    joined = dict(
        type='ConcatDataset',
        datasets=[
            dict(type='RepeatDataset', times=2, dataset=part(tmp_path)),
            part(tmp_path, 'own', scene=1),
        ],
    )
    dataset = DATASETS.build(dict(type='CBGSDataset', dataset=joined))
    tokens = Counter(dataset[k][0][-1] for k in range(len(dataset)))
    assert len(dataset) == 12 and tokens['2'] >= 6


def test_cbgs_without_any_box_says_so(tmp_path):
    inner = part(tmp_path, indices=[3, 4])
    with pytest.raises(ValueError, match='none of the 2 frames has a box'):
        DATASETS.build(dict(type='CBGSDataset', dataset=inner))


@pytest.mark.parametrize('load_boxes', [False, True])
def test_rare_classes_come_more_often(tmp_path, load_boxes):
    dataset = DATASETS.build(
        dict(
            type='ClassBalancedDataset',
            oversample_thr=0.5,
            dataset=part(tmp_path, load_boxes=load_boxes),
        )
    )
    counts = Counter(dataset[k][0][-1] for k in range(len(dataset)))
    assert counts['2'] == 2 and counts['3'] == 1


def test_own_cameras_and_nuscenes_are_trained_together(tmp_path):
    parts = [part(tmp_path), part(tmp_path, 'own', scene=1)]
    dataset = DATASETS.build(dict(type='ConcatDataset', datasets=parts))
    assert len(dataset) == 12
    assert dataset.metainfo['classes'] == OCC3D_CLASSES


def test_epochs_reach_the_data_sets_in_nested_wrappers(tmp_path):
    inner = part(tmp_path, indices=4, num_history=1)
    config = dict(
        type='ConcatDataset',
        datasets=[
            dict(type='RepeatDataset', times=2, dataset=inner),
            dict(type='CBGSDataset', dataset=inner),
            dict(
                type='ClassBalancedDataset',
                oversample_thr=0.5,
                dataset=part(tmp_path, 'own', scene=1),
            ),
        ],
    )
    dataset = DATASETS.build(config)
    sampler = EpochSampler(dataset, seed=3)
    epochs = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        items = [dataset[k] for k in sampler]
        # Copies of a frame are augmented alike.
        assert len(set(items)) == len({token for token, _ in items})
        epochs.append(dict(items))
    assert epochs[0].keys() == epochs[1].keys()
    assert all(epochs[0][token] != epochs[1][token] for token in epochs[0])
