"""The parts of an image: names, documents, layers, the base, the environment, the registry. `..image` is the story."""
