"""Tiny random checkpoints, built through the same classes as the real ones: one file a family.

Each file has ``build(folder)``, which writes what ``save_pretrained`` of a real model writes.
Nothing is fetched. The weights are random and seeded: answers mean nothing, and are always alike.
"""
