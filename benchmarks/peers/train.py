"""Trains the models of the benchmark, and writes down what they answer.

    python train.py FOLDER

For each model: ``NAME.joblib`` and ``NAME.json``, its answers to the 1,000 rows of ``rows.npy``.
"""

import json
import sys
from pathlib import Path

import joblib
import numpy
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

MODELS = {
    "rf": RandomForestClassifier(100, random_state=0),
    "lr": make_pipeline(StandardScaler(), LogisticRegression()),
    "gb": GradientBoostingClassifier(random_state=0),
    "svm": make_pipeline(StandardScaler(), SVC(random_state=0)),
    "mlp": make_pipeline(StandardScaler(), MLPClassifier(max_iter=500, random_state=0)),
}

folder = Path(sys.argv[1])
rows, classes = load_breast_cancer(return_X_y=True)
generator = numpy.random.default_rng(0)
asked = rows[generator.integers(0, len(rows), 1000)] * generator.normal(1, 0.01, (1000, rows.shape[1]))
asked = asked.round(4)
numpy.save(folder / "rows.npy", asked)
for name, model in MODELS.items():
    model.fit(rows, classes)
    joblib.dump(model, folder / f"{name}.joblib")
    (folder / f"{name}.json").write_text(json.dumps(model.predict(asked).tolist()))
