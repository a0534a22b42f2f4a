# SPDX-License-Identifier: GPL-3.0-or-later
"""The regressor as ONNX Runtime runs it best: one face at a time, 8-bit products, and none of what torch's exporter adds.

What it writes for the same arithmetic spends a third of its time in reshapes, transpositions and shapes of shapes. Here attention is one
node, queries, keys and values are one product, what the stem saw at a landmark is gathered by rows, and a layer's normalisation is a
division by the row's length alone: the layers before leave no mean, and gain and bias are the next layer's.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import onnx
import torch
from onnx import TensorProto
from torch import Tensor, nn

from .export_graph import (
    PICTURE,
    Bytes,
    Graph,
    Layer,
    Port,
    Reach,
    added,
    array,
    coarse,
    convolution,
    in_full,
    level,
    linear,
    reached,
    side_by_side,
)  # fmt: skip
from .regressor import OCTAVES, Attention, Block, Regressor, Residual

STEPS = (4, 8)
"""Pixels of the picture to a cell of the two maps in which landmarks are looked up."""


def written_out(network: Regressor, pictures: Tensor, focal: Tensor) -> onnx.ModelProto:
    """The network for bytes (1, S, S, 3) and a focal length (1, 1); pictures (B, 3, S, S) and focal (B, 1): such as it will see."""
    network = network.eval()
    with torch.no_grad():
        reach = reached(network, lambda: network(pictures, focal))
    return Writer(network, reach).model()


class Guess(NamedTuple):
    """Landmarks (N, 3), noise (N, 3), rotation (3, 3), translation (1, 3), presence (1, 1)."""

    landmarks: str
    noise: str
    rotation: str
    translation: str
    presence: str


class Writer:
    """Writes a network into a graph. Tokens are (1, T, width) without a mean, or of length 1."""

    def __init__(self, network: Regressor, reach: dict[nn.Module, Reach]) -> None:
        self.network, self.config, self.reach, self.graph = network, network.config, reach, Graph()

    def model(self) -> onnx.ModelProto:
        """Inputs picture and focal; outputs as the torch network's, presence as a probability."""
        graph, size, count = self.graph, self.config.picture, self.config.landmarks
        guess = self.prediction()
        inputs = [Port("picture", (1, size, size, 3), np.uint8), Port("focal", (1, 1))]
        outputs = [
            (Port("landmarks", (1, count, 3)), graph.shaped(guess.landmarks, 1, count, 3)),
            (Port("cholesky", (1, count, 3)), graph.shaped(self.cholesky(guess.noise), 1, count, 3)),
            (Port("rotation", (1, 3, 3)), graph.shaped(guess.rotation, 1, 3, 3)),
            (Port("translation", (1, 3)), guess.translation),
            (Port("score", (1,)), graph.shaped(graph("Sigmoid", guess.presence), 1)),
        ]
        return graph.model(inputs, outputs)

    def prediction(self) -> Guess:
        """The last of the guesses."""
        graph, net, config = self.graph, self.network, self.config
        fine, middle, image = self.stem()
        whole = self.summary(image)
        pose, shape = self.perceptron(net.first_pose, whole), linear(graph, Layer.of(net.first_shape), whole)
        shape = graph.shaped(shape, config.landmarks, 3)
        guess = self.guess(shape, "", pose)
        context, tables = self.encoded(image), [self.table(seen) for seen in (fine, middle)]
        tokens = graph("Add", graph.constant(level(array(net.tokens))), self.centred(whole))
        for block, local in zip(net.decoder, net.local, strict=True):
            columns = np.concatenate([np.full(config.stem[1], fine.scale), np.full(config.stem[2], middle.scale), np.ones(4 * OCTAVES)])
            seen = linear(graph, Layer.of(local).level().scaled(columns), self.look(tables, guess))
            seen = graph("Pad", seen, graph.constant([0, 0, config.pose_tokens, 0], np.int64))
            tokens = self.block(block, graph("Add", tokens, seen), context)
            guess = self.better(tokens, shape, pose, last=block is net.decoder[-1])
        return guess

    # ------------------------------------------------------------ the picture

    def stem(self) -> tuple[Bytes, Bytes, Bytes]:
        """What its stages saw, (1, s, s, C): a quarter, an eighth and a sixteenth of the picture's side."""
        seen, stages = PICTURE._replace(name="picture"), []
        for stage in (self.network.fine, self.network.middle, self.network.coarse):
            layers = iter(stage)
            for layer in layers:
                seen = self.residual(layer, seen) if isinstance(layer, Residual) else self.seen(seen, layer, next(layers), next(layers))
            stages.append(seen)
        return tuple(stages)

    def seen(self, seen: Bytes, layer: nn.Conv2d, norm: nn.BatchNorm2d, relu: nn.ReLU) -> Bytes:
        return convolution(self.graph, seen, Bytes.reaching(self.reach[relu].went), layer, norm)

    def residual(self, residual: Residual, seen: Bytes) -> Bytes:
        first, first_norm, relu, second, second_norm = residual.layers
        inner = self.seen(seen, first, first_norm, relu)
        inner = convolution(self.graph, inner, Bytes.reaching(self.reach[second_norm].went, signed=True), second, second_norm)
        return added(self.graph, seen, inner, Bytes.reaching(self.reach[residual].went))

    def summary(self, image: Bytes) -> str:
        """(1, width)."""
        (layer, norm, relu, _), first, _, second = self.network.summary
        narrow = in_full(self.graph, self.seen(image, layer, norm, relu))
        weight = array(first.weight).reshape(first.out_features, layer.out_channels, -1)  # torch has the channels first
        whole = Layer(weight.transpose(2, 1, 0).reshape(-1, first.out_features), array(first.bias))
        hidden = linear(self.graph, whole, self.graph("Flatten", narrow))
        return linear(self.graph, Layer.of(second), self.gelu(hidden))

    def encoded(self, image: Bytes) -> str:
        """The image tokens and one of the lens, (1, s^2 + 1, width), of length 1."""
        graph, net = self.graph, self.network
        image = graph("Add", graph.shaped(in_full(graph, image), 1, -1, self.config.width), graph.constant(array(net.place)))
        lens = graph.shaped(self.perceptron(net.lens, graph("Log", "focal")), 1, 1, self.config.width)
        tokens = self.centred(graph("Concat", image, lens, axis=1))
        for block in net.encoder:
            tokens = self.block(block, tokens)
        return self.unit(tokens)

    # ------------------------------------------------------------ tokens

    def perceptron(self, layers: nn.Sequential, rows: str) -> str:
        first, _, second = layers
        return linear(self.graph, Layer.of(second), self.gelu(linear(self.graph, Layer.of(first), rows)))

    def gelu(self, rows: str) -> str:
        return self.graph("com.microsoft:Gelu", rows)

    def unit(self, rows: str) -> str:
        """Rows of length 1."""
        return self.graph("LpNormalization", rows, axis=-1, p=2)

    def centred(self, rows: str) -> str:
        return self.graph("Sub", rows, self.graph("ReduceMean", rows, axes=[-1]))

    def block(self, block: Block, tokens: str, context: str = "") -> str:
        graph, width = self.graph, self.config.width
        together = side_by_side(Layer.of(block.own.query), Layer.of(block.own.key_value)).after(block.own_norm)
        told = graph.split(coarse(graph, together, self.unit(tokens)), 2, width, width, width)
        tokens = graph("Add", tokens, self.attention(block.own, *told))
        if block.cross is not None:
            asked = coarse(graph, Layer.of(block.cross.query).after(block.cross_norm), self.unit(tokens))
            told = coarse(graph, Layer.of(block.cross.key_value).after(self.network.encoded), context)
            tokens = graph("Add", tokens, self.attention(block.cross, asked, *graph.split(told, 2, width, width)))
        first, _, second = block.mlp
        hidden = self.gelu(coarse(graph, Layer.of(first).after(block.mlp_norm), self.unit(tokens)))
        return graph("Add", tokens, coarse(graph, Layer.of(second).level(), hidden))

    def attention(self, attention: Attention, query: str, key: str, value: str) -> str:
        seen = self.graph("com.microsoft:MultiHeadAttention", query, key, value, num_heads=attention.heads)
        return coarse(self.graph, Layer.of(attention.out).level(), seen)

    # ------------------------------------------------------------ guesses

    def better(self, tokens: str, shape: str, pose: str, last: bool) -> Guess:
        """The guess of tokens, beginning from the first shape (N, 3) and pose (1, 10); its noise is told at last.

        The heads are multiplied in full: in 8 bits landmarks tremble by 5 % more, with these by 2 %.
        """
        graph, net, count = self.graph, self.network, self.config.landmarks
        tokens, poses = graph.split(self.unit(tokens), 1, count, self.config.pose_tokens)
        tokens, poses = graph.shaped(tokens, count, -1), graph.shaped(poses, 1, -1)
        heads = (net.point_head, net.noise_head) if last else (net.point_head,)
        hidden = self.gelu(linear(graph, side_by_side(*(Layer.of(head[0]).after(net.decoded) for head in heads)), tokens))
        ends = [Layer.of(head[2]) for head in heads]
        weight = np.zeros((sum(len(end.weight) for end in ends), 3 * len(ends)))
        for number, end in enumerate(ends):
            weight[number * len(end.weight) : (number + 1) * len(end.weight), 3 * number : 3 * number + 3] = end.weight
        told = linear(graph, Layer(weight, np.concatenate([end.bias for end in ends])), hidden)
        points, noise = graph.split(told, 1, 3, 3) if last else (told, "")
        whole = graph("Concat", poses, graph("ReduceMean", tokens, axes=[0]), axis=1)
        first, _, second = net.pose_head
        turned = linear(graph, Layer.of(second), self.gelu(linear(graph, Layer.of(first).after(net.decoded), whole)))
        return self.guess(graph("Add", shape, points), noise, graph("Add", pose, turned))

    def guess(self, points: str, noise: str, pose: str) -> Guess:
        """Of points (N, 3) in centimetres from the mean, and pose (1, 10)."""
        graph = self.graph
        landmarks = graph("Add", graph("Mul", points, graph.constant(0.01)), graph.constant(array(self.network.mean)))
        first, second, middle, far, presence = graph.split(
            graph("Add", pose, graph.constant([[*array(self.network.ahead), 0, 0, 0, 0]])), 1, 3, 3, 2, 1, 1
        )
        depth = graph("Exp", graph("Add", far, graph.constant(math.log(0.25))))
        translation = graph("Concat", graph("Mul", middle, depth), graph("Mul", depth, "focal"), axis=1)
        return Guess(landmarks, noise, self.rotation(first, second), translation, presence)

    def rotation(self, first: str, second: str) -> str:
        """Two rows (1, 3), made orthonormal: (3, 3)."""
        graph, cross = self.graph, np.zeros((3, 3, 3))
        first = self.unit(first)
        along = graph("Gemm", second, first, transB=1)
        second = self.unit(graph("Sub", second, graph("Mul", along, first)))
        for a, b, c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            cross[a, b, c], cross[b, a, c] = 1.0, -1.0
        products = graph.shaped(graph("Gemm", first, second, transA=1), 1, 9)
        return graph("Concat", first, second, graph("MatMul", products, graph.constant(cross.reshape(9, 3))), axis=0)

    def cholesky(self, noise: str) -> str:
        graph = self.graph
        scale = graph("Exp", graph("Clip", noise, graph.constant(-4.0), graph.constant(4.0)))
        chosen = graph("Where", graph.constant([[True, False, True]], bool), scale, noise)
        return graph("Mul", chosen, graph.constant(0.01))

    # ------------------------------------------------------------ what the stem saw at a landmark

    def table(self, seen: Bytes) -> str:
        """(1, s, s, C) -> ((s + 2)^2, C): a row for each cell, and a rim of nothing."""
        rim = self.graph("Pad", seen.name, self.graph.constant([0, 1, 1, 0, 0, 1, 1, 0], np.int64), self.graph.constant(0, np.uint8))
        return self.graph("Flatten", rim, axis=3)

    def look(self, tables: list[str], guess: Guess) -> str:
        """(N, channels + 4 OCTAVES): what is at the landmarks' places in the tables, in bytes, and where those are."""
        graph, count = self.graph, self.config.landmarks
        seen = graph("Add", graph("Gemm", guess.landmarks, guess.rotation, transB=1), guess.translation)
        level, depth = graph.split(seen, 1, 2, 1)
        at = graph("Div", graph("Mul", level, "focal"), graph("Max", depth, graph.constant(0.02)))  # from the middle, in sides
        octaves = np.kron(np.eye(2), math.pi * 2.0 ** np.arange(OCTAVES))
        angles = graph("MatMul", at, graph.constant(octaves))
        rows, shares = self.corners(at)
        found = [
            graph("MatMul", graph.shaped(share, count, 1, 4), graph("Cast", graph("Gather", table, row), to=TensorProto.FLOAT))
            for table, row, share in zip(tables, rows, shares, strict=True)
        ]
        found = graph.shaped(graph("Concat", *found, axis=2), count, -1)
        return graph("Concat", found, graph("Sin", angles), graph("Cos", angles), axis=1)

    def corners(self, at: str) -> tuple[list[str], list[str]]:
        """For each table the rows (N, 4) of the cells about places (N, 2), and their shares (N, 4): bilinear."""
        graph, sides = self.graph, np.repeat([self.config.picture // step for step in STEPS], 2)
        to_cells = Layer(np.tile(np.eye(2), 2) * sides, (sides + 1) / 2)  # the rim is cell 0
        cells = graph("Max", linear(graph, to_cells, at), graph.constant(0.0))
        cells = graph("Min", cells, graph.constant(sides + 1 - 1e-4))
        corner = graph("Floor", cells)
        right, down = np.tile([0.0, 1.0, 0.0, 1.0], 2), np.tile([0.0, 0.0, 1.0, 1.0], 2)
        wide = np.repeat(sides[::2] + 2, 4)
        x, y = (np.kron(np.eye(2), np.ones((1, 4)))[[0, 0, 1, 1]] * np.array([[keep], [1 - keep]] * 2) for keep in (1, 0))
        rows = graph("Cast", linear(graph, Layer(x + y * wide, right + down * wide), corner), to=TensorProto.INT64)
        part = graph("Sub", cells, corner)
        across, along = (linear(graph, Layer(which * (2 * far - 1), 1 - far), part) for which, far in ((x, right), (y, down)))
        return graph.split(rows, 1, 4, 4), graph.split(graph("Mul", across, along), 1, 4, 4)
