# SPDX-License-Identifier: GPL-3.0-or-later
"""The charts, drawn."""

from __future__ import annotations

import io

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from .figures import Chart

COLOURS = ("#e87d0d", "#4b78a8", "#5a9a5a", "#8a63a8", "#a85a5a")
"""The first is ours."""


def draw(chart: Chart) -> bytes:
    """A PNG."""
    figure, panel = plt.subplots(figsize=(5.4, 3.2), constrained_layout=True)
    for colour, (name, (x, y)) in zip(COLOURS, chart.series.items(), strict=False):
        dense = len(x) > 12
        panel.plot(x, y, label=name, color=colour, linewidth=1.2, marker=None if dense else "o", markersize=4)
    if chart.log:
        panel.set(xscale="log", yscale="log")
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_formatter(NullFormatter())
    panel.set_title(chart.title, fontsize=10)
    panel.set_xlabel(chart.x, fontsize=8)
    panel.set_ylabel(chart.y, fontsize=8)
    panel.tick_params(labelsize=7)
    panel.grid(alpha=0.25, which="both", linewidth=0.5)
    if chart.series:
        panel.legend(fontsize=7)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100, metadata={"Software": None})
    plt.close(figure)
    return stream.getvalue()
