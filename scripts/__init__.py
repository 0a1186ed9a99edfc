"""Commands of this repository's own upkeep; not installed."""
