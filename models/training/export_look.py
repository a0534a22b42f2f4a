# SPDX-License-Identifier: GPL-3.0-or-later
"""The second look as ONNX Runtime runs it best: convolutions in 8 bits; each landmark's mean place from one product over all its map."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from facelift_blender.capture.second_look import KINDS, OUTPUTS

from .export_graph import (
    PICTURE,
    Bytes,
    Graph,
    Layer,
    Port,
    Reach,
    added,
    array,
    convolution,
    folded,
    in_bytes,
    in_full,
    linear,
    reached,
)  # fmt: skip
from .second_look_network import Look, Measured

STEEPEST = 80.0
"""Of a map's logits: e to it can still be summed."""

TOLERANCE = 5e-3
"""Sides of the patch by which points may be moved, in the mean, by products in 8 bits."""


def export(network: Look, path: Path, pictures: Tensor) -> float:
    """Write `path`, the kinds and the patch's size in its metadata; returns how far it moves points, in the mean, from torch's.

    pictures: (B, 3, S, S) such as it will see. Raises ValueError if that is over TOLERANCE.
    """
    part = path.with_suffix(".part")
    model = written_out(network, pictures)
    kinds = [[kind.name, list(kind.landmarks), kind.side] for kind in KINDS]
    onnx.helper.set_model_props(model, {"patch": str(network.config.patch), "kinds": json.dumps(kinds)})
    onnx.save(model, part)
    moved = difference(network, part, pictures)
    if moved > TOLERANCE:
        raise ValueError(f"The exported network's points are {moved:.1e} of the patch away from torch's.")
    os.replace(part, path)
    return moved


@torch.no_grad()
def difference(network: Look, path: Path, pictures: Tensor) -> float:
    """Mean distance between the points of onnxruntime and of torch, in sides of the patch."""
    cuts = (pictures * 255).round().clamp(0, 255)
    seen = {"pictures": cuts.permute(0, 2, 3, 1).byte().numpy()}
    ours, _ = onnxruntime.InferenceSession(str(path)).run(list(Measured._fields), seen)
    return float(torch.linalg.vector_norm(torch.from_numpy(ours) - network.eval()(cuts / 255).points, dim=2).mean())


def written_out(network: Look, pictures: Tensor) -> onnx.ModelProto:
    """The network for bytes (P, S, S, 3); pictures (B, 3, S, S): such as it will see."""
    network = network.eval()
    with torch.no_grad():
        reach = reached(network, lambda: network(pictures))
    return Writer(network, reach).model()


class Writer:
    """Writes a network into a graph. Maps are (P, s, s, C)."""

    def __init__(self, network: Look, reach: dict[nn.Module, Reach]) -> None:
        self.network, self.reach, self.graph = network, reach, Graph()

    def model(self) -> onnx.ModelProto:
        graph, net, size = self.graph, self.network, self.network.config.patch
        fine = self.convolved(PICTURE._replace(name="pictures"), net.fine)
        middle = self.convolved(fine, net.middle)
        coarse = self.convolved(middle, net.coarse)
        middle = self.convolved(self.joined(middle, coarse, net.from_coarse, net.up_middle), net.up_middle)
        fine = self.convolved(self.joined(fine, middle, net.from_middle, net.up_fine), net.up_fine)
        moved, cholesky = self.whole(coarse)
        points = graph("Transpose", graph("Add", self.places(fine), moved), perm=[0, 2, 1])
        outputs = [(Port("points", ("patches", OUTPUTS, 2)), points), (Port("cholesky", ("patches", OUTPUTS, 3)), cholesky)]
        return graph.model([Port("pictures", ("patches", size, size, 3), np.uint8)], outputs)

    def convolved(self, seen: Bytes, layers: nn.Sequential) -> Bytes:
        """Through convolutions, each with its normalisation and what cuts off below 0."""
        parts = [part for part in layers.modules() if isinstance(part, nn.Conv2d | nn.BatchNorm2d | nn.ReLU)]
        for layer, norm, relu in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            seen = convolution(self.graph, seen, Bytes.reaching(self.reach[relu].went), layer, norm)
        return seen

    def joined(self, seen: Bytes, below: Bytes, narrow: nn.Conv2d, onward: nn.Module) -> Bytes:
        """What was seen, and what the maps half as fine made of it."""
        graph = self.graph
        told = convolution(graph, below, Bytes.reaching(self.reach[narrow].went, signed=True), narrow)
        cells = self.network.config.patch // 4 if onward is self.network.up_fine else self.network.config.patch // 8
        twice, name = graph.constant(np.arange(cells) // 2, np.int64), told.name
        for axis in (1, 2):
            name = graph("Gather", name, twice, axis=axis)
        return added(graph, seen, told._replace(name=name), Bytes.reaching(self.reach[onward].came, signed=True))

    def places(self, fine: Bytes) -> str:
        """(P, 2, OUTPUTS) the mean place of each landmark's map."""
        graph, net = self.graph, self.network
        weight, bias = folded(net.maps, None)
        weight, scale = in_bytes(weight[:, :, 0, 0].T)
        cells = (net.config.patch // 4) ** 2
        rows = graph.shaped(fine.name, -1, cells, len(weight))
        told = graph(
            "com.microsoft:MatMulIntegerToFloat", rows, graph.constant(weight, np.int8), graph.constant(fine.scale), graph.constant(scale),
            graph.constant(fine.zero, np.uint8), graph.constant(np.zeros(len(scale)), np.int8), graph.constant(bias),
        )  # fmt: skip
        shares = graph("Exp", graph("Clip", told, graph.constant(-STEEPEST), graph.constant(STEEPEST)))
        at = np.concatenate([array(net.places).T, np.ones((1, cells))])
        sums, whole = graph.split(graph("MatMul", graph.constant(at), shares), 1, 2, 1)
        return graph("Div", sums, whole)

    def whole(self, coarse: Bytes) -> tuple[str, str]:
        """(P, 2, OUTPUTS) by how much the whole patch moves the places, and (P, OUTPUTS, 3) the covariances' roots."""
        graph, (layer, relu, _, last) = self.graph, self.network.whole
        narrow = in_full(graph, convolution(graph, coarse, Bytes.reaching(self.reach[relu].went), layer))
        weight = array(last.weight).reshape(OUTPUTS, 5, layer.out_channels, -1)  # torch has the channels first
        weight = weight.transpose(3, 2, 1, 0).reshape(-1, 5 * OUTPUTS)
        told = linear(graph, Layer(weight, array(last.bias).reshape(OUTPUTS, 5).T.ravel()), graph("Flatten", narrow))
        moved, noise = graph.split(graph.shaped(told, -1, 5, OUTPUTS), 1, 2, 3)
        near = graph("Clip", noise, graph.constant(-4.0), graph.constant(4.0))
        scale, slant = (graph("Mul", part, graph.constant(0.02)) for part in (graph("Exp", near), noise))
        chosen = graph("Where", graph.constant([[True], [False], [True]], bool), scale, slant)
        return graph("Mul", moved, graph.constant(0.02)), graph("Transpose", chosen, perm=[0, 2, 1])
