"""Every point looks at the images where it stands itself."""

import pytest
import torch
from test_sparse_occ_encoder import (
    DIMS,
    FRAMES,
    assert_same,
    build,
    differs,
    make_inputs,
    run,
)
from torch import nn


def awake(encoder):
    """An encoder whose reader has something to say."""
    torch.manual_seed(5)
    for layer in (
        encoder.point_reader.to_logits,
        encoder.point_reader.to_shift,
    ):
        nn.init.normal_(layer.weight)
    return encoder


def test_an_untrained_reader_changes_nothing():
    inputs = make_inputs(batch=2)
    plain = build()
    reading = build(point_reader=dict(hidden_dims=8))
    reading.load_state_dict(plain.state_dict(), strict=False)
    assert_same(run(plain, *inputs), run(reading, *inputs), atol=0)


def test_it_moves_points_by_no_more_than_allowed():
    inputs = make_inputs()
    plain = build()
    reading = awake(build(point_reader=dict(hidden_dims=8, max_shift=0.3)))
    reading.load_state_dict(plain.state_dict(), strict=False)
    before = run(plain, *inputs).layers[-1]
    after = run(reading, *inputs).layers[-1]
    shift = (after.points - before.points).abs()
    assert 0.01 < shift.max() <= 0.3
    assert (after.logits - before.logits).abs().max() > 0.01


def test_it_reads_the_finest_map_of_the_present_frame_alone():
    """Fed by hand: what else the layers read is left out."""
    encoder = awake(build(point_reader=dict(hidden_dims=8)))
    seen = []
    encoder.point_reader.register_forward_hook(
        lambda module, args, out: seen.append((args, out))
    )
    features, ego2img = make_inputs()
    run(encoder, features, ego2img)
    (queries, points, views), expected = seen[0]
    for level, changed in enumerate(views.maps):
        frames = changed.unflatten(0, (1, FRAMES, -1))
        for frame in range(FRAMES):
            maps = [m.clone() for m in views.maps]
            maps[level].unflatten(0, (1, FRAMES, -1))[:, frame] += 1.0
            out = encoder.point_reader(
                queries, points, views._replace(maps=maps)
            )
            same = torch.equal(out.logits, expected.logits)
            assert same == ((level, frame) != (0, 0)), (level, frame)
        assert frames.shape[1] == FRAMES


def test_points_read_what_a_plain_projection_finds():
    encoder = build(point_reader=dict(hidden_dims=8))
    features, ego2img = make_inputs()
    place = torch.tensor([[[[6.0, 0.5, 1.0]]]])  # ahead, seen by camera 0
    # A map whose channels hold the place of each cell.
    height, width = features[0].shape[-2:]
    row, column = torch.meshgrid(
        torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing='ij'
    )
    features[0][:] = 0
    features[0][:, 0, 0], features[0][:, 0, 1] = column, row
    caught = []
    encoder.point_reader.register_forward_pre_hook(
        lambda module, args: caught.append(args[2])
    )
    run(encoder, features, ego2img)
    read = encoder.point_reader._read_pixels(place, caught[0])[0, 0, 0]
    u, v, depth = (ego2img[0, 0] @ torch.tensor([6.0, 0.5, 1.0, 1.0]))[:3]
    assert read.shape == (DIMS,)
    # The map has a quarter of the image's resolution.
    torch.testing.assert_close(
        read[:2], torch.stack([u, v]) / depth / 4, rtol=0, atol=1e-4
    )


def test_a_batch_of_two_is_two_of_one():
    encoder = awake(build(point_reader=dict(hidden_dims=8)))
    features, ego2img = make_inputs(batch=2)
    both = run(encoder, features, ego2img)
    for i in range(2):
        one = run(
            encoder, [f[i : i + 1] for f in features], ego2img[i : i + 1]
        )
        torch.testing.assert_close(
            one.layers[-1].logits[0],
            both.layers[-1].logits[i],
            atol=1e-5,
            rtol=0,
        )


def test_it_learns_from_the_pixels():
    encoder = awake(build(point_reader=dict(hidden_dims=8)))
    features, ego2img = make_inputs()
    features[0].requires_grad_()
    out = run(encoder, features, ego2img).layers[-1]
    out.logits.sum().backward()
    assert features[0].grad[:, 0].abs().sum() > 0
    assert differs(
        run(encoder, features, ego2img),
        run(encoder, [f.flip(-1) for f in features], ego2img),
    )


def test_unknown_options_are_refused():
    with pytest.raises(TypeError, match='widht'):
        build(point_reader=dict(widht=8))
