"""The metric shells: samples in, names out, one process or two."""

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement

from mmocc.evaluation.metrics import (
    MetaActionMetric,
    OccMetric,
    PlanningMetric,
    QAMetric,
)
from mmocc.registry import METRICS
from mmocc.structures import DrivingQA, OccDataSample

CAR, ROAD, FREE = 4, 11, 17
NAMES = ('OccMetric', 'PlanningMetric', 'MetaActionMetric', 'QAMetric')


def make_sample(seed: int = 0) -> OccDataSample:
    """A frame with random truth and random predictions."""
    rng = torch.Generator().manual_seed(seed)

    def ids(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(0, high, shape, generator=rng)

    sample = OccDataSample(metainfo={'token': f'token{seed}'})
    sample.gt_occ = BaseDataElement(
        semantics=ids(18, 4, 4, 2).to(torch.uint8),
        mask_camera=ids(2, 4, 4, 2).bool(),
        mask_lidar=ids(2, 4, 4, 2).bool(),
    )
    sample.pred_occ = BaseDataElement(
        semantics=ids(18, 4, 4, 2).to(torch.uint8)
    )
    masks = torch.ones(6, dtype=torch.bool)
    masks[6 - seed % 3 :] = False
    sample.gt_ego = BaseDataElement(
        fut_trajs=torch.randn(6, 2, generator=rng), fut_masks=masks
    )
    sample.pred_ego = BaseDataElement(
        trajs=torch.randn(3, 6, 2, generator=rng),
        scores=torch.tensor([0.5, 0.3, 0.2]),
    )
    for side in ('gt_meta', 'pred_meta'):
        setattr(sample, side, BaseDataElement(speed=ids(3), direction=ids(6)))
    sample.gt_text = BaseDataElement(
        questions=[
            DrivingQA('What is ahead?', 'A road.', task='caption'),
            DrivingQA('Any cars?', 'yes', 'qa', 'exist', 0),
            DrivingQA('How many?', str(int(ids(3))), 'qa', 'count', 1),
            DrivingQA('Any trucks?', '', 'qa', 'exist', 0),
        ]
    )
    sample.pred_text = BaseDataElement(answers=['A car.', 'yes', '1', 'no'])
    return sample


def all_metrics():
    return [METRICS.build({'type': name}) for name in NAMES]


def evaluate(samples, metric):
    evaluator = Evaluator(metric)
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))


@pytest.mark.parametrize('name', NAMES)
def test_metrics_build_from_their_name_alone(name):
    metric = METRICS.build({'type': name})
    assert metric.prefix == name.removesuffix('Metric').lower().replace(
        'planning', 'plan'
    ).replace('metaaction', 'meta')
    result = evaluate([make_sample()], metric)
    assert result[f'{metric.prefix}/frames'] == 1
    assert result[f'{metric.prefix}/skipped'] == 0
    assert all(key.startswith(f'{metric.prefix}/') for key in result)


def test_truth_as_prediction_is_perfect():
    sample = make_sample()
    sample.pred_occ = sample.gt_occ
    sample.pred_ego.trajs[0] = sample.gt_ego.fut_trajs
    sample.pred_meta = sample.gt_meta
    sample.pred_text.answers = [q.answer for q in sample.gt_text.questions]
    result = evaluate([sample], all_metrics())
    for name in (
        'occ/mIoU',
        'occ/IoU',
        'occ/mIoU_all_voxels',
        'occ/IoU_all_voxels',
        'meta/speed',
        'meta/direction',
        'meta/mean',
        'meta/joint',
        'qa/overall',
        'qa/exist',
        'qa/count',
        'qa/normalised/overall',
    ):
        assert result[name] == 100.0, name
    for second in (1, 2, 3):
        assert result[f'plan/L2_at_{second}s'] == 0.0
        assert result[f'plan/L2_mean_{second}s'] == 0.0
    assert result['plan/L2_mean_avg'] == 0.0
    assert result['plan/samples'] == 1


def test_samples_and_dicts_give_the_same():
    samples = [make_sample(seed) for seed in range(3)]
    for name in NAMES:
        metric = METRICS.build({'type': name})
        through_evaluator = evaluate(samples, metric)
        metric.process(None, samples)
        assert metric.evaluate(3) == through_evaluator


def test_occ_metric_keeps_masks_apart():
    sample = make_sample()
    truth = torch.tensor([CAR, CAR, ROAD, FREE], dtype=torch.uint8)
    sample.gt_occ = BaseDataElement(
        semantics=truth,
        mask_camera=torch.tensor([1, 0, 0, 1], dtype=torch.bool),
        mask_lidar=torch.tensor([1, 0, 1, 1], dtype=torch.bool),
    )
    sample.pred_occ = BaseDataElement(
        semantics=torch.tensor([CAR, FREE, CAR, FREE], dtype=torch.uint8)
    )
    result = evaluate([sample], OccMetric(('camera', 'lidar', 'none')))
    assert result['occ/mIoU'] == result['occ/IoU'] == 100.0
    # LiDAR: car 1 hit, 1 invented on the road, which is missed: 50, 0.
    assert result['occ/mIoU_lidar_mask'] == 25.0
    assert result['occ/IoU_lidar_mask'] == 100.0
    # All: car 1 hit, 1 missed, 1 invented: 1/3; road 0; geometry 2 of 3.
    assert result['occ/mIoU_all_voxels'] == pytest.approx(100 / 6)
    assert result['occ/IoU_all_voxels'] == pytest.approx(200 / 3)


def test_planning_metric_reads_the_best_plan_and_the_rule():
    samples = [make_sample(0), make_sample(1)]
    for sample in samples:
        truth = sample.gt_ego.fut_trajs
        sample.pred_ego.trajs[0] = truth + torch.tensor([3.0, 4.0])
    complete = evaluate(samples, PlanningMetric())
    assert complete['plan/L2_at_3s'] == pytest.approx(5.0)
    assert (complete['plan/samples'], complete['plan/frames']) == (1, 2)
    padded = evaluate(samples, PlanningMetric('all_masked', prefix='uniad'))
    assert padded['uniad/L2_at_3s'] == pytest.approx(2.5)
    assert padded['uniad/samples'] == 2


def test_unparsable_meta_action_is_wrong():
    sample = make_sample()
    sample.pred_meta = BaseDataElement(
        speed=torch.tensor(-1), direction=sample.gt_meta.direction
    )
    result = evaluate([sample], MetaActionMetric())
    assert result['meta/speed'] == result['meta/joint'] == 0.0
    assert result['meta/direction'] == result['meta/unparsable'] == 100.0


def test_qa_metric_scores_closed_questions_with_an_answer_only():
    result = evaluate([make_sample()], QAMetric())
    assert result['qa/questions'] == 2


def test_frames_without_truth_are_skipped_and_counted():
    bare = OccDataSample(metainfo={'token': 'bare'})
    unlabelled = make_sample(1)
    unlabelled.gt_meta.speed = torch.tensor(-1)
    unlabelled.gt_ego = BaseDataElement(his_trajs=torch.zeros(4, 3))
    unlabelled.gt_text = BaseDataElement(questions=[])
    del unlabelled.gt_occ
    for name in NAMES:
        metric = METRICS.build({'type': name})
        result = evaluate([bare, make_sample(0), unlabelled], metric)
        alone = evaluate([make_sample(0)], metric)
        counts = {f'{metric.prefix}/skipped': 2}
        assert result == alone | counts


def test_no_truth_at_all_gives_counts_and_no_score():
    bare = OccDataSample(metainfo={'token': 'bare'})
    for name in NAMES:
        metric = METRICS.build({'type': name})
        assert evaluate([bare], metric) == {
            f'{metric.prefix}/frames': 0,
            f'{metric.prefix}/skipped': 1,
        }


@pytest.mark.parametrize(
    ('name', 'field'),
    [
        ('OccMetric', 'pred_occ'),
        ('PlanningMetric', 'pred_ego'),
        ('MetaActionMetric', 'pred_meta'),
        ('QAMetric', 'pred_text'),
    ],
)
def test_missing_prediction_names_frame_field_and_way_out(name, field):
    sample = make_sample()
    delattr(sample, field)
    with pytest.raises(
        ValueError, match=rf'{name}, frame token0: "{field}\..*take {name} out'
    ):
        evaluate([sample], METRICS.build({'type': name}))


def test_missing_mask_names_the_mask():
    sample = make_sample()
    del sample.gt_occ.mask_lidar
    with pytest.raises(ValueError, match=r'"gt_occ\.mask_lidar" is missing'):
        evaluate([sample], OccMetric(masks=('lidar',)))


def test_misshapen_prediction_names_the_frame():
    sample = make_sample(5)
    sample.pred_occ.semantics = sample.pred_occ.semantics[:2]
    with pytest.raises(ValueError, match='frame token5: the prediction has'):
        evaluate([sample], OccMetric())


def test_answers_must_match_the_questions():
    sample = make_sample()
    sample.pred_text.answers = ['yes']
    with pytest.raises(ValueError, match='1 answers for 4 questions'):
        evaluate([sample], QAMetric())


@pytest.mark.parametrize(
    ('metric', 'settings', 'says'),
    [
        (OccMetric, {'masks': ('radar',)}, 'radar'),
        (OccMetric, {'masks': ()}, 'expected some of'),
        (OccMetric, {'absent': 'zero'}, "absent is 'zero'"),
        (PlanningMetric, {'samples': 'some'}, "samples is 'some'"),
    ],
)
def test_bad_settings_fail_when_built(metric, settings, says):
    with pytest.raises(ValueError, match=says):
        metric(**settings)


def test_metric_can_be_used_again():
    metric = OccMetric()
    first = evaluate([make_sample(0)], metric)
    evaluate([make_sample(1)], metric)
    assert evaluate([make_sample(0)], metric) == first


def test_memory_does_not_grow_with_the_number_of_frames():
    metric = OccMetric()
    sample = make_sample().to_dict()
    metric.process(None, [sample])
    before = metric._settled.join(metric._latest).total.nbytes
    metric.process(None, [sample] * 50)
    assert metric._settled.total.nbytes == before
    assert metric.results == []


def _evaluate_share(rank, samples, folder, results):
    """One of two processes: every second frame, padded to equal shares."""
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2
    )
    share = samples[rank::2]
    if len(share) < (len(samples) + 1) // 2:
        share = [*share, samples[0]]
    metrics = all_metrics()
    for metric in metrics:
        metric.collect_dir = f'{folder}/{metric.prefix}'
    evaluator = Evaluator(metrics)
    evaluator.process(share)
    results.put(evaluator.evaluate(len(samples)))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize('frames', [1, 4, 5])
def test_two_processes_equal_one(frames, tmp_path):
    samples = [make_sample(seed) for seed in range(frames)]
    alone = evaluate(samples, all_metrics())
    context = mp.get_context('fork')
    results = context.Queue()
    workers = [
        context.Process(
            target=_evaluate_share, args=(rank, samples, tmp_path, results)
        )
        for rank in range(2)
    ]
    for worker in workers:
        worker.start()
    both = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    for result in both:
        assert result == pytest.approx(alone, rel=1e-12)


def test_order_of_frames_does_not_matter():
    samples = [make_sample(seed) for seed in range(6)]
    for name in NAMES:
        metric = METRICS.build({'type': name})
        forward = evaluate(samples, metric)
        assert evaluate(samples[::-1], metric) == pytest.approx(
            forward, rel=1e-12
        )
    assert np.isfinite(list(forward.values())).all()
