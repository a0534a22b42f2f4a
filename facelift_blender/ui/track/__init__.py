# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage into takes: track, stop, resume."""
