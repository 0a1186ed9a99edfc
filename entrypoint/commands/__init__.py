"""One module for each family of commands; `entrypoint.cli` says which command lives where."""
