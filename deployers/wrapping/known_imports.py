"""Which imports of a pickled model are expected, and which run whatever they are given.

Expected are the names that models of the usual libraries are made of: their classes, and the few functions that put
arrays back together. A whole package is never expected: `numpy.load` unpickles, `pandas.eval` evaluates,
`numpy.testing` holds an exec. What is known to be dangerous is fickling's list of modules and harmless builtins
(fickling 0.1, fickle.py), which is maintained by people who look for such things.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from deployers.wrapping.pickle_imports import COMPUTED, EXTENSION, Import

EXACT = {
    ("collections", "OrderedDict"), ("collections", "defaultdict"), ("collections", "Counter"),
    ("collections", "deque"), ("copyreg", "_reconstructor"), ("copy_reg", "_reconstructor"), ("_codecs", "encode"),
    ("datetime", "date"), ("datetime", "datetime"), ("datetime", "time"), ("datetime", "timedelta"),
    ("datetime", "timezone"), ("decimal", "Decimal"), ("fractions", "Fraction"),
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("numpy", "dtype"), ("numpy", "ndarray"), ("numpy", "matrix"), ("numpy", "recarray"), ("numpy", "record"),
    ("numpy", "ufunc"), ("pathlib", "PurePosixPath"), ("pathlib", "PosixPath"),
    ("pandas._libs.tslibs.nattype", "_nat_unpickle"), ("numpy", "mean"), ("numpy", "median"), ("numpy", "max"),
    ("scipy._lib.array_api_compat.numpy._aliases", "asarray"), ("sklearn.cluster._kmeans", "_kmeans_single_lloyd"),
    ("sklearn.cluster._kmeans", "_kmeans_single_elkan"), ("sklearn.metrics._dist_metrics", "newObj"),
    ("sklearn.neighbors._kd_tree", "newObj"), ("sklearn.neighbors._ball_tree", "newObj"),
    ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"), ("pandas._libs.internals", "_unpickle_block"),
    ("pandas.core.indexes.base", "_new_Index"), ("pandas.core.indexes.datetimes", "_new_DatetimeIndex"),
    ("pandas._libs.tslibs.timestamps", "_unpickle_timestamp"),
    ("pandas._libs.tslibs.timedeltas", "_timedelta_unpickle"),
    ("pyarrow.lib", "_restore_array"), ("pyarrow.lib", "py_buffer"), ("pyarrow.lib", "type_for_alias"),
    ("sklearn.tree._tree", "Tree"),
    ("torch", "Size"), ("torch", "device"), ("torch._utils", "_rebuild_tensor"),
    ("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter"),
    ("torch.jit._pickle", "build_boollist"), ("torch.jit._pickle", "build_doublelist"),
    ("torch.jit._pickle", "build_intlist"), ("torch.jit._pickle", "build_tensor_from_id"),
    ("torch.jit._pickle", "build_tensorlist"), ("torch.jit._pickle", "restore_type_tag"),
}  # fmt: skip
"""Names that may be imported one by one."""

PANDAS = re.compile(r"[A-Z]\w*(Index|Dtype)|Index|DataFrame|Series|Categorical|Interval|NA|Timestamp|Timedelta|Period")
SPARSE = re.compile(r"(bsr|coo|csc|csr|dia|dok|lil)_(matrix|array)")
SCORES = re.compile(r"f_classif|f_regression|chi2|r_regression|mutual_info_(classif|regression)")

NUMPY_FUNCTIONS = {"_reconstruct", "scalar", "_frombuffer"}
"""In numpy.core.multiarray and numpy.core.numeric, or numpy._core…: they put arrays and scalars back together."""

SCALARS = re.compile(r"(bool|bool_|str_|bytes_|void|object_|(u?int|float|complex)(8|16|32|64|128|256)?_?|longdouble)")

CLASSES = (
    "sklearn.", "lightgbm.", "xgboost.", "catboost.", "imblearn.", "category_encoders.",
    "pandas.core.", "pandas._libs.", "pandas.arrays.",
    "scipy.sparse.", "scipy.interpolate.", "scipy.spatial.", "scipy.stats.",
)  # fmt: skip
"""Below these, classes are expected (`CamelCase`) and Cython's own rebuilders (`__pyx_unpickle_…`)."""

NEVER_CLASSES = re.compile(
    r"(^|\.)(tests?|testing|_testing|conftest|externals|datasets|utils\._joblib|utils\.parallel|computation)(\.|$)"
)
"""Parts of those packages that hold other people's code, or code that runs code."""

CLASS_NAME = re.compile(r"_?[A-Z][A-Za-z0-9]*", re.ASCII)
CYTHON = re.compile(r"__pyx_unpickle_\w+", re.ASCII)
RANDOM = re.compile(
    r"__(randomstate|bit_generator|generator)_ctor|RandomState|Generator|MT19937|PCG64(DXSM)?|Philox|SFC64"
    r"|SeedSequence|__pyx_unpickle_SeedSequence"
)

TORCHSCRIPT = "__torch__"
"""Where TorchScript has the classes of its own code, which its own interpreter reads. Python has no such module."""

STORAGE = re.compile(r"[A-Z][A-Za-z0-9]*Storage", re.ASCII)

LOADERS = {"load", "loads", "_load_from_bytes", "read_pickle", "eval", "exec", "query", "run", "runstring", "memmap"}
"""Names that are dangerous wherever they come from: most unpickle or evaluate in turn."""


def expected(found: Import) -> bool:
    """Whether models are made of this."""
    module, name = found.module, found.name
    if (module, name) in EXACT:
        return True
    if module in {"builtins", "__builtin__"}:
        return name in _fickling()[1] - {"map", "filter", "iter", "next", "callable", "format"} or name in {
            "object", "Ellipsis", "NotImplemented",
        }  # fmt: skip
    if module == "torch" or f"{module}.".startswith(f"{TORCHSCRIPT}."):
        return bool((STORAGE if module == "torch" else CLASS_NAME).fullmatch(name))
    if module == "pandas":
        return bool(PANDAS.fullmatch(name))
    if module.startswith("scipy.sparse.") and SPARSE.fullmatch(name):
        return True
    if module.startswith("sklearn.feature_selection.") and SCORES.fullmatch(name):
        return True
    if module in {"numpy", "numpy.core.numerictypes"}:
        return bool(SCALARS.fullmatch(name)) or bool(re.fullmatch(r"[A-Za-z0-9]+DType", name))
    if module == "numpy.dtypes":
        return bool(re.fullmatch(r"[A-Za-z0-9]+DType", name))
    if re.fullmatch(r"numpy\._?core\.(multiarray|numeric)", module):
        return name in NUMPY_FUNCTIONS
    if re.fullmatch(r"numpy\.random\.(_pickle|mtrand|_mt19937|_pcg64|_philox|_sfc64|_generator|bit_generator)", module):
        return bool(RANDOM.fullmatch(name))
    if f"{module}.".startswith(CLASSES) and not NEVER_CLASSES.search(module) and not _unsafe(module):
        return bool(CLASS_NAME.fullmatch(name)) or bool(CYTHON.fullmatch(name))
    return False


def dangerous(found: Import) -> bool:
    """Whether this is known to run code, open files or connections, or to hide what it imports."""
    if found in {COMPUTED, EXTENSION}:
        return True
    if expected(found):
        return False
    unsafe, harmless = _fickling()
    names = {found.module, *_renamed(found.module, found.name)}
    for module in names:
        if module in {"builtins", "__builtin__", "__builtins__"}:
            if found.name not in harmless:
                return True
        elif _unsafe(module):
            return True
    parts = found.name.split(".")
    return parts[-1] in LOADERS or any(part in unsafe for part in parts[:-1])


def allowed(found: Import, modules: Collection[str]) -> bool:
    """Whether the module, or a package it is in, is among ``modules``: the user's own code, or the policy's list."""
    return any(found.module == module or found.module.startswith(f"{module}.") for module in modules)


def _unsafe(module: str) -> bool:
    """Whether the module, or a part of its name, is on fickling's list: sklearn.foo.os is no better than os."""
    unsafe, _ = _fickling()
    return any(part in unsafe for part in module.split("."))


def _renamed(module: str, name: str) -> list[str]:
    """What Python 2's name of a module means today: the unpickler maps them (`_compat_pickle`)."""
    import _compat_pickle

    mapped = [_compat_pickle.IMPORT_MAPPING.get(module), _compat_pickle.NAME_MAPPING.get((module, name), (None,))[0]]
    return [new for new in mapped if new]


def _fickling() -> tuple[frozenset[str], frozenset[str]]:
    from fickling.fickle import SAFE_BUILTINS, UNSAFE_IMPORTS

    return UNSAFE_IMPORTS, SAFE_BUILTINS
