"""A repository with four versions of a model, two of them in stages, and a change on top."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.repositories import GitRepository

CONFIGURATION = """\
report: {directions: {accuracy: higher, "*loss": lower}}
targets:
  cluster: {deployer: kubernetes, namespace: models, image: {repository: ghcr.io/acme/models}}
  here: {deployer: local}
stages: {dev: {targets: [here]}, prod: {targets: [cluster]}}
artifacts: {churn: {requirements: requirements.txt}}
"""
PIPELINE = """\
metrics: [metrics.json]
plots: [plots/roc.png, plots/curve.csv]
artifacts: {churn: {path: model.joblib}, other: {path: other/model.joblib}}
"""
SCORES = ((0.80, 0.50), (0.82, 0.45), (0.81, 0.47), (0.86, 0.40))


def pointer(path: str, letter: str, size: int) -> str:
    """A ``.dvc`` file."""
    return f"outs:\n- {{md5: {letter * 32}, size: {size}, hash: md5, path: {path}}}\n"


@dataclass
class Project:
    """``base``: the newest version's commit, on main; ``head``: a change on a branch of its own."""

    git: GitRepository
    versions: list[str] = field(default_factory=list)
    base: str = ""
    head: str = ""

    @classmethod
    def make(cls, folder: Path) -> Project:
        """Versions v1.0.0 to v1.3.0; v1.2.0 is in prod and v1.3.0 in dev."""
        project = cls(GitRepository.make(folder))
        git = project.git
        for number, (accuracy, loss) in enumerate(SCORES):
            commit = git.commit({
                "tagboat.yaml": CONFIGURATION,
                "dvc.yaml": PIPELINE,
                "metrics.json": f'{{"accuracy": {accuracy}, "train": {{"loss": {loss}}}, "rows": {1000 + number}}}',
                "params.yaml": f"lr: {0.1 / (number + 1)}\ndepth: 3\n",
                "model.joblib.dvc": pointer("model.joblib", "abcd"[number], 1_000_000 + number),
                "requirements.txt": f"scikit-learn==1.{number}.0\n",
                "other/requirements.txt": "pandas\n",
                "plots/roc.png": b"\x89PNG" + bytes([number]),
                "plots/curve.csv": "x,y\n",
            })  # fmt: skip
            git.register("churn", f"v1.{number}.0", commit)
            project.versions.append(commit)
        git.assign("churn", "prod", project.versions[2])
        git.assign("churn", "dev", project.versions[3])
        git.git("checkout", "-q", "-b", "change")
        project.head = git.commit({
            "metrics.json": '{"accuracy": 0.88, "train": {"loss": 0.42}, "rows": 1010, "f1": 0.7}',
            "params.yaml": "lr: 0.01\ndepth: 4\n",
            "model.joblib.dvc": pointer("model.joblib", "e", 1_500_000),
            "requirements.txt": "scikit-learn==1.6.0\nnumpy\n",
            "plots/roc.png": b"\x89PNG\xff",
        })  # fmt: skip
        git.git("checkout", "-q", "main")
        project.base = git.commit({"README.md": "Meanwhile on main", "metrics.json": '{"accuracy": 0.99}'})
        return project
