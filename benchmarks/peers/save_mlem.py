"""Saves the model as MLEM does, with a sample of its input, for `mlem serve`.

python save_mlem.py MODEL ROWS FOLDER
"""

import sys

import joblib
import numpy
from mlem.api import save

model, rows, folder = sys.argv[1:]
save(joblib.load(model), f"{folder}/cancer", sample_data=numpy.load(rows)[:5])
