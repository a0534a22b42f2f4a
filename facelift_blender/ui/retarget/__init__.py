# SPDX-License-Identifier: GPL-3.0-or-later
"""A take onto a character of one's own."""
