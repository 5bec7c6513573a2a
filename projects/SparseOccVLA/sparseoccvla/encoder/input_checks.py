"""Checks of what reaches the encoder from backbone and pipeline."""

from collections.abc import Sequence

from torch import Tensor


def check_encoder_inputs(
    features: Sequence[Tensor],
    ego2img: Tensor,
    image_shape: tuple[int, int],
    *,
    embed_dims: int,
    num_frames: int,
    num_views: int,
    num_levels: int,
) -> None:
    """Refuse feature maps and matrices that do not match the config.

    Args:
        features (Sequence[Tensor]): L maps (B, T * V, D, h, w).
        ego2img (Tensor): (B, T * V, 4, 4).
        image_shape (tuple[int, int]): Height and width of the images in
            pixels, padding included.
        embed_dims (int): Expected number of channels, D.
        num_frames (int): Expected number of frames, T.
        num_views (int): Expected number of cameras, V.
        num_levels (int): Expected number of maps, L.

    Raises:
        ValueError: If a shape is another one; the message names the config
            key.
    """
    if len(features) != num_levels:
        raise ValueError(
            f'got {len(features)} feature maps, expected encoder.num_levels = '
            f'{num_levels}; set num_outs of the neck, or encoder.num_levels'
        )
    images = num_frames * num_views
    layout = (
        f'encoder.num_frames * encoder.num_views = {num_frames} * {num_views} '
        f'= {images} images a sample; load as many frames and cameras, or '
        'change these keys'
    )
    batch = len(features[0])
    for level, feature_map in enumerate(features):
        shape = tuple(feature_map.shape)
        if feature_map.dim() != 5 or shape[:2] != (batch, images):
            raise ValueError(
                f'feature map {level} is {shape}, expected ({batch}, {images},'
                f' {embed_dims}, height, width) for {layout}'
            )
        if shape[2] != embed_dims:
            raise ValueError(
                f'feature map {level} has {shape[2]} channels, expected '
                f'encoder.embed_dims = {embed_dims}; set out_channels of the '
                'neck, or encoder.embed_dims'
            )
        if any(
            pixels % cells
            for pixels, cells in zip(image_shape, shape[3:], strict=True)
        ):
            raise ValueError(
                f'feature map {level} has {shape[3:]} cells over an image of '
                f'{tuple(image_shape)} pixels, which is no whole stride; set '
                'data_preprocessor.pad_size_divisor to the largest stride'
            )
    if tuple(ego2img.shape) != (batch, images, 4, 4):
        raise ValueError(
            f'ego2img is {tuple(ego2img.shape)}, expected ({batch}, {images}, '
            f'4, 4), one matrix for each image, for {layout}'
        )
