"""The metrics that look beyond a frame: rays, forecasts, obstacles, texts."""

import multiprocessing
import sys

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement

from mmocc.evaluation.functional import (
    CaptionPair,
    MissingScorerError,
    caption_scores,
    forecast_histograms,
    forecast_scores,
    ray_counts,
    ray_scores,
)
from mmocc.evaluation.metrics import (
    CaptionMetric,
    ForecastMetric,
    PlanCollisionMetric,
    RayIoUMetric,
    caption_metric,
)
from mmocc.structures import DrivingQA, OccDataSample

CAR, ROAD, FREE = 4, 11, 17
WORDS = 'a red car waits at the light and two trucks pass by'.split()


def occ_sample(token: str, seed: int) -> OccDataSample:
    """A road with a wall on it, and a prediction that is off by two."""
    sample = OccDataSample(metainfo={'token': token})
    truth = torch.full((200, 200, 16), FREE, dtype=torch.uint8)
    truth[:, :, 0] = ROAD
    truth[110 + seed, 80:120, 1:6] = CAR
    sample.gt_occ = BaseDataElement(semantics=truth)
    sample.pred_occ = BaseDataElement(semantics=truth.roll(2, 0))
    return sample


def future_sample(
    token: str, seed: int, valid: int = 6, shape: tuple = (3, 3, 2)
) -> OccDataSample:
    rng = torch.Generator().manual_seed(seed)

    def ids(*size: int) -> torch.Tensor:
        return torch.randint(0, 18, size, generator=rng).to(torch.uint8)

    sample = OccDataSample(metainfo={'token': token})
    sample.gt_occ = BaseDataElement(
        semantics=ids(*shape),
        future_semantics=ids(6, *shape),
        future_valid=torch.arange(6) < valid,
    )
    sample.pred_occ = BaseDataElement(future_semantics=ids(6, *shape))
    return sample


def plan_sample(token: str, left: float, valid: int = 6) -> OccDataSample:
    """A plan parallel to the true path of ``conftest.py``."""
    sample = OccDataSample(metainfo={'token': token})
    ahead = 3.0 * torch.arange(1, 7)
    mask = torch.arange(6) < valid
    sample.gt_ego = BaseDataElement(
        fut_trajs=torch.stack((ahead, torch.zeros(6)), -1), fut_masks=mask
    )
    best = torch.stack((ahead, torch.full((6,), left)), -1)
    sample.pred_ego = BaseDataElement(
        trajs=torch.stack((best, torch.zeros(6, 2))),
        scores=torch.tensor([0.9, 0.1]),
    )
    return sample


def text_sample(token: str, seed: int) -> OccDataSample:
    rng = np.random.default_rng(seed)
    said, true = (
        ' '.join(rng.choice(WORDS, rng.integers(3, 9))) for _ in range(2)
    )
    sample = OccDataSample(metainfo={'token': token})
    sample.gt_text = BaseDataElement(
        questions=[
            DrivingQA('Any cars?', 'yes', 'qa', 'exist', 0),
            DrivingQA('Describe.', true, task='caption'),
            DrivingQA('Unknown?', '', task='caption'),
        ]
    )
    sample.pred_text = BaseDataElement(answers=['no', said, 'x'])
    return sample


def evaluate(samples, metric):
    evaluator = Evaluator(metric)
    for sample in samples:
        evaluator.process([sample])
    return evaluator.evaluate(len(samples))


def pairs_of(samples):
    return [
        CaptionPair(s.pred_text.answers[1], s.gt_text.questions[1].answer)
        for s in samples
    ]


def test_ray_iou_casts_from_the_origins_of_the_scene(scene_file):
    samples = [occ_sample('b-0', 0), occ_sample('b-2', 5)]
    result = evaluate(samples, RayIoUMetric(str(scene_file)))
    total = 0
    for sample, index in zip(samples, (0, 2), strict=True):
        # The scene has four frames, 3 m apart.
        origins = [[0.94 + 3 * (k - index), 0, 1.84] for k in range(4)]
        total = total + ray_counts(
            sample.pred_occ.semantics,
            sample.gt_occ.semantics,
            np.float32(origins),
        )
    expected = ray_scores(total)
    assert 0 < expected['RayIoU@1'] < expected['RayIoU@4'] < 100
    for name, value in expected.items():
        # Origins differ by rounding, so a ray or two may end elsewhere.
        assert result[f'ray/{name}'] == pytest.approx(value, abs=0.05)
    assert result['ray/frames'] == 2


def test_ray_iou_of_the_truth_is_100(scene_file):
    sample = occ_sample('b-1', 0)
    sample.pred_occ = sample.gt_occ
    result = evaluate([sample], RayIoUMetric(str(scene_file)))
    assert result['ray/RayIoU'] == result['ray/RayIoU@1_car'] == 100


def test_forecast_and_copy_equal_the_functions():
    samples = [future_sample(f't{seed}', seed) for seed in range(3)]
    for convention in ('occworld', 'sparseworld'):
        result = evaluate(samples, ForecastMetric(convention))
        times = (0.5, 1, 1.5, 2, 2.5, 3)
        said = copied = 0
        for sample in samples:
            truth = sample.gt_occ.future_semantics
            said = said + forecast_histograms(
                sample.pred_occ.future_semantics, truth
            )
            copied = copied + forecast_histograms(
                sample.gt_occ.semantics.expand_as(truth), truth
            )
        expected = forecast_scores(said, times, convention)
        expected |= {
            f'copy_and_paste/{name}': value
            for name, value in forecast_scores(
                copied, times, convention
            ).items()
        }
        counts = {'frames': 3, 'skipped': 0}
        assert result == pytest.approx(
            {f'forecast/{k}': v for k, v in (expected | counts).items()}
        )


def test_forecast_of_three_times_reads_the_right_frames():
    sample = future_sample('t', 0)
    truth = sample.gt_occ.future_semantics
    sample.pred_occ.future_semantics = truth[[1, 3, 5]]
    result = evaluate([sample], ForecastMetric(times_s=(1, 2, 3)))
    assert result['forecast/mIoU_avg'] == result['forecast/IoU_3s'] == 100
    assert 'forecast/mIoU_0.5s' not in result


def test_frames_without_all_labels_are_no_windows():
    samples = [future_sample('a', 0), future_sample('b', 1, valid=5)]
    result = evaluate(samples, ForecastMetric())
    assert (result['forecast/frames'], result['forecast/skipped']) == (1, 1)
    # At 1 and 2 s alone nobody is scored: the average needs 3 s.
    with pytest.raises(ValueError, match=r'with .1.0, 2.0, 3.0. among'):
        ForecastMetric(times_s=(1, 2))


@pytest.mark.parametrize(
    ('convention', 'present'), [('occworld', 4), ('sparseworld', 5)]
)
def test_windows_of_a_convention(convention, present, scene_file):
    """Scene a has 15 frames, so 3 windows; scene b with 4 has none."""
    tokens = [f'a-{i}' for i in range(15)] + [f'b-{i}' for i in range(4)]
    metric = ForecastMetric(convention, ann_file=str(scene_file))
    counted = []
    for token in tokens:
        sample = future_sample(token, 0, shape=(200, 200, 16))
        if metric.measure(sample) is not None:
            counted.append(token)
    assert counted == [f'a-{present + i}' for i in range(3)]


def test_a_world_that_stands_still_is_the_moved_copy(scene_file):
    """A wall 30 m ahead of a car that drives 6 m/s: 6 m nearer each second."""
    walls = torch.full((7, 200, 200, 16), FREE, dtype=torch.uint8)
    for step in range(7):
        # 3 m are 7.5 voxels; every second step is a whole number of them.
        walls[step, 175 - round(7.5 * step), 60:140, 1:6] = CAR
    sample = OccDataSample(metainfo={'token': 'a-5'})
    sample.gt_occ = BaseDataElement(
        semantics=walls[0],
        future_semantics=walls[1:],
        future_valid=torch.ones(6, dtype=torch.bool),
    )
    sample.pred_occ = BaseDataElement(future_semantics=walls[[0, 0, 0]])
    metric = ForecastMetric(times_s=(1, 2, 3), ann_file=str(scene_file))
    result = evaluate([sample], metric)
    assert result['forecast/moved_copy/mIoU_avg'] == 100
    # The prediction is the copy that does not move.
    for name in ('mIoU_1s', 'mIoU_avg', 'IoU_3s'):
        assert result[f'forecast/{name}'] == 0
        assert result[f'forecast/copy_and_paste/{name}'] == 0


def test_poses_end_at_3_s(scene_file):
    times = (1, 2, 3, 4)
    assert ForecastMetric(times_s=times).scenes is None
    with pytest.raises(ValueError, match='ends at 4 s, and info files'):
        ForecastMetric(times_s=times, ann_file=str(scene_file))


@pytest.mark.parametrize(
    ('settings', 'says'),
    [
        ({'convention': 'mine'}, "'mine', expected one of"),
        ({'times_s': (0, 1, 2, 3)}, 'multiples of 0.5 s after now'),
        ({'times_s': (0.7, 1, 2, 3)}, 'multiples of 0.5 s after now'),
    ],
)
def test_bad_forecast_settings_fail_when_built(settings, says):
    with pytest.raises(ValueError, match=says):
        ForecastMetric(**settings)


def test_too_few_labels_name_the_setting():
    sample = future_sample('t', 0)
    sample.gt_occ.future_valid = torch.ones(4, dtype=torch.bool)
    with pytest.raises(ValueError, match=r'frame t: .* num_future to 6'):
        evaluate([sample], ForecastMetric())


def test_collisions_by_hand(scene_file):
    """The parked car stands at 20 m, 3 m left, and is 4.5 m long.

    Ours is 4.08 m long and centred 1.44 m ahead of the ego origin, so the two
    overlap in x from 14.2 m on: at 2.5 s (15 m) and at 3 s (18 m).
    """
    metric = PlanCollisionMetric(
        str(scene_file), presets=('vad', 'omnidrive', 'sparsedrive', 'uniad')
    )
    result = evaluate([plan_sample('a-0', 3.0)], metric)
    for preset in ('vad', 'omnidrive', 'sparsedrive', 'uniad'):
        name = f'collision/{preset}/'
        assert result[f'{name}L2_at_3s'] == pytest.approx(3.0)
        assert result[f'{name}collision_at_2s'] == 0
        assert result[f'{name}collision_at_3s'] == 100
        assert result[f'{name}collision_mean_3s'] == pytest.approx(200 / 6)
        assert result[f'{name}collision_any_3s'] == 100
        assert result[f'{name}truth_collision_any_3s'] == 0
        assert result[f'{name}samples'] == 1


def test_truth_as_plan_is_perfect_under_every_preset(scene_file):
    presets = (
        'l2', 'uniad', 'vad', 'occworld', 'stp3_admlp', 'omnidrive',
        'bevplanner', 'sparsedrive',
    )  # fmt: skip
    metric = PlanCollisionMetric(str(scene_file), presets)
    result = evaluate([plan_sample(f'a-{i}', 0.0) for i in range(9)], metric)
    for preset in presets:
        name = f'collision/{preset}/'
        assert result[f'{name}L2_mean_avg'] == 0
        if preset != 'l2':
            assert result[f'{name}collision_any_avg'] == 0
    counts = {p: result[f'collision/{p}/samples'] for p in presets}
    # Frames 0 .. 8 are complete; 2 .. 8 have two behind them, 5 .. 7 five
    # behind and seven ahead.
    assert counts == dict.fromkeys(presets, 9) | {
        'stp3_admlp': 7,
        'occworld': 3,
    }


def test_incomplete_futures_follow_the_preset(scene_file):
    samples = [plan_sample('a-0', 4.0), plan_sample('a-10', 4.0, valid=4)]
    metric = PlanCollisionMetric(str(scene_file), ('l2', 'uniad'))
    result = evaluate(samples, metric)
    assert result['collision/l2/samples'] == 1
    assert result['collision/l2/L2_at_3s'] == pytest.approx(4)
    assert result['collision/uniad/samples'] == 2
    assert result['collision/uniad/L2_at_3s'] == pytest.approx(2)
    assert result['collision/uniad/L2_at_2s'] == pytest.approx(4)


def test_subsets_are_given_where_they_are_asked_for(scene_file):
    metric = PlanCollisionMetric(
        str(scene_file), ('l2',), ('all', 'non_straight')
    )
    result = evaluate([plan_sample('a-0', 0.0)], metric)
    assert result['collision/l2/samples'] == 1
    assert result['collision/l2/non_straight/samples'] == 0


@pytest.mark.parametrize(
    ('settings', 'says'),
    [
        ({'presets': ('mine',)}, "'mine', expected one of"),
        ({'presets': ()}, 'at least one'),
        ({'subsets': ('left',)}, 'expected some of'),
    ],
)
def test_bad_plan_settings_fail_when_built(settings, says, scene_file):
    with pytest.raises(ValueError, match=says):
        PlanCollisionMetric(str(scene_file), **settings)


def test_plans_of_another_shape_name_the_frame(scene_file):
    sample = plan_sample('a-0', 0.0)
    sample.pred_ego.trajs = sample.pred_ego.trajs[:, :4]
    with pytest.raises(ValueError, match=r'frame a-0: .*shape \(2, 4, 2\)'):
        evaluate([sample], PlanCollisionMetric(str(scene_file)))


def test_nan_plans_name_the_frame(scene_file):
    sample = plan_sample('a-0', float('nan'))
    with pytest.raises(ValueError, match=r'frame a-0: .*NaN'):
        evaluate([sample], PlanCollisionMetric(str(scene_file)))


def test_captions_are_scored_together():
    samples = [text_sample(f't{seed}', seed) for seed in range(4)]
    result = evaluate(samples, CaptionMetric())
    expected = caption_scores(pairs_of(samples))
    for name, value in expected.items():
        assert result[f'caption/{name}'] == pytest.approx(value, rel=1e-12)
    assert result['caption/pairs'] == 4
    halves = [caption_scores(pairs_of(p)) for p in (samples[:2], samples[2:])]
    mean = sum(half['CIDEr'] for half in halves) / 2
    assert abs(mean - expected['CIDEr']) > 0.01


def test_meteor_is_given_only_if_asked_for(monkeypatch):
    monkeypatch.setattr(caption_metric, 'meteor', lambda pairs: 0.5)
    samples = [text_sample('t', 0)]
    assert 'caption/METEOR' not in evaluate(samples, CaptionMetric())
    result = evaluate(samples, CaptionMetric(with_meteor=True))
    assert result['caption/METEOR'] == 0.5


def test_meteor_without_nltk_is_an_error(monkeypatch):
    monkeypatch.setitem(sys.modules, 'nltk', None)
    with pytest.raises(MissingScorerError, match='pip install'):
        evaluate([text_sample('t', 0)], CaptionMetric(with_meteor=True))


def test_answers_must_match_the_questions():
    sample = text_sample('t', 0)
    sample.pred_text.answers = ['yes']
    with pytest.raises(ValueError, match='1 answers for 3 questions'):
        evaluate([sample], CaptionMetric())
    with pytest.raises(ValueError, match="'words', expected one of"):
        CaptionMetric('words')


MAKERS = {
    RayIoUMetric: occ_sample,
    ForecastMetric: future_sample,
    PlanCollisionMetric: plan_sample,
    CaptionMetric: text_sample,
}


def make_all(count):
    """Samples that carry what all four metrics read."""
    made = []
    for seed in range(count):
        token = f'a-{4 + seed}'
        sample = occ_sample(token, seed)
        future = future_sample(token, seed, shape=(200, 200, 16))
        for side in ('gt_occ', 'pred_occ'):
            for key, value in getattr(future, side).items():
                if key.startswith('future'):
                    getattr(sample, side).set_field(value, key)
        plan, text = plan_sample(token, seed), text_sample(token, seed)
        sample.gt_ego, sample.pred_ego = plan.gt_ego, plan.pred_ego
        sample.gt_text, sample.pred_text = text.gt_text, text.pred_text
        made.append(sample)
    return made


def build_all(scene_file):
    return [
        RayIoUMetric(scene_file),
        ForecastMetric(times_s=(1, 2, 3), ann_file=scene_file),
        PlanCollisionMetric(scene_file, ('vad', 'bevplanner')),
        CaptionMetric(),
    ]


def shared_samples(count):
    samples = make_all(count)
    for sample in samples:
        sample.pred_occ.future_semantics = sample.pred_occ.future_semantics[
            [1, 3, 5]
        ]
    return samples


@pytest.mark.parametrize('name', list(MAKERS))
def test_order_of_frames_does_not_matter(name, scene_file):
    index = list(MAKERS).index(name)
    samples = [MAKERS[name](f'b-{seed}', seed) for seed in range(4)]
    found = []
    for order in ([0, 1, 2, 3], [2, 0, 3, 1]):
        metric = build_all(str(scene_file))[index]
        if name is ForecastMetric:
            metric = ForecastMetric()
        found.append(evaluate([samples[i] for i in order], metric))
    assert found[0] == pytest.approx(found[1], rel=1e-12)
    assert len(found[0]) > 2


@pytest.mark.parametrize('name', list(MAKERS))
def test_frames_without_truth_are_skipped(name, scene_file):
    index = list(MAKERS).index(name)
    metric = build_all(str(scene_file))[index]
    bare = OccDataSample(metainfo={'token': 'a-0'})
    assert evaluate([bare], metric) == {
        f'{metric.prefix}/frames': 0,
        f'{metric.prefix}/skipped': 1,
    }


@pytest.mark.parametrize(
    ('name', 'field'),
    [
        (RayIoUMetric, 'pred_occ'),
        (ForecastMetric, 'pred_occ'),
        (PlanCollisionMetric, 'pred_ego'),
        (CaptionMetric, 'pred_text'),
    ],
)
def test_missing_prediction_names_frame_and_way_out(name, field, scene_file):
    sample = MAKERS[name]('a-5', 0)
    delattr(sample, field)
    metric = build_all(str(scene_file))[list(MAKERS).index(name)]
    with pytest.raises(
        ValueError,
        match=rf'frame a-5: "{field}\..*take {name.__name__} out',
    ):
        evaluate([sample], metric)


def run_share(rank, scene_file, folder, results):
    """One of two processes: its share of five frames, padded."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/meet', rank=rank, world_size=2
    )
    samples = shared_samples(5)
    share = samples[rank::2]
    if len(share) < 3:
        share = [*share, samples[0]]
    metrics = build_all(scene_file)
    for metric in metrics:
        metric.collect_dir = f'{folder}/{metric.prefix}'
    evaluator = Evaluator(metrics)
    for sample in share:
        evaluator.process([sample])
    scores = evaluator.evaluate(len(samples))
    # Casting rays on all cores leaves torch's own threads alone.
    results.put((scores, torch.get_num_threads()))
    torch.distributed.destroy_process_group()


def test_two_processes_equal_one(scene_file, tmp_path, monkeypatch):
    """From a clean server: rays are cast by threads, which forks break."""
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['mmocc.evaluation.metrics'])
    results = context.Queue()
    workers = [
        context.Process(
            target=run_share,
            args=(rank, str(scene_file), str(tmp_path), results),
        )
        for rank in range(2)
    ]
    for worker in workers:
        worker.start()
    alone = evaluate(shared_samples(5), build_all(str(scene_file)))
    for name in ('ray/frames', 'caption/pairs'):
        assert alone[name] == 5
    # Frames 5, 6 and 7 of 4 .. 8 are windows.
    assert alone['forecast/frames'] == 3
    assert 'forecast/moved_copy/mIoU_avg' in alone
    for _ in workers:
        scores, threads = results.get(timeout=120)
        assert scores == pytest.approx(alone, rel=1e-12)
        assert threads == 1
    for worker in workers:
        worker.join()
