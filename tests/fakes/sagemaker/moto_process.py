"""What runs in moto's process: its server, until the standard input ends, so that it never outlives its test.

It prints its address. moto 5.2.5 lists its own folder at every request, which is two fifths of what one costs: here it
does so once.
"""

import logging
import sys

from moto import backends
from moto.server import ThreadedMotoServer

modules = list(backends.list_of_moto_modules())
backends.list_of_moto_modules = lambda: iter(modules)

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
host, port = server.get_host_and_port()
print(f"http://{host}:{port}", flush=True)
sys.stdin.read()
server.stop()
