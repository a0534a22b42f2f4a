# SPDX-License-Identifier: GPL-3.0-or-later
"""Shaders: skin with lips, scalp and shirt, eyes, teeth, hair, and what stands behind."""

from __future__ import annotations

from typing import Any

import bpy

from facelift_blender.rigs.head import PARTS

from .character import Character, Color


class Nodes:
    """A material's node tree, written as expressions: every method adds a node and gives its output."""

    def __init__(self, name: str) -> None:
        self.material = bpy.data.materials.new(name)
        self.material.use_nodes = True
        self.tree = self.material.node_tree
        self.shader = self.tree.nodes["Principled BSDF"]

    def set(self, **inputs: Any) -> Nodes:
        """Set or link inputs of the principled shader, spaces of their names written as underscores."""
        for name, value in inputs.items():
            self._feed(self.shader.inputs[name.replace("_", " ")], value)
        return self

    def attribute(self, name: str, output: str = "Fac") -> bpy.types.NodeSocket:
        return self.node("ShaderNodeAttribute", {}, attribute_name=name).outputs[output]

    def noise(self, scale: float, detail: float = 2.0) -> bpy.types.NodeSocket:
        """0 to 1, over the rest position in metres."""
        where = self.attribute("rest", "Vector")
        return self.node("ShaderNodeTexNoise", {"Vector": where, "Scale": scale, "Detail": detail}).outputs["Fac"]

    def ramp(self, value: Any, low: float, high: float) -> bpy.types.NodeSocket:
        """0 below `low`, 1 above `high`."""
        inputs = {"Value": value, "From Min": low, "From Max": high}
        return self.node("ShaderNodeMapRange", inputs, interpolation_type="SMOOTHSTEP").outputs["Result"]

    def math(self, operation: str, a: Any, b: Any = 0.0) -> bpy.types.NodeSocket:
        return self.node("ShaderNodeMath", {0: a, 1: b}, operation=operation).outputs[0]

    def mix(self, share: Any, a: Any, b: Any) -> bpy.types.NodeSocket:
        """Colours a to b."""
        return self.node("ShaderNodeMix", {0: share, 6: a, 7: b}, data_type="RGBA").outputs[2]

    def separate(self, vector: Any) -> tuple[bpy.types.NodeSocket, ...]:
        return tuple(self.node("ShaderNodeSeparateXYZ", {0: vector}).outputs)

    def uv(self) -> bpy.types.NodeSocket:
        return self.node("ShaderNodeTexCoord", {}).outputs["UV"]

    def node(self, kind: str, inputs: dict[Any, Any], **properties: Any) -> bpy.types.Node:
        """Any other node, its properties set and its inputs set or linked."""
        node = self.tree.nodes.new(kind)
        for name, value in properties.items():
            setattr(node, name, value)
        for key, value in inputs.items():
            self._feed(node.inputs[key], value)
        return node

    def _feed(self, socket: bpy.types.NodeSocket, value: Any) -> None:
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        else:
            socket.default_value = (*value, 1.0) if isinstance(value, tuple) and len(socket.default_value) == 4 else value


def body_materials(character: Character) -> list[bpy.types.Material]:
    """One material for each of `PARTS`, in order."""
    skin = _skin(character)
    plain = {
        "mouth": Nodes("mouth").set(Base_Color=(0.16, 0.035, 0.03), Roughness=0.35),
        "teeth": Nodes("teeth").set(Base_Color=(0.85, 0.77, 0.64), Roughness=0.2, Emission_Color=(0.8, 0.7, 0.55), Emission_Strength=0.06),
        "tongue": Nodes("tongue").set(Base_Color=(0.42, 0.13, 0.12), Roughness=0.35),
        "pupil": Nodes("pupil").set(Base_Color=(0.002, 0.002, 0.002), Roughness=0.05),
        "lashes": Nodes("lashes").set(Base_Color=(0.008, 0.006, 0.005), Roughness=0.6),
    }
    made = {name: nodes.material for name, nodes in plain.items()}
    made |= {"skin": skin, "lips": skin, "iris": _iris(character.iris), "sclera": _sclera()}
    return [made[part] for part in PARTS]


def _scaled(color: Color, *factors: float) -> Color:
    red, green, blue = (value * factor for value, factor in zip(color, factors if len(factors) == 3 else factors * 3, strict=True))
    return red, green, blue


def _skin(character: Character) -> bpy.types.Material:
    nodes = Nodes("skin")
    tone = character.skin
    blotches = nodes.ramp(nodes.noise(60.0), 0.35, 0.7)
    color = nodes.mix(nodes.math("MULTIPLY", blotches, 0.55), tone, _scaled(tone, 0.92, 0.78, 0.76))
    color = nodes.mix(nodes.math("MULTIPLY", nodes.attribute("flush"), 0.45), color, _scaled(tone, 0.95, 0.62, 0.6))
    spots = nodes.ramp(nodes.noise(420.0, 0.0), 0.62, 0.8)
    color = nodes.mix(nodes.math("MULTIPLY", spots, 0.18 + 0.2 * character.age), color, _scaled(tone, 0.6, 0.5, 0.45))
    if character.stubble > 0.0:
        grain = nodes.math("MULTIPLY", nodes.ramp(nodes.noise(1500.0, 0.0), 0.3, 0.7), 0.9 * character.stubble)
        color = nodes.mix(nodes.math("MULTIPLY", grain, nodes.attribute("stubble")), color, _scaled(character.hair, 2.0))
    color = nodes.mix(nodes.math("MULTIPLY", nodes.attribute("scalp"), 0.75), color, character.hair)
    color = nodes.mix(nodes.ramp(nodes.attribute("lips"), 0.25, 0.8), color, character.lips)
    cloth = _below_collar(nodes)
    roughness = nodes.math("ADD", nodes.math("MULTIPLY", cloth, 0.35), nodes.math("SUBTRACT", 0.58, nodes.math("MULTIPLY", spots, 0.15)))
    nodes.set(Base_Color=nodes.mix(cloth, color, character.shirt), Roughness=roughness)
    nodes.set(Specular_IOR_Level=0.4)
    return nodes.material


def _below_collar(nodes: Nodes) -> bpy.types.NodeSocket:
    """1 on the shirt: below a plane that is higher at the nape."""
    _, y, z = nodes.separate(nodes.attribute("rest", "Vector"))
    height = nodes.math("ADD", y, nodes.math("MULTIPLY", z, 0.6))
    return nodes.math("SUBTRACT", 1.0, nodes.ramp(height, -0.2225, -0.2215))


def _iris(color: Color) -> bpy.types.Material:
    nodes = Nodes("iris")
    x, y, _ = nodes.separate(nodes.uv())
    x, y = nodes.math("SUBTRACT", x, 0.5), nodes.math("SUBTRACT", y, 0.5)
    radius = nodes.math("SQRT", nodes.math("ADD", nodes.math("MULTIPLY", x, x), nodes.math("MULTIPLY", y, y)))
    streaks = nodes.math("SINE", nodes.math("MULTIPLY", nodes.math("ARCTAN2", y, x), 37.0))
    fibres = nodes.mix(nodes.ramp(streaks, -1.0, 1.0), _scaled(color, 0.75), _scaled(color, 1.35))
    limbus = nodes.ramp(radius, 0.145, 0.19)
    nodes.set(Base_Color=nodes.mix(limbus, fibres, _scaled(color, 0.18)), Roughness=0.06)
    return nodes.material


def _sclera() -> bpy.types.Material:
    nodes = Nodes("sclera")
    x, y, _ = nodes.separate(nodes.uv())
    x, y = nodes.math("SUBTRACT", x, 0.5), nodes.math("SUBTRACT", y, 0.5)
    radius = nodes.math("SQRT", nodes.math("ADD", nodes.math("MULTIPLY", x, x), nodes.math("MULTIPLY", y, y)))
    white = nodes.mix(nodes.ramp(radius, 0.19, 0.4), (0.7, 0.66, 0.62), (0.6, 0.46, 0.4))
    nodes.set(Base_Color=white, Roughness=0.1)
    return nodes.material


def hair_material(color: Color) -> bpy.types.Material:
    """Plain strands: diffuse with a soft sheen."""
    return Nodes("hair").set(Base_Color=_scaled(color, 1.1), Roughness=0.6, Specular_IOR_Level=0.12).material


def backdrop(scene: bpy.types.Scene, warmth: float) -> None:
    """A wall far out of focus: an emitting plane with soft large patches of light and shade."""
    nodes = Nodes("backdrop")
    where = nodes.node("ShaderNodeTexCoord", {}).outputs["Object"]
    patches = nodes.node("ShaderNodeTexNoise", {"Vector": where, "Scale": 0.8, "Detail": 1.5}).outputs["Fac"]
    x, y, _ = nodes.separate(where)
    light = nodes.ramp(nodes.math("ADD", nodes.math("ADD", nodes.math("MULTIPLY", patches, 1.2), nodes.math("MULTIPLY", x, 0.12)),
                                  nodes.math("MULTIPLY", y, 0.2)), 0.2, 1.1)  # fmt: skip
    color = nodes.mix(light, (0.05 + 0.1 * max(warmth, 0.0), 0.06, 0.075), (0.32 + warmth, 0.33, 0.34 - warmth))
    nodes.set(Base_Color=(0.0, 0.0, 0.0), Emission_Color=color, Emission_Strength=1.0, Specular_IOR_Level=0.0)
    mesh = bpy.data.meshes.new("Backdrop")
    mesh.from_pydata([(-6.0, -4.0, 0.0), (6.0, -4.0, 0.0), (6.0, 4.0, 0.0), (-6.0, 4.0, 0.0)], [], [(0, 1, 2, 3)])
    mesh.materials.append(nodes.material)
    item = bpy.data.objects.new("Backdrop", mesh)
    item.location = (0.0, 0.0, -2.0)
    scene.collection.objects.link(item)
