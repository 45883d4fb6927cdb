"""Labels against ground truth: boxes, masks, tracks, jitter, calibration, 3D boxes, counts.

Pure functions over arrays: no files, no datasets. Results are frozen dataclasses with
``to_dict()``; a number that is not defined (nothing to divide by) is NaN, ``None`` in the dict.
"""
