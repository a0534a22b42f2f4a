# SPDX-License-Identifier: GPL-3.0-or-later
"""A Take becomes Blender objects, and nothing of Blender goes further down."""
