"""A part of another width than the language model is named at once."""

import pytest

from mmocc.models.detectors import require_token_width


def test_equal_widths_and_absent_parts_pass():
    parts = dict(planner=dict(embed_dims=8), occ_head=None)
    require_token_width(8, parts, 'embed_dims')


def test_another_width_is_named_with_the_way_out():
    parts = dict(forecaster=dict(llm_dims=4096))
    with pytest.raises(
        ValueError,
        match=r'model\.forecaster\.llm_dims is 4096.* 896 wide; set it to 896',
    ):
        require_token_width(896, parts, 'llm_dims')
