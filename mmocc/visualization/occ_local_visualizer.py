"""``OccLocalVisualizer``: frames of occupancy, plan and language as pages."""

from collections.abc import Sequence

import numpy as np
from mmdet3d.visualization import Det3DLocalVisualizer
from mmengine.dist import master_only
from mmengine.visualization import Visualizer

from mmocc.registry import VISUALIZERS
from mmocc.structures import OccDataSample, OccGrid
from mmocc.structures.occ3d import POINT_CLOUD_RANGE, VOXEL_SIZE
from mmocc.visualization.drawing import write_png
from mmocc.visualization.frame_panel import FramePicture, frame_panel
from mmocc.visualization.surroundings import (
    Surroundings,
    info_surroundings,
)

OCC_TASK = 'occ'


@VISUALIZERS.register_module()
class OccLocalVisualizer(Det3DLocalVisualizer):
    """mmdet3d's visualizer with one task more: ``vis_task='occ'``.

    It draws cameras with boxes, the plan on the road and voxels, predicted
    and true occupancy and their difference, the plan from above among map,
    agents and anchors, and the answers, on one page.
    Neither a display nor open3d is needed. All other tasks are the parent's.

    Args:
        name (str): Of the instance. Defaults to 'visualizer'.
        vis_backends (list[dict], optional): Where pages go that are not
            written to a file of their own. Defaults to None.
        save_dir (str, optional): Folder of the backends. Defaults to None.
        page_width (int): Pixels of a page, without its margin. Defaults to
            1500.
        point_cloud_range (Sequence[float]): Of the occupancy grid. Defaults
            to Occ3D's.
        voxel_size (Sequence[float]): Of the occupancy grid. Defaults to
            Occ3D's.
    """

    def __init__(
        self,
        name: str = 'visualizer',
        vis_backends: list[dict] | None = None,
        save_dir: str | None = None,
        page_width: int = 1500,
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
        surroundings: Surroundings | None = None,
    ) -> np.ndarray:
        """Draw a page, (H, W, 3) uint8 RGB, and keep it nowhere.

        Args:
            data_sample (OccDataSample): The frame.
            images (Sequence[np.ndarray]): RGB pictures of its cameras.
                Defaults to ().
            draw_gt (bool): Show ground truth. Defaults to True.
            draw_pred (bool): Show predictions. Defaults to True.
            surroundings (Surroundings, optional): Boxes, map and anchors.
                Defaults to None.
        """
        frame = FramePicture.from_sample(
            data_sample, images, draw_gt, draw_pred, surroundings
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
            name (str): Of the page, for the backends and the window.
            data_input (dict): ``img``, the RGB pictures of the cameras, where
                they shall be drawn; ``info``, the frame in the info file with
                Occ3D's box labels, and ``data_root``, for boxes and map;
                ``anchors``, the planner's, (A, T, 2).
            data_sample (OccDataSample, optional): The frame.
            draw_gt (bool): Show ground truth. Defaults to True.
            draw_pred (bool): Show predictions. Defaults to True.
            show (bool): Open a window. Defaults to False.
            wait_time (float): Seconds that it stays; 0 waits for a key.
            out_file (str, optional): A ``.png`` file instead of the backends.
            o3d_save_path (str, optional): The parent's, for its tasks.
            vis_task (str): 'occ', or one of the parent's. Defaults to 'occ'.
            pred_score_thr (float): The parent's, for its tasks.
            step (int): Of the run, for the backends. Defaults to 0.
            show_pcd_rgb (bool): The parent's, for its tasks.
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
        surroundings = info_surroundings(
            data_input.get('info', {}),
            data_input.get('data_root', ''),
            anchors=data_input.get('anchors'),
        )
        page = self.draw_frame(
            data_sample,
            data_input.get('img', ()),
            draw_gt,
            draw_pred,
            surroundings,
        )
        self.set_image(page)
        if show:
            # The grandparent's window; the parent's needs open3d.
            Visualizer.show(self, page, win_name=name, wait_time=wait_time)
        if out_file is not None:
            write_png(page, out_file)
        else:
            self.add_image(name, page, step)
