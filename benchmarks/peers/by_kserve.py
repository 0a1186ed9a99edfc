"""KServe's model server with a predictor of our own, as its guide for custom models has it.

python by_kserve.py MODEL --http_port PORT --enable_grpc False
"""

import sys

import joblib
import kserve
import numpy
from kserve.utils.utils import get_predict_response


class Forest(kserve.Model):
    def __init__(self, path):
        super().__init__("cancer")
        self.model = joblib.load(path)
        self.ready = True

    async def predict(self, payload, headers=None, response_headers=None):  # noqa: ARG002 - the contract's
        if isinstance(payload, dict):
            return {"predictions": self.model.predict(numpy.array(payload["instances"])).tolist()}
        return get_predict_response(payload, self.model.predict(payload.inputs[0].as_numpy()), self.name)


if __name__ == "__main__":
    path = sys.argv.pop(1)
    kserve.ModelServer().start([Forest(path)])
