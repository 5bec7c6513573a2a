"""From a graph to an ONNX file, and back to numbers."""

import contextlib
import copy
import io
import os
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from mmocc.utils.atomic import atomic_open

# The first in which every operator used here exists as torch writes it.
OPSET = 18
WAY_OUT = (
    'run `pip install onnx onnxscript onnxruntime` (versions in '
    'requirements/optional.txt)'
)


class Graph(Protocol):
    """A module with named tensors in and out.

    Attributes:
        inputs (tuple[str, ...]): In order.
        outputs (tuple[str, ...]): In order.
        free (dict[str, dict[int, str]]): By input, the dimensions of any
            length, with a name each.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    free: dict[str, dict[int, str]]

    def __call__(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Outputs in order, for inputs in order."""


def to_onnx(
    graph: Graph,
    example: Mapping[str, Tensor],
    metadata: Mapping[str, str],
) -> bytes:
    """Export a graph.

    Args:
        graph (Graph): In evaluation mode, on the CPU.
        example (Mapping[str, Tensor]): Every input. All but the graph's
            ``free`` dimensions keep these lengths.
        metadata (Mapping[str, str]): What a user of the file must know.

    Returns:
        bytes: The content of an ONNX file.

    Raises:
        ImportError: If ``onnx`` or ``onnxscript`` is missing.
    """
    opset = _onnxscript_opset()
    free = None  # all dimensions are fixed
    if graph.free:
        free = tuple(graph.free.get(name) for name in graph.inputs)
    # The exporter prints its progress.
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        program = torch.onnx.export(
            graph,
            tuple(example[name] for name in graph.inputs),
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=free,
            opset_version=OPSET,
            dynamo=True,
            custom_translation_table=_translations(opset),
            verbose=False,
        )
    proto = program.model_proto
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value)
    return proto.SerializeToString()


def run_onnx(
    content: bytes, inputs: Mapping[str, Tensor]
) -> dict[str, np.ndarray]:
    """Run an ONNX file with onnxruntime on the CPU.

    Args:
        content (bytes): Of the file.
        inputs (Mapping[str, Tensor]): Every input.

    Returns:
        dict[str, np.ndarray]: Every output.

    Raises:
        ImportError: If ``onnxruntime`` is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f'{error}; {WAY_OUT}') from error
    session = onnxruntime.InferenceSession(
        content, providers=['CPUExecutionProvider']
    )
    values = session.run(
        None, {name: value.numpy() for name, value in inputs.items()}
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, values, strict=True))


def differences(
    graph: Graph, content: bytes, inputs: Mapping[str, Tensor]
) -> dict[str, float]:
    """How far an ONNX file is from its graph, the largest by output.

    A point within rounding of the border of a view or a voxel falls to either
    side, in PyTorch's single precision as well. So each number counts as far
    as it is from the nearer of PyTorch's single and double precision.

    Args:
        graph (Graph): What was exported.
        content (bytes): Of the file.
        inputs (Mapping[str, Tensor]): Every input.
    """
    given = [inputs[name] for name in graph.inputs]
    with torch.no_grad():
        single = graph(*given)
        double = copy.deepcopy(graph).double()(
            *(x.double() if x.is_floating_point() else x for x in given)
        )
    got = run_onnx(content, inputs)
    return {
        name: float(
            np.minimum(*(np.abs(got[name] - x.numpy()) for x in pair)).max()
        )
        for name, *pair in zip(graph.outputs, single, double, strict=True)
    }


def write_onnx(path: str | os.PathLike, content: bytes) -> None:
    """Write the file, in full or not at all."""
    with atomic_open(path) as file:
        file.write(content)


def _onnxscript_opset() -> ModuleType:
    try:
        import onnx  # noqa: F401
        from onnxscript import opset18
    except ImportError as error:
        raise ImportError(f'{error}; {WAY_OUT}') from error
    return opset18


def _translations(opset: ModuleType) -> dict[Any, Callable]:
    """Operators for which the exporter has no rule."""

    def cdist(first, second, p: float, compute_mode: int = 0):
        if p != 2:
            raise ValueError(f'cdist with p = {p} is not exported, only 2')
        apart = opset.Sub(
            opset.Unsqueeze(first, [-2]), opset.Unsqueeze(second, [-3])
        )
        squares = opset.ReduceSum(opset.Mul(apart, apart), [-1], keepdims=0)
        return opset.Sqrt(squares)

    def stable_sort(
        values, stable: bool = True, dim: int = -1, descending: bool = False
    ):
        # TopK puts the lower index first where values are equal.
        length = opset.Gather(opset.Shape(values), [dim])
        return opset.TopK(values, length, axis=dim, largest=int(descending))

    return {
        torch.ops.aten._cdist_forward.default: cdist,
        torch.ops.aten.sort.stable: stable_sort,
    }
