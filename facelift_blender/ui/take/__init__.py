# SPDX-License-Identifier: GPL-3.0-or-later
"""A take in the scene: what it reached, how it is adjusted, where it is kept, what is written of it."""
