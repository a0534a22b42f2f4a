# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong by eye is put right by hand, and solved again."""
