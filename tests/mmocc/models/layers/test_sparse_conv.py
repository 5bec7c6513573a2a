# Rewrites spconv's loading of weights, which must not reach ours.
import mmdet3d.models.layers.spconv  # noqa: F401
import pytest
import torch
import torch.nn.functional as F

from mmocc.models.layers import sparse_conv
from mmocc.models.layers.sparse_conv import sparse_ops

SHAPE = (7, 6, 5)
HALF = (4, 3, 3)
IN, OUT = 3, 4
FRAMES = 2
TOLERANCE = 1e-4


def available(name):
    if name == 'spconv':
        pytest.importorskip('spconv', reason='spconv is not installed')
    return sparse_ops(name)


@pytest.fixture
def sites():
    """Half of the voxels of two frames, in any order, (V, 4)."""
    generator = torch.Generator().manual_seed(0)
    every = torch.cartesian_prod(
        torch.arange(FRAMES), *[torch.arange(n) for n in SHAPE]
    )
    order = torch.randperm(len(every), generator=generator)
    return every[order[: len(every) // 2]]


def draw(*shape, seed, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=dtype)


def scatter(features, indices, shape):
    """(V, C) to (B, C, X, Y, Z) with zeros elsewhere."""
    dense = features.new_zeros(FRAMES, *shape, features.shape[1])
    b, x, y, z = indices.long().unbind(1)
    return dense.index_put((b, x, y, z), features).permute(0, 4, 1, 2, 3)


def gather(dense, indices):
    b, x, y, z = indices.long().unbind(1)
    return dense.permute(0, 2, 3, 4, 1)[b, x, y, z]


def to_dense_weight(weight):
    """(C_out, 3, 3, 3, C_in) to (C_out, C_in, 3, 3, 3)."""
    return weight.permute(0, 4, 1, 2, 3)


def sort(features, indices):
    """Rows by place, as backends order new voxels as they like."""
    indices = indices.long()
    shape = (FRAMES, *SHAPE)
    key = indices[:, 0]
    for axis in (1, 2, 3):
        key = key * shape[axis] + indices[:, axis]
    order = key.argsort()
    return features[order], indices[order]


def run_sparse(ops, kind, features, sites, weights):
    """Output rows and voxels; a strided one first where that is inverted."""
    kinds = ['strided', 'inverse'] if kind == 'inverse' else [kind]
    x = ops.tensor(features, sites, SHAPE, FRAMES)
    gradients = []
    for name, weight in zip(kinds, weights, strict=False):
        channels = weight.shape[-1], weight.shape[0]
        conv = getattr(ops, name)(*channels, 'key').to(weight.dtype)
        assert list(conv.state_dict()) == ['weight']
        conv.load_state_dict(dict(weight=weight))
        gradients.append(conv.weight)
        x = conv(x)
    return *sort(x.features, x.indices), gradients


def run_dense(kind, features, sites, weights):
    """The same with PyTorch's convolutions, at the active sites."""
    weights = [w.clone().requires_grad_() for w in weights]
    dense = scatter(features, sites, SHAPE)
    active = scatter(torch.ones(len(sites), 1), sites, SHAPE)
    first = to_dense_weight(weights[0])
    if kind == 'submanifold':
        out = F.conv3d(dense, first, padding=1)
        return *sort(gather(out, sites), sites), weights[:1]
    out = F.conv3d(dense, first, stride=2, padding=1)
    met = F.conv3d(active, torch.ones(1, 1, 3, 3, 3), stride=2, padding=1)
    coarse = (met[:, 0] > 0).nonzero()
    if kind == 'strided':
        return *sort(gather(out, coarse), coarse), weights[:1]
    out = scatter(gather(out, coarse), coarse, HALF)
    padding = [n - (2 * m - 1) for n, m in zip(SHAPE, HALF, strict=True)]
    out = F.conv_transpose3d(
        out,
        to_dense_weight(weights[1]).transpose(0, 1),
        stride=2,
        padding=1,
        output_padding=padding,
    )
    assert tuple(out.shape[2:]) == SHAPE
    return *sort(gather(out, sites), sites), weights


@pytest.mark.parametrize('kind', ['submanifold', 'strided', 'inverse'])
@pytest.mark.parametrize('backend', ['spconv', 'torch'])
def test_it_equals_a_dense_convolution_at_active_sites(backend, kind, sites):
    ops = available(backend)
    weights = [
        draw(OUT, 3, 3, 3, IN, seed=1),
        draw(IN, 3, 3, 3, OUT, seed=2),
    ]
    results = []
    for run in (run_dense, lambda *x: run_sparse(ops, *x)):
        features = draw(len(sites), IN, seed=0).requires_grad_()
        out, where, parameters = run(kind, features, sites, weights)
        (out * draw(*out.shape, seed=3)).sum().backward()
        results.append(
            [out, where, features.grad, *[w.grad for w in parameters]]
        )
    dense, sparse = results
    assert len(dense[0]) > 20
    assert dense[0].abs().max() > 1
    for theirs, ours in zip(dense, sparse, strict=True):
        torch.testing.assert_close(ours, theirs, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize('kind', ['submanifold', 'strided', 'inverse'])
def test_in_double_precision_the_torch_backend_is_exact(kind, sites):
    weights = [
        draw(OUT, 3, 3, 3, IN, seed=1, dtype=torch.float64),
        draw(IN, 3, 3, 3, OUT, seed=2, dtype=torch.float64),
    ]
    features = draw(len(sites), IN, seed=0, dtype=torch.float64)
    ours, where, _ = run_sparse(
        sparse_ops('torch'), kind, features, sites, weights
    )
    theirs, expected, _ = run_dense(kind, features, sites, weights)
    assert torch.equal(where, expected)
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


@pytest.mark.parametrize('backend', ['spconv', 'torch'])
def test_evaluation_equals_training(backend, sites):
    ops = available(backend)
    conv = ops.submanifold(IN, OUT, 'key')
    torch.nn.init.normal_(conv.weight)
    x = ops.tensor(draw(len(sites), IN, seed=0), sites, SHAPE, FRAMES)
    train = conv(x).features
    assert torch.equal(train, conv.eval()(x).features)
    assert train.abs().max() > 1


@pytest.mark.parametrize('backend', ['spconv', 'torch'])
def test_an_empty_set_stays_empty(backend):
    ops = available(backend)
    x = ops.tensor(torch.zeros(0, IN), torch.zeros(0, 4).long(), SHAPE, FRAMES)
    out = ops.submanifold(IN, OUT, 'key')(x)
    assert out.features.shape == (0, OUT)


def test_voxels_of_other_frames_and_beyond_the_border_do_not_meet():
    # Neighbours in the flat order of keys, not in space.
    ops = sparse_ops('torch')
    sites = torch.tensor([[0, 6, 5, 4], [1, 0, 0, 0], [1, 0, 1, 0]])
    conv = ops.submanifold(1, 1, 'key')
    torch.nn.init.ones_(conv.weight)
    x = ops.tensor(torch.tensor([[1.0], [2.0], [4.0]]), sites, SHAPE, 2)
    assert conv(x).features.flatten().tolist() == [1, 6, 6]


def test_auto_takes_spconv_where_it_is(monkeypatch):
    pytest.importorskip('spconv', reason='spconv is not installed')
    assert sparse_ops('auto') is sparse_ops('spconv')
    monkeypatch.setattr(sparse_conv, 'spconv', None)
    assert sparse_ops('auto') is sparse_ops('torch')


def test_missing_spconv_is_a_clear_error(monkeypatch):
    monkeypatch.setattr(sparse_conv, 'spconv', None)
    with pytest.raises(ImportError, match=r"pip install spconv.*='torch'"):
        sparse_ops('spconv')


def test_unknown_backend_is_refused():
    with pytest.raises(ValueError, match="'minkowski'"):
        sparse_ops('minkowski')


def test_bfloat16_is_refused_where_spconv_lacks_it(sites):
    ops = available('spconv')
    with pytest.raises(TypeError, match='float32'):
        ops.tensor(torch.zeros(len(sites), IN).bfloat16(), sites, SHAPE, 2)
