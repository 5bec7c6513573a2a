"""Importing mmocc is light and silences eight warnings of spconv alone."""

import importlib
import subprocess
import sys
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


def test_no_heavy_package_is_imported():
    code = (
        'import sys, mmocc;'
        "heavy = ('torch', 'cv2', 'mmcv', 'mmdet', 'mmdet3d', 'transformers');"
        'print([name for name in heavy if name in sys.modules])'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert done.stdout.strip() == '[]', done.stderr


def test_mmocc_works_without_mmengine():
    code = (
        'import sys; sys.modules["mmengine"] = None;'
        'import mmocc; print(mmocc.__version__)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True
    )
    assert done.stdout.strip() == mmocc.__version__, done.stderr
