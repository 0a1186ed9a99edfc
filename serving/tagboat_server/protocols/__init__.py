"""The ways in which a model can be asked; each module is one protocol. One dispatch table in `app` joins them."""
