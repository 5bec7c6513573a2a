"""Evaluate predictions: functions, file formats, tasks and metrics.

``functional``, ``files`` and ``tasks`` need NumPy, SciPy and numba alone
(``pip install mmocc[eval]``). The metrics of mmengine's evaluator stand in
``mmocc.evaluation.metrics``; the registry ``METRICS`` imports them on demand.
"""
