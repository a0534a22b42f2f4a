# SPDX-License-Identifier: GPL-3.0-or-later
"""These tests run inside Blender."""

from blender import empty_file, pytest_sessionfinish, pytest_unconfigure  # noqa: F401
