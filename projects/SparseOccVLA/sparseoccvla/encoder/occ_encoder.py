"""SparseOccVLA's encoder: image features to a few hundred occupancy queries.

The paper publishes no details of it. This one follows OPUS (Wang et al.,
"OPUS: Occupancy Prediction Using a Sparse Set", NeurIPS 2024), whose queries
are sets of semantic points that grow in number from layer to layer. A voxel
refiner may follow any layer.
"""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule, ModuleDict, ModuleList
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.adaptive_mixing import (
    AdaptiveMixing,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.input_checks import (
    check_encoder_inputs,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_range import (
    PointRange,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_reader import (
    PointReader,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_sampling import (
    AdaptiveSampling,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.point_sets import (
    centre_and_spread,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.query_init import (
    init_query_points,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.self_attention import (
    SpatialAttention,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.sparse_occ_layer import (
    SparseOccLayer,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.encoder.view_sampling import (
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


@MODELS.register_module()
class SparseOccEncoder(BaseModule):
    """Encode multi-view, multi-frame features into sets of semantic points.

    B frames of a batch, T past and present images of each of V cameras, Q
    queries of width D, R points of a query after a layer, K classes, L
    feature maps. Defaults are those of OPUS-T unless stated otherwise::

        learned points (Q, 1, 3), zero features (Q, D)
          -> layer 0 -> points (Q, R_0, 3) -> layer 1 -> ...

    Points pass from layer to layer without a gradient. Only the first layer
    and a loss of their own train the learned points. Points may leave the
    range.

    A refiner behind a layer may change features and points. Classes are then
    read from the refined features. Its ``forward(features, points, scores)``
    takes (B, Q, D), (B, Q, R, 3) metres and, without a gradient, the highest
    class probability (B, Q, R) of each point, and returns
    :class:`RefinedQueries`.

    Args:
        embed_dims (int): Width D of queries, which is also the number of
            channels of the feature maps. Defaults to 256.
        num_queries (int): Number of queries, Q. Defaults to 600;
            SparseOccVLA reports 300 and 600.
        num_refines (Sequence[int]): Number of points R of a query after each
            layer; its length is the number of layers. Defaults to (1, 4, 16,
            32, 64, 128).
        num_frames (int): Number of frames T, the current one included.
            Defaults to 8.
        num_views (int): Number of cameras, V. Defaults to 6.
        num_points (int): Number of sampling points of a query, per group and
            frame. Defaults to 4.
        num_groups (int): Number of groups of channels, each with sampling
            points of its own. Defaults to 4.
        num_levels (int): Number of feature maps, L. Defaults to 4.
        num_classes (int): Number of classes K without free space. Defaults
            to 17.
        point_range (Sequence[float]): x, y, z minimum, then maximum, metres
            in the ego frame. Defaults to Occ3D's.
        query_init (str): Where the learned points are before training,
            ``uniform`` or ``ground``; see :func:`init_query_points`. Defaults
            to 'uniform'.
        num_heads (int): Number of heads of the attention among queries.
            Defaults to 8.
        ffn_dims (int): Hidden width of the feed-forward network. Defaults to
            512.
        mixing_points (int): Number of points after mixing. Defaults to 32.
        dropout (float): Dropout rate in attention and feed-forward network.
            Defaults to 0.1.
        reg_scale (float): Metres of a point's offset from the centre at an
            output of 1. Defaults to 0.5.
        class_prior (float): Predicted probability of each class at the
            start. Defaults to 0.01.
        min_spread (float): Smallest distance in metres of a sampling point
            from the centre at an offset of 1. At 0, as in OPUS, all sampling
            points of a query of one point coincide. Defaults to 0.
        view_choice (str): Which camera is read where several see a point:
            ``central``, in which it is nearest to the middle, whatever the
            order of cameras (ours), or ``first``, as OPUS, which spares one
            small reduction. Defaults to 'central'.
        align_corners (bool): Whether the edges of images lie on the centres
            of the outermost cells of feature maps, as in OPUS. That moves
            points by up to half a cell, so we do not. Defaults to False.
        query_chunk (int): Number of rows of the attention that are computed
            at a time (ours). Defaults to 1024.
        refiner (dict | Sequence[dict], optional): Config of the refiners, one
            for all layers or one for each in ``refine_layers``; each layer
            has weights of its own. Defaults to None.
        refine_layers (Sequence[int]): Layers, from 0, that a refiner follows.
            Defaults to ().
        point_reader (dict, optional): Arguments of ``PointReader``, such as
            ``dict(hidden_dims=64)``; it corrects every point of the last
            layer by the pixels behind it (ours). Defaults to None.
        with_cp (bool): Whether to compute layers again in the backward pass,
            to save memory. Defaults to False.
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
        self.embed_dims = embed_dims
        self.num_frames = num_frames
        self.num_views = num_views
        self.num_groups = num_groups
        self.num_levels = num_levels
        self.view_choice = view_choice
        self.with_cp = with_cp
        self.range = PointRange(point_range)
        self.query_points = nn.Parameter(  # (Q, 3), 0 to 1 over the range
            init_query_points(num_queries, query_init, self.range)
        )
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
        """Encode image features into occupancy queries.

        Args:
            features (Sequence[Tensor]): L maps (B, T * V, D, h, w),
                frame-major: all cameras of the current frame, then those of
                the one before, and so on.
            ego2img (Tensor): (B, T * V, 4, 4), in the same order, from metres
                in the ego frame of the *current* key frame to pixels of each
                camera's image, times depth. Ego motion is in these matrices.
            image_shape (tuple[int, int]): Height and width of the model's
                input in these pixels, padding included.

        Returns:
            SparseOccFeatures: Queries and the point sets of all layers, in
            float32. Centres and spread keep their gradient to the last
            points.

        Raises:
            ValueError: If shapes do not match the config.
        """
        check_encoder_inputs(
            features,
            ego2img,
            image_shape,
            embed_dims=self.embed_dims,
            num_frames=self.num_frames,
            num_views=self.num_views,
            num_levels=self.num_levels,
        )
        views = group_views(
            features, ego2img, image_shape, self.num_frames, self.num_groups
        )
        batch = len(ego2img)
        initial = self.range.to_metres(self.query_points)  # (Q, 3)
        initial = initial[:, None].expand(batch, -1, -1, -1)  # (B, Q, 1, 3)
        queries = initial.new_zeros(*initial.shape[:2], self.embed_dims)
        points, outputs, voxels = initial, [], {}
        for index, layer in enumerate(self.layers):
            # (B, Q, D), (B, Q, R, 3)
            queries, points = self._run(layer, queries, points, views)
            name = str(index)
            if name in self.refiners:
                with torch.no_grad():
                    scores = layer.classify(queries).sigmoid()  # (B, Q, R, K)
                    scores = scores.amax(dim=-1)  # (B, Q, R)
                refined = self.refiners[name](queries, points, scores)
                queries, points = refined.features, refined.points
                if refined.voxels is not None:
                    voxels[name] = refined.voxels
            outputs.append(PointSet(points, layer.classify(queries)))
            points = points.detach()
        if self.point_reader is not None:
            outputs[-1] = self.point_reader(queries, outputs[-1], views)
        centres, spread = centre_and_spread(outputs[-1].points)  # (B, Q, 3)
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
        """Compute the losses of the refiners' voxel heads.

        Args:
            voxels (dict[str, VoxelLogits]): ``voxels`` of :meth:`forward`.
            semantics (Tensor): (B, X, Y, Z) class ids.
            mask (Tensor): (B, X, Y, Z) bool, True where a voxel counts.

        Returns:
            dict[str, Tensor]: Losses () by ``kind_layer``.
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
        """Run a layer, which is computed again in backward if asked."""
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
        """Build refiners, by the index of the layer that they follow."""
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
