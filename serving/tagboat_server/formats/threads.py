"""How many threads a library may use inside one call: as many as ``blas-threads`` gives BLAS and OpenMP.

With one thread XGBoost, LightGBM, CatBoost and PyTorch start none, and the process may fork. With more, GNU's OpenMP
keeps a pool that a forked child lacks: its first call waits for ever for threads that are not there.
"""

from __future__ import annotations

import os


def allowed() -> int:
    """Threads for one call: ``OMP_NUM_THREADS``, which the settings or the user have set; one where it is no number."""
    first = os.environ.get("OMP_NUM_THREADS", "1").partition(",")[0].strip()
    return int(first) if first.isdigit() and int(first) > 0 else 1


def forkable() -> bool:
    """Whether a process that has called a library of OpenMP's may fork."""
    return allowed() == 1
