"""``OccLocalVisualizer``: mmdet3d's visualizer for occupancy frames."""

from collections.abc import Sequence

import numpy as np
from mmdet3d.visualization import Det3DLocalVisualizer
from mmengine.dist import master_only
from mmengine.visualization import Visualizer

from mmocc.registry import VISUALIZERS
from mmocc.structures import OccDataSample, OccGrid
from mmocc.structures.occ3d import POINT_CLOUD_RANGE, VOXEL_SIZE
from mmocc.visualization.drawing import write_png
from mmocc.visualization.frame_panel import PAGE_WIDTH, frame_panel
from mmocc.visualization.frame_picture import FramePicture
from mmocc.visualization.overlays import FrameOverlays, info_overlays

OCC_TASK = 'occ'


@VISUALIZERS.register_module()
class OccLocalVisualizer(Det3DLocalVisualizer):
    """Draw frames of occupancy, plan and language: ``vis_task='occ'``.

    A page holds the cameras with boxes, plan and voxels, predicted and true
    occupancy with their difference, the plan from above with map, agents and
    anchors, and the answers. Neither a display nor open3d is needed. The
    other tasks are those of ``Det3DLocalVisualizer``.

    Args:
        name (str): Name of the instance. Defaults to 'visualizer'.
        vis_backends (list[dict], optional): Backends that store the pages
            for which no ``out_file`` is given. Defaults to None.
        save_dir (str, optional): Folder of the backends. Defaults to None.
        page_width (int): Width of a page without its margin, in pixels.
            Defaults to 1500.
        point_cloud_range (Sequence[float]): Range of the occupancy grid in
            metres. Defaults to Occ3D's.
        voxel_size (Sequence[float]): Voxel size of the grid in metres.
            Defaults to Occ3D's.
    """

    def __init__(
        self,
        name: str = 'visualizer',
        vis_backends: list[dict] | None = None,
        save_dir: str | None = None,
        page_width: int = PAGE_WIDTH,
        point_cloud_range: Sequence[float] = POINT_CLOUD_RANGE,
        voxel_size: Sequence[float] = VOXEL_SIZE,
    ) -> None:
        super().__init__(
            name=name, vis_backends=vis_backends, save_dir=save_dir
        )
        self.page_width = page_width
        self.grid = OccGrid(point_cloud_range, voxel_size)

    def draw_frame(
        self,
        data_sample: OccDataSample,
        images: Sequence[np.ndarray] = (),
        draw_gt: bool = True,
        draw_pred: bool = True,
        overlays: FrameOverlays | None = None,
    ) -> np.ndarray:
        """Draw a frame on a page without storing it.

        Args:
            data_sample (OccDataSample): The frame.
            images (Sequence[np.ndarray]): RGB pictures of its cameras.
                Defaults to ().
            draw_gt (bool): Whether to draw ground truth. Defaults to True.
            draw_pred (bool): Whether to draw predictions. Defaults to True.
            overlays (FrameOverlays, optional): Boxes, map and anchors.
                Defaults to None.

        Returns:
            np.ndarray: (H, W, 3) uint8 RGB.
        """
        frame = FramePicture.from_sample(
            data_sample, images, draw_gt, draw_pred, overlays
        )
        return frame_panel(frame, self.page_width, self.grid)

    @master_only
    def add_datasample(
        self,
        name: str,
        data_input: dict,
        data_sample: OccDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        o3d_save_path: str | None = None,
        vis_task: str = OCC_TASK,
        pred_score_thr: float = 0.3,
        step: int = 0,
        show_pcd_rgb: bool = False,
    ) -> None:
        """Draw a frame and write it to a PNG file or to all backends.

        Args:
            name (str): Name of the page in the backends and the window.
            data_input (dict): All keys are optional: ``img``, RGB pictures of
                the cameras; ``info``, the frame of the info file with Occ3D
                ids as box labels, and ``data_root``, for boxes and map;
                ``anchors``, anchor trajectories of the planner, (A, T, 2).
            data_sample (OccDataSample, optional): The frame. Defaults to
                None.
            draw_gt (bool): Whether to draw ground truth. Defaults to True.
            draw_pred (bool): Whether to draw predictions. Defaults to True.
            show (bool): Whether to open a window. Defaults to False.
            wait_time (float): Seconds that the window stays open; 0 waits for
                a key. Defaults to 0.
            out_file (str, optional): PNG file to write instead of sending the
                page to the backends. Defaults to None.
            o3d_save_path (str, optional): See ``Det3DLocalVisualizer``; not
                used by 'occ'. Defaults to None.
            vis_task (str): 'occ', or a task of ``Det3DLocalVisualizer``.
                Defaults to 'occ'.
            pred_score_thr (float): See ``Det3DLocalVisualizer``; not used by
                'occ'. Defaults to 0.3.
            step (int): Iteration of the run, for the backends. Defaults to 0.
            show_pcd_rgb (bool): See ``Det3DLocalVisualizer``; not used by
                'occ'. Defaults to False.
        """
        if vis_task != OCC_TASK:
            super().add_datasample(
                name,
                data_input,
                data_sample,
                draw_gt,
                draw_pred,
                show,
                wait_time,
                out_file,
                o3d_save_path,
                vis_task,
                pred_score_thr,
                step,
                show_pcd_rgb,
            )
            return
        overlays = info_overlays(
            data_input.get('info', {}),
            data_input.get('data_root', ''),
            anchors=data_input.get('anchors'),
        )
        page = self.draw_frame(
            data_sample,
            data_input.get('img', ()),
            draw_gt,
            draw_pred,
            overlays,
        )
        self.set_image(page)
        if show:
            # mmengine's window; that of Det3DLocalVisualizer needs open3d.
            Visualizer.show(self, page, win_name=name, wait_time=wait_time)
        if out_file is not None:
            write_png(page, out_file)
        else:
            self.add_image(name, page, step)
