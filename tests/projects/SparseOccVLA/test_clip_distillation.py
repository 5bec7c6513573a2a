"""What queries learn from a frozen CLIP, and what they do not."""

import copy

import pytest
import torch
from mmdet3d.models import Det3DDataPreprocessor
from mmengine.model import BaseDataPreprocessor
from mmengine.optim import build_optim_wrapper
from mmengine.runner import save_checkpoint
from sparseoccvla_samples import (
    FRAMES,
    SIZE,
    VIEWS,
    build_model,
    make_batch,
)
from test_sparse_occ_vla import STAGES, gradients, occupied, predict
from torch.distributed import destroy_process_group, init_process_group
from torch.nn.parallel import DistributedDataParallel

from mmocc.apis.weights import load_weights
from mmocc.projects.SparseOccVLA.sparseoccvla.clip_distillation import (
    read_key_frame,
    to_rgb,
)
from mmocc.structures.sparse_occ import SparseOccFeatures

PATCH = 8
ROWS, COLUMNS = SIZE[0] // PATCH, SIZE[1] // PATCH
DIMS = 16  # of the teacher
TINY_TEACHER = dict(
    type='CLIPVisionTeacher',
    config=dict(
        hidden_size=DIMS,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=PATCH,
    ),
)
SWITCH = dict(
    distillation=dict(
        type='CLIPDistillation', embed_dims=32, teacher=TINY_TEACHER
    )
)
# Metres in the ego frame of the hand-made cameras, whose focal length is
# 0.7 * 96 = 67.2 pixels. Camera 0 stands at (1, 0, 1.5) and looks ahead: the
# place is 10 m deep, 1 m left of its axis and 1 m below it, at
# u = 48 - 6.72 = 41.28, v = 32 + 6.72 = 38.72.
AHEAD = (11.0, 1.0, 0.5)
# Straight above the car: out of every image.
ABOVE = (0.0, 0.0, 50.0)
BEHIND = (-9.0, 0.0, 1.5)  # on the axis of camera 3


def build(anchors, stage=1, **options):
    change = dict(distillation={**SWITCH['distillation'], **options})
    return build_model(anchors, STAGES[stage], change)


def cameras(batch=1):
    """(B, V, 4, 4) of the key frame."""
    _, samples = make_batch(batch)
    inverse = [torch.tensor(s.cam2ego).inverse()[:VIEWS] for s in samples]
    matrices = torch.stack(inverse).float()
    for matrix, sample in zip(matrices, samples, strict=True):
        matrix[:, :3] = (
            torch.tensor(sample.cam2img).float()[:VIEWS] @ (matrix[:, :3])
        )
    return matrices


def scene(features, centres):
    """What the loss reads of an encoder's output."""
    return SparseOccFeatures(features, centres, centres, [], centres)


def distil(module, places, features=None):
    """Loss of queries at places of one frame, and their features."""
    torch.manual_seed(0)
    centres = torch.tensor(places)[None]
    if features is None:
        features = torch.randn(1, len(places), 32, requires_grad=True)
    imgs = torch.rand(1, VIEWS, 3, *SIZE) * 255
    loss = module(scene(features, centres), imgs, cameras(), 'central')
    return loss, features


@pytest.fixture(scope='module')
def module(anchors):
    return build(anchors).distillation


class TestReading:
    def read(self, maps, place, view_choice='central'):
        return read_key_frame(
            maps, torch.tensor([[place]]), cameras(), SIZE, view_choice
        )

    def test_the_four_patches_around_a_pixel(self):
        """u / 8 - 0.5 = 4.66 and v / 8 - 0.5 = 4.34: patches 4 and 5."""
        one_hot = torch.eye(ROWS * COLUMNS).unflatten(1, (ROWS, COLUMNS))
        maps = torch.zeros(1, VIEWS, *one_hot.shape)
        maps[:, 0] = one_hot
        read, seen = self.read(maps, AHEAD)
        weights = read.view(ROWS, COLUMNS)
        expected = torch.zeros(ROWS, COLUMNS)
        expected[4, 4] = 0.66 * 0.34
        expected[4, 5] = 0.66 * 0.66
        expected[5, 4] = 0.34 * 0.34
        expected[5, 5] = 0.34 * 0.66
        assert seen.item()
        torch.testing.assert_close(weights, expected, rtol=0, atol=1e-4)

    @pytest.mark.parametrize('patch', [8, 16])
    def test_patch_centres_are_read_as_pixels(self, patch):
        """Of whatever size patches are."""
        rows, columns = SIZE[0] // patch, SIZE[1] // patch
        v, u = torch.meshgrid(
            (torch.arange(rows) + 0.5) * patch,
            (torch.arange(columns) + 0.5) * patch,
            indexing='ij',
        )
        maps = torch.stack([u, v]).expand(1, VIEWS, -1, -1, -1)
        read, _ = self.read(maps, AHEAD)
        torch.testing.assert_close(
            read[0, 0], torch.tensor([41.28, 38.72]), rtol=0, atol=1e-3
        )

    def test_each_place_reads_the_camera_that_looks_there(self):
        which = torch.arange(1.0, VIEWS + 1)[None, :, None, None, None]
        maps = which.expand(1, VIEWS, 1, ROWS, COLUMNS)
        for place, camera in ((AHEAD, 0), (BEHIND, 3)):
            read, seen = self.read(maps, place)
            assert seen.item() and read.item() == pytest.approx(1 + camera)
        read, seen = self.read(maps, ABOVE)
        assert not seen.item() and read.item() == 0

    def test_the_choice_of_camera_is_the_encoders(self, anchors, monkeypatch):
        """28 degrees left, cameras 0 and 2 see it; camera 0 comes first."""
        angle = torch.deg2rad(torch.tensor(28.0))
        place = (
            (1 + 20 * angle.cos()).item(),
            (20 * angle.sin()).item(),
            1.5,
        )
        which = torch.arange(VIEWS)[None, :, None, None, None].float()
        maps = which.expand(1, VIEWS, 1, ROWS, COLUMNS)
        for choice, camera in (('central', 2), ('first', 0)):
            assert self.read(maps, place, choice)[0].item() == camera
        for choice in ('central', 'first'):
            model = build_model(
                anchors,
                STAGES[1],
                SWITCH,
                dict(encoder=dict(view_choice=choice)),
            )
            handed = []
            monkeypatch.setattr(
                model.distillation,
                'forward',
                lambda *args, handed=handed: handed.append(args[-1]),
            )
            model._distil(None, *_images_and_samples())
            assert handed == [choice]


def _images_and_samples():
    inputs, samples = make_batch(1)
    return inputs['imgs'], samples


class TestColours:
    MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]

    @pytest.mark.parametrize(
        'options',
        [
            dict(mean=MEAN, std=STD, bgr_to_rgb=True),
            dict(mean=MEAN, std=STD),
            dict(bgr_to_rgb=True),
            {},
        ],
        ids=str,
    )
    def test_what_the_preprocessor_did_is_undone(self, options):
        preprocessor = Det3DDataPreprocessor(**options)
        loaded = torch.randint(256, (2, 3, 8, 12), dtype=torch.uint8)  # BGR
        done = preprocessor(dict(inputs=dict(img=[loaded])))
        rgb = to_rgb(done['inputs']['imgs'], preprocessor)[0]
        torch.testing.assert_close(
            rgb, loaded[:, [2, 1, 0]].float(), rtol=0, atol=1e-4
        )

    def test_no_preprocessing_leaves_bgr(self):
        imgs = torch.rand(1, 2, 3, 4, 4)
        rgb = to_rgb(imgs, BaseDataPreprocessor())
        assert torch.equal(rgb, imgs[:, :, [2, 1, 0]])

    def test_the_teacher_sees_the_key_frame(self, anchors, monkeypatch):
        model = build(anchors)
        given = torch.randint(
            256, (FRAMES * VIEWS, 3, *SIZE), dtype=torch.uint8
        )
        _, samples = make_batch(1)
        data = dict(inputs=dict(img=[given]), data_samples=samples)
        batch = model.data_preprocessor(data, True)
        looked = []
        monkeypatch.setattr(
            type(model.distillation.teacher),
            'forward',
            lambda self, imgs: (
                looked.append(imgs)
                or torch.ones(*imgs.shape[:2], DIMS, ROWS, COLUMNS)
            ),
        )
        model(**batch, mode='loss')
        torch.testing.assert_close(
            looked[0][0],
            given[:VIEWS, [2, 1, 0]].float(),
            rtol=0,
            atol=1e-3,
        )


class TestLoss:
    def test_the_same_direction_costs_nothing(self, module, monkeypatch):
        """And the opposite one 2, whatever the lengths."""
        monkeypatch.setattr(
            type(module.teacher),
            'forward',
            lambda self, imgs: (
                torch.arange(1.0, DIMS + 1)
                .view(1, 1, -1, 1, 1)
                .expand(1, VIEWS, DIMS, ROWS, COLUMNS)
            ),
        )
        twin = copy.deepcopy(module)
        twin.head.weight.data.zero_()
        for factor, expected in ((3.0, 0.0), (-0.1, 2.0)):
            twin.head.bias.data = factor * torch.arange(1.0, DIMS + 1)
            loss, _ = distil(twin, [AHEAD, BEHIND])
            assert loss.item() == pytest.approx(expected, abs=1e-6)

    def test_queries_that_no_camera_sees_do_not_count(self, module):
        alone, _ = distil(module, [AHEAD])
        torch.manual_seed(0)
        features = torch.randn(1, 3, 32)
        features[0, 1:] = 7.0
        features.requires_grad_()
        both, _ = distil(module, [AHEAD, ABOVE, ABOVE], features)
        first, _ = distil(module, [AHEAD], features[:, :1])
        assert alone > 0
        torch.testing.assert_close(both, first)
        both.backward()
        assert features.grad[0, 0].abs().sum() > 0
        assert features.grad[0, 1:].abs().sum() == 0

    def test_a_frame_that_sees_none_costs_zero(self, module):
        twin = copy.deepcopy(module)
        loss, features = distil(twin, [ABOVE] * 3)
        assert loss.item() == 0
        loss.backward()
        for gradient in (
            features.grad,
            twin.head.weight.grad,
            twin.head.bias.grad,
        ):
            assert gradient is not None and gradient.abs().sum() == 0

    def test_the_weight_is_a_factor(self, anchors):
        inputs, samples = make_batch(1)
        once, thrice = (
            build(anchors, loss_weight=weight).eval()(inputs, samples, 'loss')
            for weight in (1.0, 3.0)
        )
        torch.testing.assert_close(
            3 * once['loss_distill'], thrice['loss_distill']
        )

    def test_a_batch_of_two_is_the_mean_of_two_of_one(self, anchors):
        model = build(anchors).eval()
        inputs, samples = make_batch(2)
        # The second frame's cameras look away, so fewer queries count.
        turned = samples[1].cam2ego.copy()
        turned[1:VIEWS] = turned[0]
        samples[1].set_metainfo(dict(cam2ego=turned))
        both = model(inputs, samples, 'loss')['loss_distill']
        alone = [
            model(
                dict(imgs=inputs['imgs'][i : i + 1]),
                samples[i : i + 1],
                'loss',
            )['loss_distill']
            for i in range(2)
        ]
        assert alone[0] != alone[1]
        torch.testing.assert_close(both, sum(alone) / 2, rtol=1e-4, atol=1e-5)

    def test_gradients_reach_the_encoder_and_not_the_teacher(self, anchors):
        model = build(anchors).train()
        losses = model(*make_batch(1), 'loss')
        reached = gradients(model, losses['loss_distill'])
        assert {'distillation.head.weight', 'distillation.head.bias'} <= (
            reached
        )
        for part in ('backbone', 'neck', 'encoder'):
            assert any(name.startswith(part) for name in reached), part
        teacher = model.distillation.teacher
        assert all(weight.grad is None for weight in teacher.parameters())
        assert not any(part.training for part in teacher.modules())

    def test_a_head_learns_what_the_teacher_says(self, module):
        twin = copy.deepcopy(module)
        optimizer = torch.optim.Adam(twin.head.parameters(), lr=0.02)
        losses = []
        for _ in range(20):
            loss, _ = distil(twin, [AHEAD, BEHIND])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.1 < 0.5 < losses[0]

    def test_places_get_no_gradient(self, module):
        centres = torch.tensor([[AHEAD]], requires_grad=True)
        features = torch.randn(1, 1, 32, requires_grad=True)
        imgs = torch.rand(1, VIEWS, 3, *SIZE) * 255
        module(scene(features, centres), imgs, cameras(), 'central').backward()
        assert centres.grad is None and features.grad is not None


class TestTeacherIsNoPart:
    def test_weights_of_the_model_are_the_heads_alone(self, anchors):
        plain = build_model(anchors, STAGES[1])
        model = build(anchors)
        head = {'distillation.head.weight', 'distillation.head.bias'}
        assert set(model.state_dict()) - set(plain.state_dict()) == head
        assert {n for n, _ in model.named_parameters()} - {
            n for n, _ in plain.named_parameters()
        } == head
        assert not any('teacher' in n for n, _ in model.named_modules())

    def test_checkpoints_fit_with_and_without(self, anchors, tmp_path):
        """Strictly to resume; to infer, the head is left out."""
        model = build(anchors)
        path = tmp_path / 'epoch_1.pth'
        save_checkpoint(dict(state_dict=model.state_dict()), str(path))
        saved = torch.load(path, weights_only=True)['state_dict']
        build(anchors).load_state_dict(saved, strict=True)
        plain = build_model(anchors, STAGES[1], awake=False)
        load_weights(plain, path)
        for name, value in plain.state_dict().items():
            assert torch.equal(value, saved[name]), name

    def test_it_follows_the_images_to_their_device(self, module, monkeypatch):
        asked, move = [], module.teacher.to
        monkeypatch.setattr(
            module.teacher, 'to', lambda to: asked.append(to) or move(to)
        )
        distil(module, [AHEAD])
        assert asked == [torch.device('cpu')]

    @pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
    def test_it_learns_on_a_gpu(self, anchors):
        model = build(anchors).cuda().train()
        inputs, samples = make_batch(1)
        inputs = dict(imgs=inputs['imgs'].cuda())
        loss = model(inputs, samples, 'loss')['loss_distill']
        loss.backward()
        assert torch.isfinite(loss)
        assert next(model.distillation.teacher.parameters()).is_cuda

    def test_ddp_goes_on_after_a_frame_that_sees_none(self, anchors, tmp_path):
        """Every weight takes part in every step, or DDP would complain."""
        init_process_group(
            'gloo', f'file://{tmp_path}/meet', world_size=1, rank=0
        )
        try:
            model = DistributedDataParallel(build(anchors).train())
            for blind in (True, False):
                inputs, samples = make_batch(1)
                if blind:
                    away = samples[0].cam2ego.copy()
                    away[:, 2, 3] += 1e4  # metres above the ground
                    samples[0].set_metainfo(dict(cam2ego=away))
                losses = model(inputs, samples, 'loss')
                assert (losses['loss_distill'].item() == 0) == blind
                sum(losses.values()).backward()
        finally:
            destroy_process_group()


@pytest.mark.parametrize('stage', STAGES)
def test_predictions_are_the_same_with_it(anchors, stage):
    plain = build_model(anchors, STAGES[stage]).eval()
    model = build(anchors, stage).eval()
    missing = model.load_state_dict(plain.state_dict(), strict=False)
    assert len(missing.missing_keys) == 2 and not missing.unexpected_keys

    def never(*args):
        raise AssertionError('the teacher ran at inference')

    model.distillation.teacher.forward = never
    inputs, samples = make_batch(1)
    [before] = predict(plain, inputs, samples)
    [after] = predict(model, inputs, samples)
    assert occupied(before) > 0
    assert torch.equal(before.pred_occ.semantics, after.pred_occ.semantics)
    if stage > 1:
        assert before.pred_text.answers == after.pred_text.answers
    if stage > 2:
        assert torch.equal(before.pred_ego.trajs, after.pred_ego.trajs)


def test_two_steps_move_the_student_and_not_the_teacher(anchors):
    model = build(anchors).train()
    optim_wrapper = build_optim_wrapper(
        model,
        dict(
            type='OptimWrapper',
            optimizer=dict(type='AdamW', lr=1e-3),
            clip_grad=dict(max_norm=35.0),
        ),
    )
    teacher = list(model.distillation.teacher.parameters())
    student = list(model.distillation.head.parameters())
    before = [weight.clone() for weight in (*teacher, *student)]
    optimized = {
        id(weight)
        for group in optim_wrapper.param_groups
        for weight in group['params']
    }
    assert optimized == {id(weight) for weight in model.parameters()}
    assert not optimized & {id(weight) for weight in teacher}

    def step():
        _, samples = make_batch(1)
        generator = torch.Generator().manual_seed(0)
        shape = (FRAMES * VIEWS, 3, *SIZE)
        imgs = torch.randint(256, shape, generator=generator).byte()
        data = dict(inputs=dict(img=[imgs]), data_samples=samples)
        return model.train_step(data, optim_wrapper)['loss_distill']

    assert all(torch.isfinite(step()) for _ in range(2))
    kept = len(teacher)
    assert all(map(torch.equal, before[:kept], teacher))
    assert not any(map(torch.equal, before[kept:], student))


def test_a_frozen_encoder_is_not_taught(anchors):
    with pytest.raises(ValueError, match=r'model\.distillation'):
        build_model(anchors, STAGES[2], SWITCH, dict(freeze_encoder=True))
