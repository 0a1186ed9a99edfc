"""LitServe, one row after the other or in batches of up to 64.

python by_litserve.py MODEL PORT single|batches
"""

import sys

import joblib
import litserve
import numpy

MODEL, PORT, HOW = sys.argv[1:]


class Single(litserve.LitAPI):
    def setup(self, device):  # noqa: ARG002 - the contract's
        self.model = joblib.load(MODEL)

    def decode_request(self, request):
        return numpy.array(request["data"])

    def predict(self, rows):
        return self.model.predict(rows)

    def encode_response(self, output):
        return {"predictions": output.tolist()}


class Batches(Single):
    def batch(self, inputs):
        self.sizes = [len(rows) for rows in inputs]
        return numpy.concatenate(inputs)

    def unbatch(self, output):
        return numpy.split(output, numpy.cumsum(self.sizes)[:-1])


if __name__ == "__main__":
    api = Batches(max_batch_size=64, batch_timeout=0.005) if HOW == "batches" else Single()
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=1)
    server.run(port=int(PORT), host="127.0.0.1", num_api_servers=1, generate_client_file=False, log_level="warning")
