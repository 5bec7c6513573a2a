"""Both models offer what inferencers and tools call."""

import pytest

from mmocc.models.planners import AnchorDiffusionPlanner, MLPPlanner
from mmocc.projects.OccVLA.occvla import LatentOccHead, OccVLA, VLOBridge
from mmocc.projects.SparseOccVLA.sparseoccvla import (
    PointSetOccHead,
    SparseOccVLA,
    SparseQueryBridge,
)
from mmocc.projects.SparseOccVLA.sparseoccvla.forecast import OccForecaster
from mmocc.structures.protocols import (
    VLA,
    Forecaster,
    OccHead,
    Planner,
    VisionLanguageBridge,
    missing_members,
)

PARTS = [
    (OccVLA, VLA),
    (SparseOccVLA, VLA),
    (VLOBridge, VisionLanguageBridge),
    (SparseQueryBridge, VisionLanguageBridge),
    (LatentOccHead, OccHead),
    (PointSetOccHead, OccHead),
    (MLPPlanner, Planner),
    (AnchorDiffusionPlanner, Planner),
    (OccForecaster, Forecaster),
]


@pytest.mark.parametrize(('cls', 'protocol'), PARTS)
def test_a_part_has_every_member_of_its_protocol(cls, protocol):
    assert missing_members(cls, protocol) == []


def test_protocols_tell_parts_apart():
    assert missing_members(OccForecaster, OccHead) == []  # loss and predict
    assert missing_members(LatentOccHead, Planner) == ['reads']
    assert 'embed_images' not in missing_members(VLOBridge, OccHead)
    assert missing_members(MLPPlanner, VisionLanguageBridge)


def test_a_model_without_past_frames_keeps_no_feature_maps():
    with pytest.raises(NotImplementedError, match='call encode_scene'):
        OccVLA.extract_feat(object.__new__(OccVLA), None)
