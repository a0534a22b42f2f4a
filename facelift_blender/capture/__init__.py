# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
"""Later releases of onnxruntime send figures about its use over the network, unless told before they are imported."""
