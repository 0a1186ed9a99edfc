"""``python -P -m tagboat_server``, the same as the console script ``tagboat-server``."""

import sys

from tagboat_server.cli import main

sys.exit(main())
