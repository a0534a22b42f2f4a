# SPDX-License-Identifier: GPL-3.0-or-later
"""Where training finds its data and leaves its runs; both outside what is committed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
DATA: Final = Path(os.environ.get("FACELIFT_DATA", REPOSITORY.parent / "shared" / "data"))
"""The folder that the data README describes (labelled68, labelled189, unlabelled, geometry, teacher, clips)."""
RUNS: Final = Path(os.environ.get("FACELIFT_RUNS", REPOSITORY / "models" / "runs"))
"""Caches, checkpoints, plots and pictures of a run; ignored by git."""
WEIGHTS: Final = REPOSITORY / "models" / "weights"
