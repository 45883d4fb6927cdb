"""The report: one self-contained HTML page that shows what a dataset holds.

In: a labelled dataset and, while it is still there, the recording. Out: one file that opens in
any browser and asks the network for nothing.
"""

from __future__ import annotations

from scenekeeper.report.page import write_report

__all__ = ["write_report"]
