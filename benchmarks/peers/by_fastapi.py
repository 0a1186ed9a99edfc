"""FastAPI by hand, as its tutorial has it.

python by_fastapi.py MODEL PORT
"""

import sys

import joblib
import numpy
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(sys.argv[1])


class Rows(BaseModel):
    data: list[list[float]]


@app.post("/predict")
async def predict(rows: Rows) -> dict[str, list[int]]:
    return {"predictions": model.predict(numpy.array(rows.data)).tolist()}


uvicorn.run(app, port=int(sys.argv[2]), access_log=False)
