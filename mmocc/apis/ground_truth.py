"""Labels of a frame beside its prediction, for pictures."""

import os
from collections.abc import Mapping
from pathlib import Path

from mmocc.datasets import LoadMetaAction, LoadOcc3DFromFile, PackOccInputs
from mmocc.infos import InfoFrame
from mmocc.structures import OccDataSample


def add_ground_truth(
    sample: OccDataSample,
    frame: Mapping,
    occ_labels: str | os.PathLike | None = None,
) -> OccDataSample:
    """Return a copy of a prediction with the labels of its frame.

    Args:
        sample (OccDataSample): The prediction; is not changed.
        frame (Mapping): The frame; its occupancy label is read if the file
            exists.
        occ_labels (str | PathLike, optional): Occupancy label that must
            exist, in place of the frame's own. Defaults to None.

    Raises:
        SampleError: If a label is damaged.
    """
    known = {'token': frame['token']}
    path = str(occ_labels or InfoFrame(frame).occ_path)
    if occ_labels or Path(path).is_file():
        known = LoadOcc3DFromFile()({**known, 'occ_path': path})
    if frame.get('meta_action'):
        known['meta_action'] = frame['meta_action']
        known = LoadMetaAction()(known)
    labels = PackOccInputs()(known)['data_samples']
    copy = sample.new()
    for field in ('gt_occ', 'gt_meta'):
        if field in labels:
            setattr(copy, field, labels.get(field))
    return copy
