"""Importing mmocc silences eight warnings of spconv, and no other."""

import importlib
import warnings

import pytest

import mmocc

SPCONV = 'spconv.pytorch.functional'
DEPRECATED = '`torch.cuda.amp.custom_fwd(args...)` is deprecated. Please use'


@pytest.mark.parametrize(
    ('message', 'category', 'module', 'shown'),
    [
        (DEPRECATED, FutureWarning, SPCONV, False),
        (DEPRECATED, FutureWarning, 'my_project.layers', True),
        (DEPRECATED, UserWarning, SPCONV, True),
        ('Something else changes.', FutureWarning, SPCONV, True),
    ],
)
def test_what_is_shown(message, category, module, shown):
    with warnings.catch_warnings(record=True) as seen:
        warnings.resetwarnings()
        importlib.reload(mmocc)
        warnings.warn_explicit(message, category, 'file.py', 1, module)
    assert bool(seen) is shown


def test_filters_of_the_user_come_first():
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter('error')
        importlib.reload(mmocc)
        with pytest.raises(FutureWarning):
            warnings.warn_explicit(
                DEPRECATED, FutureWarning, 'file.py', 1, SPCONV
            )
