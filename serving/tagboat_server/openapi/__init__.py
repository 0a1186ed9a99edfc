"""OpenAPI 3.1 of everything that is served, made when it is first asked for.

    document.py       the whole: what every protocol offers, and what is said of the release
    operations.py     the parts of which operations are made
    schemas.py        JSON Schema from our signatures
    described.py      JSON Schema from MLEM's descriptions
    examples.py       values that fit: the first row of the bundle's sample, else made up

A protocol offers its own part in a function `operations(context)` beside its `routes`.
"""
