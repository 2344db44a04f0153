"""isobit: arrays for machine learning that give the same bits every time.

``isobit.core`` has the names of ``mlx.core``, ``isobit.nn``, ``isobit.optimizers`` and ``isobit.utils`` those of their
counterparts. ``import isobit.mlx`` makes ``import mlx.core`` mean ``isobit.core``.
"""
