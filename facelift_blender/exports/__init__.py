# SPDX-License-Identifier: GPL-3.0-or-later
"""A Take, or the scene built from it, as a file for other programs."""
