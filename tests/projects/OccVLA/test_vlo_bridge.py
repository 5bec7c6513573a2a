"""The bridge: what depends on what, and what is computed once."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from mmocc.models.bridges import greedy_decode
from mmocc.registry import MODELS
from mmocc.structures.tokens import IGNORE_LABEL, TextBatch

COMPONENTS = Path(__file__).parents[3] / 'configs/_base_/components'
BATCH, VIEWS, QUERIES = 2, 6, 9
EOS = 1


def build_bridge(softcap=None, **options):
    torch.manual_seed(0)
    vlm = Config.fromfile(COMPONENTS / 'paligemma2-tiny.py').vlm
    vlm.config.text_config.attn_logit_softcapping = softcap
    return MODELS.build(dict(type='VLOBridge', vlm=vlm, **options)).eval()


def ragged_text(bridge):
    """Two texts for the first frame, one for the second."""
    generator = torch.Generator().manual_seed(1)
    ids = [
        [torch.randint(5, 300, (n,), generator=generator) for n in lengths]
        for lengths in ((7, 4), (5,))
    ]
    labels = [[torch.cat([t[:2] * 0 - 100, t[2:]]) for t in f] for f in ids]
    return TextBatch.pad(ids, labels, torch.device('cpu'))


@pytest.fixture(scope='module')
def inputs():
    generator = torch.Generator().manual_seed(2)
    imgs = torch.randn(BATCH, VIEWS, 3, 96, 96, generator=generator)
    queries = torch.randn(BATCH, QUERIES, 128, generator=generator)
    return imgs, queries


@pytest.mark.parametrize('softcap', [None, 50.0])
@torch.no_grad()
def test_text_is_unchanged_by_queries(inputs, softcap):
    imgs, queries = inputs
    bridge = build_bridge(softcap)
    scene, text = bridge.embed_images(imgs), ragged_text(bridge)
    without = bridge(scene, text)
    with_queries = bridge(scene, text, queries)
    logits = [bridge.vlm.logits(o.text) for o in (without, with_queries)]
    torch.testing.assert_close(*logits, atol=1e-5, rtol=0)

    answers = []
    for present in (None, queries):
        _, memory = bridge.remember(scene, present)
        answers.append(
            greedy_decode(bridge, memory, text.input_ids, text.valid, EOS, 12)
        )
    assert answers[0] == answers[1]
    assert any(len(a) > 0 for frame in answers[0] for a in frame)


def test_queries_never_see_text(inputs):
    imgs, queries = inputs
    bridge = build_bridge()
    scene, text = bridge.embed_images(imgs).detach(), ragged_text(bridge)
    with torch.no_grad():
        alone = bridge(scene, None, queries).queries
        beside = bridge(scene, text, queries).queries
    torch.testing.assert_close(alone, beside, atol=1e-5, rtol=0)
    # Nor each other: the gradient of one query with respect to another is 0.
    queries = queries.clone().requires_grad_()
    bridge(scene, text, queries).queries[:, 3].sum().backward()
    moved = queries.grad.abs().sum(dim=(0, 2)) > 0
    assert moved.tolist() == [i == 3 for i in range(QUERIES)]


def test_occupancy_gradient_reaches_the_vision_tower(inputs):
    imgs, queries = inputs
    bridge = build_bridge()
    out = bridge(bridge.embed_images(imgs), ragged_text(bridge), queries)
    out.queries.square().sum().backward()
    vision = bridge.vlm.hf.model.vision_tower
    weight = vision.embeddings.patch_embedding.weight
    assert weight.grad.abs().max() > 0


@torch.no_grad()
def test_text_may_see_queries_as_an_ablation(inputs):
    imgs, queries = inputs
    bridge = build_bridge(text_attends_queries=True)
    scene, text = bridge.embed_images(imgs), ragged_text(bridge)
    a = bridge(scene, text, queries).text
    b = bridge(scene, text, queries + 1).text
    assert not torch.allclose(a, b, atol=1e-4)
    with pytest.raises(ValueError, match='cannot be left out'):
        bridge.remember(scene)


@torch.no_grad()
def test_reading_in_pieces_equals_one_pass(inputs):
    imgs, _ = inputs
    bridge = build_bridge(softcap=50.0)
    scene, text = bridge.embed_images(imgs), ragged_text(bridge)
    whole = bridge(scene, text).text
    _, memory = bridge.remember(scene)
    pieces = [
        bridge.read(memory, ids, valid)
        for ids, valid in zip(
            text.input_ids.split(3, -1), text.valid.split(3, -1), strict=True
        )
    ]
    pieces = torch.cat(pieces, dim=2)
    torch.testing.assert_close(
        whole[text.valid], pieces[text.valid], atol=1e-5, rtol=0
    )


@torch.no_grad()
def test_with_one_image_position_order_is_told_by_content_alone(inputs):
    imgs, queries = inputs
    for shared in (True, False):
        bridge = build_bridge(shared_image_position=shared)
        scene, text = bridge.embed_images(imgs), ragged_text(bridge)
        first = bridge(scene, text, queries)
        second = bridge(scene.flip(1), text, queries)
        same = [
            torch.allclose(a, b, atol=1e-4)
            for a, b in (
                (first.image.flip(1), second.image),
                (first.text, second.text),
                (first.queries, second.queries),
            )
        ]
        assert same == [shared] * 3
    # Reading in pieces goes on from the same positions.
    bridge = build_bridge(shared_image_position=True)
    whole = bridge(scene, text).text
    _, memory = bridge.remember(scene)
    pieces = bridge.read(memory, text.input_ids, text.valid)
    torch.testing.assert_close(
        whole[text.valid], pieces[text.valid], atol=1e-5, rtol=0
    )


@torch.no_grad()
def test_questions_and_frames_do_not_mix(inputs):
    """A batch of ragged questions answers as each question alone does."""
    imgs, _ = inputs
    bridge = build_bridge()
    scene, text = bridge.embed_images(imgs), ragged_text(bridge)
    _, memory = bridge.remember(scene)
    together = greedy_decode(
        bridge, memory, text.input_ids, text.valid, EOS, 8
    )
    for b in range(BATCH):
        for n in range(text.input_ids.shape[1]):
            keep = text.valid[b, n]
            if not keep.any():
                assert together[b][n] == []
                continue
            _, memory = bridge.remember(scene[b : b + 1])
            ids = text.input_ids[b, n][keep][None, None]
            alone = greedy_decode(
                bridge, memory, ids, torch.ones_like(ids).bool(), EOS, 8
            )
            assert together[b][n] == alone[0][0]


@torch.no_grad()
def test_text_loss_is_the_mean_over_supervised_tokens(inputs):
    imgs, _ = inputs
    bridge = build_bridge()
    scene, text = bridge.embed_images(imgs), ragged_text(bridge)
    hidden = bridge(scene, text).text
    logits = bridge.vlm.logits(hidden).log_softmax(-1)
    losses = []
    for b, n, t in torch.nonzero(text.labels != IGNORE_LABEL).tolist():
        target = text.input_ids[b, n, t]
        losses.append(-logits[b, n, t - 1, target])
    expected = torch.stack(losses).mean()
    torch.testing.assert_close(bridge.text_loss(hidden, text), expected)


def test_wrong_number_of_cameras_is_refused(inputs):
    with pytest.raises(ValueError, match='got 4 cameras'):
        build_bridge().embed_images(inputs[0][:, :4])


def test_wrong_image_size_is_refused(inputs):
    with pytest.raises(ValueError, match='expected images of shape'):
        build_bridge().embed_images(inputs[0][..., :90])
