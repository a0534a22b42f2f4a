# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks written out for ONNX Runtime, in the fewest and fastest nodes: the graph, and layers that multiply in 8 bits.

Pictures are (B, H, W, C) bytes all the way through the convolutions, as they are cut from footage, so that nothing is turned round.
Weights have one bit less than there is room for: processors without VNNI add pairs of products in 16 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

OPSET: Final = 17
MOST: Final = 64
"""Of an 8-bit weight."""

Values = NDArray[np.float64]
KINDS: Final = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.uint8): TensorProto.UINT8}


def array(tensor: Tensor) -> Values:
    return tensor.detach().double().numpy()


# ---------------------------------------------------------------- the graph


class Port(NamedTuple):
    """An input or output of the file. shape: a name stands for what is free."""

    name: str
    shape: tuple[int | str, ...]
    kind: type = np.float32


@dataclass
class Graph:
    """Nodes in order, and constants. It is called with an operator (`domain:Operator`), and returns the name of the output."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def __call__(self, operator: str, *inputs: str, **attributes: Any) -> str:
        return self.several(operator, 1, *inputs, **attributes)[0]

    def several(self, operator: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """A node with several outputs."""
        domain, _, kind = operator.rpartition(":")
        told = [f"{kind}_{len(self.nodes)}_{number}" for number in range(count)]
        self.nodes.append(helper.make_node(kind, inputs, told, name=told[0], domain=domain, **attributes))
        return told

    def constant(self, values: Any, kind: type = np.float32) -> str:
        """The name of an array that is part of the file."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype=kind, order="C"), name))
        return name

    def shaped(self, tensor: str, *shape: int) -> str:
        return self("Reshape", tensor, self.constant(shape, np.int64))

    def split(self, tensor: str, axis: int, *sizes: int) -> list[str]:
        return self.several("Split", len(sizes), tensor, self.constant(sizes, np.int64), axis=axis)

    def model(self, inputs: Sequence[Port], outputs: Sequence[tuple[Port, str]]) -> onnx.ModelProto:
        """The file's content; outputs with the names that they have so far."""
        last = [helper.make_node("Identity", [told], [port.name], name=port.name) for port, told in outputs]
        ins, outs = (
            [helper.make_tensor_value_info(port.name, KINDS[np.dtype(port.kind)], port.shape) for port in ports]
            for ports in (inputs, [port for port, _ in outputs])
        )
        graph = helper.make_graph([*self.nodes, *last], "FaceLift", ins, outs, self.constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


# ---------------------------------------------------------------- linear layers


@dataclass(frozen=True)
class Layer:
    """x @ weight (K, M) + bias (M,)."""

    weight: Values
    bias: Values

    @classmethod
    def of(cls, linear: nn.Linear) -> Layer:
        return cls(array(linear.weight).T, array(linear.bias))

    def after(self, norm: nn.LayerNorm) -> Layer:
        """For rows that were brought to length 1, not to a variance of 1, and have neither gain nor bias: the layer has them."""
        times = len(self.weight) // len(norm.weight)
        gain, bias = np.tile(array(norm.weight), times), np.tile(array(norm.bias), times)
        return Layer(self.weight * gain[:, None] * len(norm.weight) ** 0.5, self.bias + bias @ self.weight)

    def level(self) -> Layer:
        """With outputs whose mean is 0."""
        return Layer(level(self.weight), level(self.bias))

    def scaled(self, columns: Values) -> Layer:
        """For inputs that are `columns` (K,) times too small."""
        return Layer(self.weight * columns[:, None], self.bias)


def level(rows: Values) -> Values:
    """Without the mean of the last axis."""
    return rows - rows.mean(axis=-1, keepdims=True)


def side_by_side(*layers: Layer) -> Layer:
    """Layers of the same input as one."""
    return Layer(np.concatenate([layer.weight for layer in layers], axis=1), np.concatenate([layer.bias for layer in layers]))


def linear(graph: Graph, layer: Layer, rows: str) -> str:
    """(T, K) -> (T, M)."""
    return graph("Gemm", rows, graph.constant(layer.weight), graph.constant(layer.bias))


def coarse(graph: Graph, layer: Layer, rows: str) -> str:
    """(..., K) -> (..., M), multiplied in 8 bits; the rows' scale is taken from what they are."""
    weight, scale = in_bytes(layer.weight)
    constants = graph.constant(weight, np.int8), graph.constant(scale), graph.constant(np.zeros(len(scale)), np.int8)
    return graph("com.microsoft:DynamicQuantizeMatMul", rows, *constants, graph.constant(layer.bias))


def in_bytes(weight: Values) -> tuple[Values, Values]:
    """(..., M) whole numbers up to `MOST`, and the scale (M,) of each column."""
    scale = np.abs(weight).reshape(-1, weight.shape[-1]).max(axis=0) / MOST + 1e-12
    return np.rint(weight / scale), scale


# ---------------------------------------------------------------- convolutions


class Bytes(NamedTuple):
    """A tensor in 8 bits: (byte - zero) * scale."""

    name: str
    scale: float
    zero: int = 0

    @classmethod
    def reaching(cls, most: float, signed: bool = False) -> Bytes:
        """How to write what goes up to `most`; nameless yet."""
        return cls("", max(most, 1e-6) / (127 if signed else 255), 128 if signed else 0)


PICTURE: Final = Bytes("", 4 / 255, 128)
"""How the networks see a picture's bytes: from -2 to 2."""


def ends(graph: Graph, tensor: Bytes) -> tuple[str, str]:
    """Scale and zero as constants."""
    return graph.constant(tensor.scale), graph.constant(tensor.zero, np.uint8)


def convolution(graph: Graph, seen: Bytes, told: Bytes, layer: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> Bytes:
    """With its normalisation in its weights; written as `told`, which cuts off what is below 0 if its zero is there."""
    weight, bias = folded(layer, norm)
    weight, scale = in_bytes(np.moveaxis(weight, 0, -1))
    scale = np.maximum(scale, np.abs(bias) / seen.scale / 2**30)  # of a channel that sees nothing
    constants = [
        graph.constant(np.moveaxis(weight, -1, 0), np.int8), graph.constant(scale), graph.constant(np.zeros(len(scale)), np.int8),
        *ends(graph, told), graph.constant(np.rint(bias / scale / seen.scale), np.int32),
    ]  # fmt: skip
    shape = {"kernel_shape": layer.kernel_size, "pads": [*layer.padding] * 2, "strides": layer.stride, "group": layer.groups}
    node = graph("com.microsoft:QLinearConv", seen.name, *ends(graph, seen), *constants, channels_last=1, **shape)
    return told._replace(name=node)


def folded(layer: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Values, Values]:
    """Weights (M, C, h, w) and bias (M,) of both together."""
    weight = array(layer.weight)
    bias = np.zeros(len(weight)) if layer.bias is None else array(layer.bias)
    if norm is None:
        return weight, bias
    gain = array(norm.weight) / np.sqrt(array(norm.running_var) + norm.eps)
    return weight * gain[:, None, None, None], array(norm.bias) + (bias - array(norm.running_mean)) * gain


def added(graph: Graph, a: Bytes, b: Bytes, told: Bytes) -> Bytes:
    return told._replace(name=graph("com.microsoft:QLinearAdd", a.name, *ends(graph, a), b.name, *ends(graph, b), *ends(graph, told)))


def in_full(graph: Graph, tensor: Bytes) -> str:
    return graph("DequantizeLinear", tensor.name, *ends(graph, tensor))


# ---------------------------------------------------------------- what values a network reaches


class Reach(NamedTuple):
    """Magnitudes that came into a module, and out of it."""

    came: float
    went: float


def reached(network: nn.Module, look: Callable[[], object]) -> dict[nn.Module, Reach]:
    """Of each module that takes and gives one tensor, while `look` has the network see pictures as it will see them.

    One picture in ten reaches further: rounding all more coarsely for the few largest values costs more than cutting those off.
    """
    reaches: dict[nn.Module, Reach] = {}

    def note(module: nn.Module, came: tuple[object, ...], went: object) -> None:
        if isinstance(came[0], Tensor) and isinstance(went, Tensor):
            reaches[module] = Reach(*(float(tensor.detach().flatten(1).abs().amax(dim=1).quantile(0.9)) for tensor in (came[0], went)))

    with ExitStack() as hooks:
        for module in network.modules():
            hooks.callback(module.register_forward_hook(note).remove)
        look()
    return reaches
