"""What any server pays at least: Python, the model's own library, its file. Says when it is there, and waits.

python bare.py MODEL
"""

import sys

import joblib

model = joblib.load(sys.argv[1])
print("loaded", flush=True)
sys.stdin.read()
