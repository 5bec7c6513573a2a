"""``OccDataSample``: what one frame carries through the whole framework."""

from mmdet3d.structures import Det3DDataSample
from mmengine.structures import BaseDataElement

# Which transforms fill a field of ground truth.
LOADERS = dict(
    gt_occ='LoadOcc3DFromFile',
    gt_ego='LoadEgoStatus',
    gt_text='LoadDrivingQA and TokenizeQA',
    gt_meta='LoadMetaAction',
)


class OccDataSample(Det3DDataSample):
    """A frame with its occupancy, ego motion, text and meta-action.

    All geometry is in the canonical frame: **ego at the LiDAR key frame, x
    forward, y left, z up, metres, seconds, absolute positions, 0.5 s steps,
    yaw wrapped to (-pi, pi].** VAD-style info files store per-step offsets in
    the LiDAR frame (x right); the converter turns them once, at the border.

    Each field is a ``BaseDataElement`` with

    ``gt_occ``, ``pred_occ``
        - ``semantics`` (Tensor): (X, Y, Z) uint8, Occ3D ids, 17 = free; a
          leading T for forecasts.
        - ``mask_camera``, ``mask_lidar`` (Tensor): (X, Y, Z) bool, True where
          the sensors observed the voxel (``gt_occ`` only).
        - ``future_semantics``, ``future_mask_camera`` (Tensor): (T, X, Y, Z)
          likewise of the next T key frames, each in its own ego frame;
          ``future_valid`` (T,) bool, False beyond the scene's end (``gt_occ``
          only, where forecasts are made).
    ``gt_ego``
        - ``fut_trajs`` (Tensor): (6, 2) x, y at 0.5 .. 3.0 s.
        - ``fut_masks`` (Tensor): (6,) bool, True where the step exists.
        - ``his_trajs`` (Tensor): (4, 3) x, y, yaw at -2.0 .. -0.5 s.
        - ``his_masks`` (Tensor): (4,) bool.
        - ``status`` (Tensor): (7,) in the order of ``EGO_STATUS``.
        - ``command`` (Tensor): () int64, -1 unless a command is asked for.
    ``pred_ego``
        - ``trajs`` (Tensor): (M, 6, 2) candidates, best first.
        - ``scores`` (Tensor): (M,).
    ``gt_text``
        - ``questions`` (list[DrivingQA]): The N questions about the frame.
        - ``input_ids``, ``labels`` (list[Tensor]): N pairs of (L_i,) int64;
          labels are -100 on the question, and everywhere at inference.
    ``pred_text``
        - ``answers`` (list[str]): In the order of ``gt_text.questions``.
    ``gt_meta``
        - ``speed``, ``direction`` (Tensor): () int64, -1 where unlabelled.
    ``pred_meta``
        - ``speed``, ``direction`` (Tensor): () int64.
        - ``speed_scores`` (Tensor): (3,) probabilities.
        - ``direction_scores`` (Tensor): (6,) probabilities.
        - ``text`` (str): The whole chain of thought.
    """


def _occ_field(name: str) -> property:
    """A typed ``BaseDataElement`` property called ``name``."""
    private = f'_{name}'

    def getter(self: OccDataSample) -> BaseDataElement:
        if private not in self.__dict__:
            remedy = (
                f'put {LOADERS[name]} into the pipeline'
                if name in LOADERS
                else 'the model has not predicted it'
            )
            raise AttributeError(
                f'sample {self.get("token")} has no {name}; {remedy}'
            )
        return getattr(self, private)

    def setter(self: OccDataSample, value: BaseDataElement) -> None:
        self.set_field(value, private, dtype=BaseDataElement)

    def deleter(self: OccDataSample) -> None:
        delattr(self, private)

    return property(getter, setter, deleter)


for _name in ('occ', 'ego', 'text', 'meta'):
    for _side in ('gt', 'pred'):
        setattr(
            OccDataSample, f'{_side}_{_name}', _occ_field(f'{_side}_{_name}')
        )
