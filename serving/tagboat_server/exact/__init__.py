"""Exact fast paths for scikit-learn: the public method's answer, bit for bit, without its overhead.

Most of what a small batch costs in scikit-learn is not the model: checks of the input, a wrapper around every tree,
the search for a namespace. For exactly known classes and versions the same operations are done without them, in the
same order on the same dtypes and memory layouts. A fast path is chosen at load, proved there against the public method,
and passes on to it, in every call, what it does not plainly understand.

    fast = accelerate(estimator, "predict", sample, environment=os.environ, tell=print)
    answer = (fast or estimator.predict)(batch)

A model fitted on dataframes can be asked with what a dataframe would be made of: `Fast.take_tables` and `Table`.

``inputs`` the gate · ``trees``, ``walking``, ``boosting``, ``linear``, ``scaling``, ``encoding``, ``columns`` the
families · ``tables`` that never become dataframes · ``compiling`` by exact type · ``proof`` · ``choosing`` the way in.
"""

from tagboat_server.exact.choosing import SWITCH, Fast, accelerate, accelerate_all
from tagboat_server.exact.tables import Table

__all__ = ["SWITCH", "Fast", "Table", "accelerate", "accelerate_all"]
