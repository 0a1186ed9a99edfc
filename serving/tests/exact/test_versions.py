"""The same promises on every scikit-learn that is allowed, on both major versions of NumPy, from Python 3.9 on."""

import os
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = [
    pytest.param("3.9", "scikit-learn==1.3.*", "numpy<2", "pandas<2.3", id="1.3"),
    pytest.param("3.9", "scikit-learn==1.4.*", "numpy<2", "pandas", id="1.4"),
    pytest.param("3.12", "scikit-learn==1.5.*", "numpy<2", "pandas<3", id="1.5"),
    pytest.param("3.9", "scikit-learn==1.6.*", "numpy>=2", "pandas", id="1.6"),
    pytest.param("3.13", "scikit-learn==1.7.*", "numpy>=2", "pandas", id="1.7"),
    pytest.param("3.12", "scikit-learn==1.8.*", "numpy>=2", "pandas", id="1.8"),
]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("python", "sklearn", "numpy", "pandas"), CASES)
def test_the_promises_are_kept_on(python, sklearn, numpy, pandas, environment_of, request):
    name = f"exact-{request.node.callspec.id}"
    interpreter = environment_of(name, python, sklearn, numpy, pandas, "hypothesis", "pytest", "pytest-timeout")
    tests = [str(path) for path in sorted(HERE.glob("test_*.py")) if path != Path(__file__)]
    # Not this repository's configuration: its plugins are not there, and older libraries warn of newer ones.
    options = ["-q", "-c", os.devnull, f"--rootdir={HERE}", f"--confcutdir={HERE}", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [str(interpreter), "-m", "pytest", *options, "--import-mode=importlib", "--tb=short", *tests],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(HERE.parents[1]), "OMP_NUM_THREADS": "1", "PATH": os.environ["PATH"]},
        cwd=HERE,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
