"""SparseOccVLA's encoder as a graph, and as ONNX."""

import pytest
import torch
from mmengine.registry import init_default_scope

from mmocc.projects.OnnxExport.onnx_export import (
    EncoderGraph,
    differences,
    to_onnx,
)
from mmocc.registry import MODELS

DIMS, SHAPE = 8, (32, 32)


@pytest.fixture(scope='module')
def parts():
    """Backbone, neck and encoder with one refiner, all of them tiny."""
    init_default_scope('mmocc')
    torch.manual_seed(0)
    refiner = dict(
        type='SparseVoxelRefiner',
        embed_dims=DIMS,
        channels=(4, 4),
        num_blocks=1,
        voxel_size=(3.2, 3.2, 1.6),
        backend='torch',
    )
    modules = [
        MODELS.build(config)
        for config in (
            dict(
                type='mmdet.ResNet',
                depth=18,
                base_channels=2,
                num_stages=1,
                strides=(1,),
                dilations=(1,),
                out_indices=(0,),
            ),
            dict(
                type='mmdet.FPN',
                in_channels=[2],
                out_channels=DIMS,
                num_outs=1,
            ),
            dict(
                type='SparseOccEncoder',
                embed_dims=DIMS,
                num_queries=6,
                num_refines=(2, 3),
                num_frames=2,
                num_views=3,
                num_points=2,
                num_groups=2,
                num_levels=1,
                num_heads=2,
                ffn_dims=8,
                mixing_points=2,
                refiner=refiner,
                refine_layers=(0,),
            ),
        )
    ]
    for module in modules:
        module.eval()
        for parameter in module.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    return modules


@torch.no_grad()
def test_graph_gives_what_the_encoder_gives(parts):
    """With the sparse refiner exchanged for the dense one."""
    backbone, neck, encoder = parts
    graph = EncoderGraph(*parts).eval()
    inputs = graph.example(SHAPE)
    maps = neck(backbone(inputs['imgs'].flatten(0, 1)))
    maps = [each.unflatten(0, (1, 6)) for each in maps]
    scene = encoder(maps, inputs['ego2img'], SHAPE)
    last = scene.layers[-1]
    expected = (
        scene.features, scene.centres, scene.spread, last.points, last.logits
    )  # fmt: skip
    for got, wanted in zip(graph(*inputs.values()), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4)


@torch.no_grad()
def test_example_sees_something(parts):
    """A ring of cameras: black images change the queries."""
    graph = EncoderGraph(*parts).eval()
    inputs = graph.example(SHAPE)
    seen = graph(*inputs.values())[0]
    blind = graph(torch.zeros_like(inputs['imgs']), inputs['ego2img'])[0]
    assert (seen - blind).abs().max() > 1e-2


def test_onnx_equals_pytorch(parts, onnx):
    graph = EncoderGraph(*parts).eval()
    content = to_onnx(graph, graph.example(SHAPE), {'made': 'here'})
    apart = differences(graph, content, graph.example(SHAPE, seed=1))
    assert set(apart) == set(graph.outputs)
    assert max(apart.values()) < 1e-3
