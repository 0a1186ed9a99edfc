"""Saves the model as MLflow does, for `mlflow models serve`.

python save_mlflow.py MODEL ROWS FOLDER
"""

import sys

import joblib
import mlflow.sklearn
import numpy
from mlflow.models import infer_signature

path, rows, folder = sys.argv[1:]
model, sample = joblib.load(path), numpy.load(rows)[:5]
mlflow.sklearn.save_model(model, folder, signature=infer_signature(sample, model.predict(sample)),
                          serialization_format="cloudpickle")  # fmt: skip
