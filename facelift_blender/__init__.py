# SPDX-License-Identifier: GPL-3.0-or-later
"""FaceLift: footage of a face into animation.

Importing the package imports nothing else, so that `capture`, `rigs` and the file formats work without Blender.
"""

from __future__ import annotations


def register() -> None:
    """Add FaceLift's panels, operators and properties to Blender."""
    from .registration import register_all

    register_all()


def unregister() -> None:
    """Take out of Blender all that `register` put in."""
    from .registration import unregister_all

    unregister_all()
