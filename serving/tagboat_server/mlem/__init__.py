"""MLEM's way of asking a model, as its own server answers it (MLEM 0.4.14), without MLEM.

`interface` says which methods there are, and what MLEM's metadata tells of their arguments; `signatures` says it in our
words; `arguments` takes a call's from one body; `reading` and `writing` are what MLEM calls serializers; `replies` are
its server's words for what it refuses.
"""
