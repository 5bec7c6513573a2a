"""Load the images of all cameras at the model's size."""

import io
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
from mmdet3d.datasets.transforms import LoadMultiViewImageFromFiles
from mmengine.fileio import get
from PIL import Image

from mmocc.datasets.sample_error import SampleError, sample_error
from mmocc.infos import InfoFrame
from mmocc.infos.plausibility import intrinsics_problems, judge
from mmocc.registry import TRANSFORMS
from mmocc.structures import CAMERAS

# Decoders that shrink on the way (JPEG by its cosine transform).
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_COLOR_8),
    (4, cv2.IMREAD_REDUCED_COLOR_4),
    (2, cv2.IMREAD_REDUCED_COLOR_2),
    (1, cv2.IMREAD_COLOR),
)


@TRANSFORMS.register_module()
class LoadSurroundImages(LoadMultiViewImageFromFiles):
    """Load multi-view images in a fixed camera order and at one size.

    It replaces mmdet3d's ``LoadMultiViewImageFromFiles``, its base class.

    Views come in the order of ``cameras``, whatever the order of the info
    file; cameras that are not named are left out. Decoding, resizing and
    scaling of the intrinsics are one step, three times as fast as mmdet3d's
    loader with ``MultiViewWrapper(Resize3D)`` behind it, and give the same
    calibration.

    Pixel ``i`` covers ``[i, i + 1)``, so that scaling an image by ``s``
    scales ``cam2img``'s upper two rows by ``s``.

    Required Keys: ``token``, ``images`` (for each camera ``img_path``,
    ``cam2img``, and ``lidar2cam`` or ``cam2ego``), and, unless the LiDAR
    frame is the ego frame, ``lidar_points.lidar2ego``.

    Added Keys: ``img`` (list of (H, W, 3) uint8, BGR), ``cam_names``,
    ``filename``, ``cam2img`` (list of (3, 3)), ``ori_cam2img``,
    ``lidar2cam`` (list of (4, 4)), ``lidar2ego`` (4, 4), ``img_shape``,
    ``ori_shape``, ``pad_shape``, ``num_views``.

    Args:
        cameras (Sequence[str]): Names of the cameras that the model was built
            for, in its order. Defaults to nuScenes' six.
        size (Sequence[int], optional): Height and width of the images in
            pixels; the aspect ratio may change. Defaults to None, as on disk.
        oversampling (float): A decoder may shrink an image on the way, to
            no less than this multiple of ``size``. 2 saves half of the time
            or more and keeps nuScenes' images within a grey level of full
            decoding (``benchmark_loading.py`` measures both); infinity
            decodes in full. Defaults to 2.
        backend_args (dict, optional): mmengine's file backend. Defaults to
            None, local files.
    """

    def __init__(
        self,
        cameras: Sequence[str] = CAMERAS,
        size: Sequence[int] | None = None,
        oversampling: float = 2.0,
        backend_args: dict | None = None,
    ) -> None:
        super().__init__(
            num_views=len(cameras),
            color_type='color',
            backend_args=backend_args,
        )
        self.cameras = tuple(cameras)
        self.size = None if size is None else tuple(size)
        if oversampling < 1:
            raise ValueError(
                f'oversampling is {oversampling}, expected 1 or more: images '
                'are not decoded to less than the wanted size'
            )
        self.oversampling = oversampling

    def transform(self, results: dict) -> dict:
        """Load the views of a frame.

        Args:
            results (dict): Has the required keys.

        Returns:
            dict: ``results`` with the added keys.

        Raises:
            SampleError: If a camera, its calibration or its image is missing
                or broken.
        """
        token, views = results['token'], InfoFrame(results).cameras
        missing = [name for name in self.cameras if name not in views]
        if missing:
            raise sample_error(
                token,
                'the info file',
                f'no {", ".join(missing)} among the cameras {sorted(views)}',
                f'the {len(self.cameras)} cameras that the model was built '
                'for',
                'add the views, or name the cameras you have in '
                "LoadSurroundImages' `cameras` and in the model's config, "
                'and train with them',
            )
        lidar2ego = InfoFrame(results).lidar2ego
        images, shapes, cam2img, ori_cam2img, lidar2cam = [], [], [], [], []
        for name in self.cameras:
            image, shape = self._load(token, name, views[name])
            intrinsics = self._matrix(token, name, views[name], 'cam2img', 3)
            scale = np.divide(image.shape[:2], shape)[::-1]
            images.append(image)
            shapes.append(shape)
            ori_cam2img.append(intrinsics)
            cam2img.append(intrinsics * np.array([*scale, 1.0])[:, None])
            if 'lidar2cam' in views[name]:
                extrinsics = self._matrix(
                    token, name, views[name], 'lidar2cam', 4
                )
            else:
                cam2ego = self._matrix(token, name, views[name], 'cam2ego', 4)
                extrinsics = np.linalg.inv(cam2ego) @ lidar2ego
            lidar2cam.append(extrinsics)
        if len({image.shape for image in images}) > 1:
            raise sample_error(
                token,
                'the images',
                f'views of different sizes {shapes}',
                'one size',
                "set LoadSurroundImages' `size`",
            )
        for name, matrix, shape in zip(
            self.cameras, ori_cam2img, shapes, strict=True
        ):
            place = f'cam2img of {name}'
            found = intrinsics_problems(matrix, shape[::-1])
            judge([(place, each) for each in found], partial(_unfit, token))
        height, width = images[0].shape[:2]
        results.update(
            img=images,
            cam_names=list(self.cameras),
            filename=[views[name]['img_path'] for name in self.cameras],
            cam2img=cam2img,
            ori_cam2img=ori_cam2img,
            lidar2cam=lidar2cam,
            lidar2ego=lidar2ego,
            img_shape=(height, width),
            ori_shape=shapes[0],
            pad_shape=(height, width),
            num_views=self.num_views,
        )
        return results

    def _load(
        self, token: str, name: str, view: dict
    ) -> tuple[np.ndarray, tuple[int, int]]:
        """Load one image; return it and its (height, width) on disk."""
        path = view['img_path']

        def broken(got: str) -> SampleError:
            return sample_error(
                token,
                f'image of {name}, {path}',
                got,
                'a whole JPEG or PNG image',
                "check the folder (the data set's `data_root` and "
                '`data_prefix`) or fetch the file again',
            )

        try:
            data = get(path, backend_args=self.backend_args)
        except FileNotFoundError as error:
            raise broken('there is no such file') from error
        try:
            with Image.open(io.BytesIO(data)) as header:
                width, height = header.size
        except OSError as error:
            raise broken(f'{len(data)} bytes that are no image') from error
        image = self._decode(data, height, width)
        if image is None:
            raise broken(
                f'the image is damaged or cut off ({len(data)} bytes)'
            )
        return image, (height, width)

    def _decode(
        self, data: bytes, height: int, width: int
    ) -> np.ndarray | None:
        """Decode to the wanted size; None where the data is damaged."""
        wanted = self.size or (height, width)
        room = min(height / wanted[0], width / wanted[1]) / self.oversampling
        flag = next(
            flag for factor, flag in _REDUCED if factor <= max(room, 1)
        )
        image = cv2.imdecode(
            np.frombuffer(data, dtype=np.uint8),
            flag | cv2.IMREAD_IGNORE_ORIENTATION,
        )
        if image is None or image.shape[:2] == wanted:
            return image
        shrinks = wanted[0] < image.shape[0] and wanted[1] < image.shape[1]
        return cv2.resize(
            image,
            wanted[::-1],
            interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
        )

    @staticmethod
    def _matrix(
        token: str, name: str, view: dict, key: str, size: int
    ) -> np.ndarray:
        """Return a calibration matrix (size, size) float64, checked."""
        matrix = np.asarray(view.get(key, ()), dtype=np.float64)
        if matrix.shape != (size, size) or not np.isfinite(matrix).all():
            raise sample_error(
                token,
                f'{key} of {name}',
                f'an array of shape {matrix.shape}'
                if matrix.size
                else 'nothing',
                f'{size} x {size} finite numbers',
                'correct the calibration in the info file',
            )
        return matrix


def _unfit(token: str, message: str) -> SampleError:
    return SampleError(f'sample {token}: {message}')
