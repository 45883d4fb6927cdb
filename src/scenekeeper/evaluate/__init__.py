"""The referee: labels against ground truth, every score with what it rests on.

In: a labelled dataset or COCO file, and the truth as one. Out: figures with intervals, a page with
plots, and the comparison of two labelings.
"""

from __future__ import annotations

from scenekeeper.evaluate.compare import Difference, compare
from scenekeeper.evaluate.evaluation import Evaluation, evaluate
from scenekeeper.evaluate.page import write_page
from scenekeeper.evaluate.rows import Row

__all__ = ["Difference", "Evaluation", "Row", "compare", "evaluate", "write_page"]
