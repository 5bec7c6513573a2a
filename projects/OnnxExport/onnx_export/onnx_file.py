"""Write ONNX files, run them, and compare them with PyTorch."""

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
    """Module with named tensors in and out.

    Attributes:
        inputs (tuple[str, ...]): Names of the inputs, in order.
        outputs (tuple[str, ...]): Names of the outputs, in order.
        free (dict[str, dict[int, str]]): Names of the dimensions that may
            have any length, by input and dimension.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    free: dict[str, dict[int, str]]

    def __call__(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Map inputs in order to outputs in order."""


def to_onnx(
    graph: Graph,
    example: Mapping[str, Tensor],
    metadata: Mapping[str, str],
) -> bytes:
    """Export a graph to the content of an ONNX file.

    Args:
        graph (Graph): In evaluation mode, on the CPU.
        example (Mapping[str, Tensor]): Inputs by name. All but the graph's
            ``free`` dimensions keep these lengths.
        metadata (Mapping[str, str]): Facts that a user of the file must know.

    Returns:
        bytes: Content of an ONNX file.

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
        content (bytes): Content of the file.
        inputs (Mapping[str, Tensor]): Inputs by name.

    Returns:
        dict[str, np.ndarray]: Outputs by name.

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
    """Compute the largest difference of each output from PyTorch.

    A point within rounding of the border of a view or a voxel falls to either
    side, in PyTorch's single precision as well. So each number is compared
    with the nearer of PyTorch's single and double precision.

    Args:
        graph (Graph): Exported module.
        content (bytes): Content of its file.
        inputs (Mapping[str, Tensor]): Inputs by name.

    Returns:
        dict[str, float]: Largest absolute difference by output.
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
    """Write a file, in full or not at all."""
    with atomic_open(path) as file:
        file.write(content)


def _onnxscript_opset() -> ModuleType:
    """Import the operators, or say how to install them."""
    try:
        import onnx  # noqa: F401
        from onnxscript import opset18
    except ImportError as error:
        raise ImportError(f'{error}; {WAY_OUT}') from error
    return opset18


def _translations(opset: ModuleType) -> dict[Any, Callable]:
    """Return rules for operators for which the exporter has none."""

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
