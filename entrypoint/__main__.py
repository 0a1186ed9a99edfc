"""``python -P -m entrypoint``: the same program as the console script ``tagboat``."""

from entrypoint.cli import main

if __name__ == "__main__":
    main()
