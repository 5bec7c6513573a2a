"""SparseOccVLA's encoder: images to a few hundred occupancy queries.

The paper publishes no details of it. This one follows OPUS (Wang et al.,
"OPUS: Occupancy Prediction Using a Sparse Set", NeurIPS 2024), whose queries
are sets of semantic points that grow in number from layer to layer, with a
place for a voxel refiner between layers.
"""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule, ModuleDict, ModuleList
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmocc.models.encoders.adaptive_mixing import AdaptiveMixing
from mmocc.models.encoders.adaptive_sampling import AdaptiveSampling
from mmocc.models.encoders.point_reader import PointReader
from mmocc.models.encoders.point_sets import centre_and_spread
from mmocc.models.encoders.sparse_occ_layer import SparseOccLayer
from mmocc.models.encoders.spatial_attention import SpatialAttention
from mmocc.models.encoders.view_sampling import (
    VIEW_CHOICES,
    CameraViews,
    group_views,
)
from mmocc.registry import MODELS
from mmocc.structures.occ3d import POINT_CLOUD_RANGE
from mmocc.structures.sparse_occ import (
    PointSet,
    SparseOccFeatures,
    VoxelLogits,
)

QUERY_INITS = ('uniform', 'ground')
# The real root of x^3 = x + 1.
PLASTIC = 1.32471795724474602596


@MODELS.register_module()
class SparseOccEncoder(BaseModule):
    """Multi-view, multi-frame features to sets of semantic points.

    B frames of a batch, T past and present images of each of V cameras, Q
    queries of width D, R points of a query after a layer, K classes, L
    feature maps. Defaults are those of OPUS-T unless said otherwise.

    Queries start as learned points with zero features. Points pass from layer
    to layer without a gradient; the first layer alone trains the starting
    points, beside a loss on them. Points may leave the range.

    A refiner after a layer may change features and points. Classes are then
    read from the refined features. Its ``forward(features, points, scores)``
    takes (B, Q, D), (B, Q, R, 3) metres and, without a gradient, the highest
    class probability (B, Q, R) of each point, and returns
    :class:`RefinedQueries`.

    Args:
        embed_dims (int): D, also the channels of the feature maps. Defaults
            to 256.
        num_queries (int): Q. Defaults to 600; SparseOccVLA reports 300 and
            600.
        num_refines (Sequence[int]): R of each layer, which also says how many
            layers there are. Defaults to (1, 4, 16, 32, 64, 128).
        num_frames (int): T, with the current frame. Defaults to 8.
        num_views (int): V. Defaults to 6.
        num_points (int): Places in which a query looks, per group and frame.
            Defaults to 4.
        num_groups (int): Groups of channels, each with places of its own.
            Defaults to 4.
        num_levels (int): L. Defaults to 4.
        num_classes (int): K, without free space. Defaults to 17.
        point_range (Sequence[float]): x, y, z minimum, then maximum, metres
            in the ego frame. Defaults to Occ3D's.
        query_init (str): Where the learned points are before training:
            ``uniform``, drawn over the range, as OPUS, or ``ground``, spread
            evenly over the plane z = 0, where most of what is occupied
            begins (ours). Defaults to 'uniform'.
        num_heads (int): Of the attention among queries. Defaults to 8.
        ffn_dims (int): Hidden width of the feed-forward network. Defaults to
            512.
        mixing_points (int): Points after mixing. Defaults to 32.
        dropout (float): In attention and feed-forward network. Defaults to
            0.1.
        reg_scale (float): Metres of a point's offset from the centre at an
            output of 1. Defaults to 0.5.
        class_prior (float): Probability of each class at the start. Defaults
            to 0.01.
        min_spread (float): Metres; at least so far do sampling places lie
            around the centre at an offset of 1. At 0, as in OPUS, a query of
            one point looks at one place. Defaults to 0.
        view_choice (str): Which camera is read where several see a place:
            ``central``, nearest to the middle of the image, whatever the
            order of cameras (ours), or ``first``, as OPUS, which spares one
            small reduction. Defaults to 'central'.
        align_corners (bool): Stretch images so that their edges lie on the
            centres of the outermost cells of feature maps, as OPUS does. That
            moves places by up to half a cell, so we do not. Defaults to
            False.
        query_chunk (int): Rows of the attention at a time. Ours. Defaults to
            1024.
        refiner (dict | Sequence[dict], optional): Config of the refiners, one
            for all layers or one for each in ``refine_layers``; each layer
            has weights of its own. Defaults to None.
        refine_layers (Sequence[int]): Layers, from 0, that a refiner follows.
            Defaults to ().
        point_reader (dict, optional): Arguments of ``PointReader``, which
            lets every point of the last layer look at the images, such as
            ``dict(hidden_dims=64)``. Ours. Defaults to None.
        with_cp (bool): Compute layers again in the backward pass, to save
            memory. Defaults to False.
        init_cfg (dict, optional): mmengine's initialisation config.

    Raises:
        ValueError: If numbers do not fit each other.
    """

    def __init__(
        self,
        embed_dims: int = 256,
        num_queries: int = 600,
        num_refines: Sequence[int] = (1, 4, 16, 32, 64, 128),
        num_frames: int = 8,
        num_views: int = 6,
        num_points: int = 4,
        num_groups: int = 4,
        num_levels: int = 4,
        num_classes: int = 17,
        point_range: Sequence[float] = POINT_CLOUD_RANGE,
        query_init: str = 'uniform',
        num_heads: int = 8,
        ffn_dims: int = 512,
        mixing_points: int = 32,
        dropout: float = 0.1,
        reg_scale: float = 0.5,
        class_prior: float = 0.01,
        min_spread: float = 0.0,
        view_choice: str = 'central',
        align_corners: bool = False,
        query_chunk: int = 1024,
        refiner: dict | Sequence[dict] | None = None,
        refine_layers: Sequence[int] = (),
        point_reader: dict | None = None,
        with_cp: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if view_choice not in VIEW_CHOICES:
            raise ValueError(
                f'encoder.view_choice is {view_choice!r}, expected one of '
                f'{VIEW_CHOICES}'
            )
        if query_init not in QUERY_INITS:
            raise ValueError(
                f'encoder.query_init is {query_init!r}, expected one of '
                f'{QUERY_INITS}'
            )
        if embed_dims % num_groups:
            raise ValueError(
                f'encoder.embed_dims is {embed_dims}, which '
                f'encoder.num_groups = {num_groups} does not divide'
            )
        if not num_refines or min(num_refines) < 1:
            raise ValueError(
                f'encoder.num_refines is {num_refines}, expected the number '
                'of points of a query after each layer, at least 1'
            )
        if len(point_range) != 6 or any(
            point_range[i] >= point_range[i + 3] for i in range(3)
        ):
            raise ValueError(
                f'encoder.point_range is {point_range}, expected x, y, z '
                'minimum, then a larger x, y, z maximum, in metres'
            )
        self.embed_dims = embed_dims
        self.num_frames = num_frames
        self.num_views = num_views
        self.num_groups = num_groups
        self.num_levels = num_levels
        self.view_choice = view_choice
        self.with_cp = with_cp
        limits = torch.tensor(point_range, dtype=torch.get_default_dtype())
        self.register_buffer('low', limits[:3], persistent=False)
        self.register_buffer('size', limits[3:] - limits[:3], persistent=False)

        # 0 to 1 over the range.
        self.query_points = nn.Parameter(torch.rand(num_queries, 3))
        if query_init == 'ground':
            with torch.no_grad():
                self.query_points[:, :2] = _spread_evenly(num_queries)
                self.query_points[:, 2] = -self.low[2] / self.size[2]
        in_points = (1, *num_refines[:-1])
        self.layers = ModuleList(
            SparseOccLayer(
                embed_dims=embed_dims,
                in_points=before,
                out_points=after,
                num_classes=num_classes,
                point_range=point_range,
                sampling=AdaptiveSampling(
                    embed_dims=embed_dims,
                    num_points=num_points,
                    num_groups=num_groups,
                    num_levels=num_levels,
                    min_spread=min_spread,
                    view_choice=view_choice,
                    align_corners=align_corners,
                ),
                mixing=AdaptiveMixing(
                    embed_dims=embed_dims,
                    num_groups=num_groups,
                    in_points=num_frames * num_points,
                    out_points=mixing_points,
                ),
                attention=SpatialAttention(
                    embed_dims=embed_dims,
                    num_heads=num_heads,
                    dropout=dropout,
                    query_chunk=query_chunk,
                ),
                ffn_dims=ffn_dims,
                dropout=dropout,
                reg_scale=reg_scale,
                class_prior=class_prior,
            )
            for before, after in zip(in_points, num_refines, strict=True)
        )
        self.refiners = self._build_refiners(refiner, refine_layers)
        self.point_reader = None
        if point_reader is not None:
            self.point_reader = PointReader(
                embed_dims,
                num_classes,
                point_range,
                view_choice=view_choice,
                align_corners=align_corners,
                **point_reader,
            )

    def forward(
        self,
        features: Sequence[Tensor],
        ego2img: Tensor,
        image_shape: tuple[int, int],
    ) -> SparseOccFeatures:
        """Find what is occupied.

        Args:
            features (Sequence[Tensor]): L maps (B, T * V, D, h, w),
                frame-major: all cameras of the current frame, then those of
                the one before, and so on.
            ego2img (Tensor): (B, T * V, 4, 4), in the same order, from metres
                in the ego frame of the *current* key frame to pixels of each
                camera's image, times depth. Ego motion is in these matrices.
            image_shape (tuple[int, int]): Height and width of the model's
                input, padding included, in these pixels.

        Returns:
            SparseOccFeatures: All in float32. Centres and spread keep their
            gradient to the last points.

        Raises:
            ValueError: If shapes do not match the config.
        """
        self._check(features, ego2img, image_shape)
        views = group_views(
            features, ego2img, image_shape, self.num_frames, self.num_groups
        )
        batch = len(ego2img)
        initial = self.low + self.query_points * self.size
        initial = initial[:, None].expand(batch, -1, -1, -1)
        queries = initial.new_zeros(*initial.shape[:2], self.embed_dims)
        points, outputs, voxels = initial, [], {}
        for index, layer in enumerate(self.layers):
            queries, points = self._run(layer, queries, points, views)
            name = str(index)
            if name in self.refiners:
                with torch.no_grad():
                    scores = layer.classify(queries).sigmoid().amax(dim=-1)
                refined = self.refiners[name](queries, points, scores)
                queries, points = refined.features, refined.points
                if refined.voxels is not None:
                    voxels[name] = refined.voxels
            outputs.append(PointSet(points, layer.classify(queries)))
            points = points.detach()
        if self.point_reader is not None:
            outputs[-1] = self.point_reader(queries, outputs[-1], views)
        centres, spread = centre_and_spread(outputs[-1].points)
        return SparseOccFeatures(
            features=queries,
            centres=centres,
            spread=spread,
            layers=outputs,
            initial_points=initial,
            voxels=voxels,
        )

    def voxel_losses(
        self, voxels: dict[str, VoxelLogits], semantics: Tensor, mask: Tensor
    ) -> dict[str, Tensor]:
        """Losses of the refiners' voxel heads, by name and layer.

        Args:
            voxels (dict[str, VoxelLogits]): Of :meth:`forward`.
            semantics (Tensor): (B, X, Y, Z) class ids.
            mask (Tensor): (B, X, Y, Z) bool, True where a voxel counts.
        """
        return {
            f'{kind}_{layer}': loss
            for layer, each in voxels.items()
            for kind, loss in self.refiners[layer]
            .voxel_loss(each, semantics, mask)
            .items()
        }

    def _run(
        self,
        layer: SparseOccLayer,
        queries: Tensor,
        points: Tensor,
        views: CameraViews,
    ) -> tuple[Tensor, Tensor]:
        """One layer, checkpointed or not."""
        if self.with_cp and torch.is_grad_enabled():
            return checkpoint(
                layer, queries, points, views, use_reentrant=False
            )
        return layer(queries, points, views)

    def _build_refiners(
        self,
        refiner: dict | Sequence[dict] | None,
        refine_layers: Sequence[int],
    ) -> ModuleDict:
        """Refiners by the index of the layer they follow."""
        wanted = list(refine_layers)
        if len(set(wanted)) != len(wanted) or not set(wanted) <= set(
            range(len(self.layers))
        ):
            raise ValueError(
                f'encoder.refine_layers is {wanted}, expected different '
                f'layers from 0 to {len(self.layers) - 1}'
            )
        if refiner is None:
            configs = []
        elif isinstance(refiner, dict):
            configs = [refiner] * max(len(wanted), 1)
        else:
            configs = list(refiner)
        if len(configs) != len(wanted):
            raise ValueError(
                f'encoder.refiner has {len(configs)} configs for the '
                f'{len(wanted)} layers of encoder.refine_layers = {wanted}; '
                'give one config for all or one for each, or neither key'
            )
        return ModuleDict(
            {
                str(index): MODELS.build(config)
                for index, config in zip(wanted, configs, strict=True)
            }
        )

    def _check(
        self,
        features: Sequence[Tensor],
        ego2img: Tensor,
        image_shape: tuple[int, int],
    ) -> None:
        """Refuse what the config does not expect."""
        if len(features) != self.num_levels:
            raise ValueError(
                f'got {len(features)} feature maps, expected '
                f'encoder.num_levels = {self.num_levels}; set num_outs of the '
                'neck, or encoder.num_levels'
            )
        images = self.num_frames * self.num_views
        layout = (
            f'encoder.num_frames * encoder.num_views = {self.num_frames} * '
            f'{self.num_views} = {images} images a sample; load as many '
            'frames and cameras, or change these keys'
        )
        batch = len(features[0])
        for level, feature_map in enumerate(features):
            shape = tuple(feature_map.shape)
            if feature_map.dim() != 5 or shape[:2] != (batch, images):
                raise ValueError(
                    f'feature map {level} is {shape}, expected ({batch}, '
                    f'{images}, {self.embed_dims}, height, width) for {layout}'
                )
            if shape[2] != self.embed_dims:
                raise ValueError(
                    f'feature map {level} has {shape[2]} channels, expected '
                    f'encoder.embed_dims = {self.embed_dims}; set '
                    'out_channels of the neck, or encoder.embed_dims'
                )
            if any(
                pixels % cells
                for pixels, cells in zip(image_shape, shape[3:], strict=True)
            ):
                raise ValueError(
                    f'feature map {level} has {shape[3:]} cells over an image '
                    f'of {tuple(image_shape)} pixels, which is no whole '
                    'stride; set data_preprocessor.pad_size_divisor to the '
                    'largest stride'
                )
        if tuple(ego2img.shape) != (batch, images, 4, 4):
            raise ValueError(
                f'ego2img is {tuple(ego2img.shape)}, expected ({batch}, '
                f'{images}, 4, 4), one matrix for each image, for {layout}'
            )


def _spread_evenly(number: int) -> Tensor:
    """Points (number, 2) of the unit square, far from each other.

    A lattice whose steps are powers of the plastic number (Roberts, "The
    unreasonable effectiveness of quasirandom sequences", 2018).
    """
    steps = torch.tensor([PLASTIC**-1, PLASTIC**-2], dtype=torch.float64)
    order = torch.arange(1, number + 1, dtype=torch.float64)
    return (0.5 + order[:, None] * steps).frac().to(torch.get_default_dtype())
