"""Where things are in an image. A real virtual environment, so that ``.pth`` files, scripts and metadata all work."""

from __future__ import annotations

ROOT = "/opt/tagboat"
VENV = f"{ROOT}/venv"
PYTHON = f"{VENV}/bin/python"
BUNDLE = f"{ROOT}/bundle"
MODEL = f"{BUNDLE}/model"
"""Where the model's files are; with ``model: object-storage`` the mount point of an empty volume."""

FETCHER = f"{ROOT}/fetch_model.py"
"""The program of the init container that fills `MODEL` (only with ``model: object-storage``)."""

WANTED = f"{BUNDLE}/model-files.json"
"""What the fetcher reads: each file's path, SHA-256, size and address."""

PORT = 8080

ENTRYPOINT = (PYTHON, "-I", "-m", "tagboat_server")
"""``-I``: neither the working directory nor PYTHON* variables decide what is imported; before Python 3.11 there is no
``-P``, which would ask for the first of these alone."""

COMMAND = ("serve",)
"""SageMaker says ``serve``, too. Stage and release id come with the container's environment."""

FETCH_COMMAND = (PYTHON, "-I", FETCHER)


def site_packages(minor: str) -> str:
    """The site directory of the image's environment."""
    return f"{VENV}/lib/python{minor}/site-packages"


def inside(path: str) -> str:
    """An absolute path of the image as an entry of a layer."""
    return path.removeprefix("/")
