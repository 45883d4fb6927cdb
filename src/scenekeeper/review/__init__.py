"""Stage 5: the few labels that matter, decisions that reach far, and a certificate.

In: a labelled dataset. Out: cards for people, an append-only log of what they decided, effective
labels as a pure fold of both, and what can be said of the labels' quality, with its proof.
"""
