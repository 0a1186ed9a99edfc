"""The language of a gate's condition: ``f1 >= prod.f1 - 0.01 and tags.owner == "risk"``.

    `parse` a text into an `Expression` (errors point at the character), `evaluate` it on what is known.

The language, whole:

    condition  = a comparison, a truth value, ``not c``, ``c and c``, ``c or c``, ``( c )``
    comparison = value ``< <= > >= == !=`` value                 (not chained)
    value      = ``+ - * /`` on numbers, ``abs(x)``, ``min(x, …)``, ``max(x, …)``, a number, a text in quotes, a name
    name       = ``accuracy`` ``params.train.epochs`` ``tags.owner`` ``prod.f1`` ``incumbent.params.train.epochs``
                 ``metric("eval/f1")`` ``metric("eval/f1", "pre-prod")`` ``param("…")`` ``tag("…")``

Nothing here is Python's `eval`; numbers are exact fractions, so that ``0.3 - 0.1 == 0.2``.
"""

from entrypoint.promotion.expressions.evaluation import Answer, Unknown, evaluate
from entrypoint.promotion.expressions.parsing import parse
from entrypoint.promotion.expressions.syntax import Expression, Kind, Name, Scope
from entrypoint.promotion.expressions.tokens import ExpressionError

__all__ = ["Answer", "Expression", "ExpressionError", "Kind", "Name", "Scope", "Unknown", "evaluate", "parse"]
