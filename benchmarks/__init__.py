"""Measurements of claims against the best known peer: ``python -m benchmarks`` lists them.

One module per benchmark, with ``run() -> Result`` and a docstring that says claim and peer.
"""
