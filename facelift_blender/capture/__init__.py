# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
"""Later releases of onnxruntime send figures about its use over the network, unless told before they are imported."""

os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 28))
"""A few hundred bytes can claim a picture that takes gigabytes; OpenCV refuses larger ones, if it is told before it is imported."""
