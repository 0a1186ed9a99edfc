"""Telling people and programs how a run ended; `announce` is the way in."""

from entrypoint.notifications.announcing import announce

__all__ = ["announce"]
