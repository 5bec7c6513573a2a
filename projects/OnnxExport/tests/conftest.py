import pytest


@pytest.fixture
def onnx():
    """Skips where what exports and runs graphs is missing."""
    for name in ('onnx', 'onnxscript', 'onnxruntime'):
        pytest.importorskip(
            name, reason=f'{name} is not installed (requirements/optional.txt)'
        )
