"""Train a classifier of irises, log how good it is, and save it twice: with joblib and with MLEM.

    python train.py [--trees N]

Needs scikit-learn, pandas, dvclive and mlem. Writes models/ and dvclive/.
"""

import argparse
from pathlib import Path

import joblib
import mlem.api
from dvclive import Live
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]

arguments = argparse.ArgumentParser()
arguments.add_argument("--trees", type=int, default=10)
trees = arguments.parse_args().trees

flowers = load_iris(as_frame=True)
features = flowers.data.set_axis(COLUMNS, axis="columns")
species = flowers.target.map(dict(enumerate(flowers.target_names)))
seen, unseen, seen_species, unseen_species = train_test_split(
    features, species, test_size=0.3, stratify=species, random_state=7
)

with Live("dvclive", save_dvc_exp=False, dvcyaml=None) as live:
    live.log_param("trees", trees)
    model = RandomForestClassifier(trees, random_state=7).fit(seen, seen_species)
    predicted = model.predict(unseen)
    live.log_metric("accuracy", accuracy_score(unseen_species, predicted), plot=False)
    live.log_metric("f1", f1_score(unseen_species, predicted, average="macro"), plot=False)

Path("models").mkdir(exist_ok=True)
joblib.dump(model, "models/iris.joblib")
mlem.api.save(model, "models/iris-mlem", sample_data=seen.head().reset_index(drop=True))
