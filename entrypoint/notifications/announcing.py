"""Everybody whom tagboat.yaml names is told how a run ended. That somebody could not be reached is a warning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from deployers.settings import expand
from entrypoint.configuration.notification_settings import Notification
from entrypoint.errors import TagboatError
from entrypoint.notifications.addresses import Resolve, by_dns, destination
from entrypoint.notifications.messages import Circumstances, Ending, chat, document, endings
from entrypoint.notifications.sending import Sender
from entrypoint.notifications.signing import signed
from entrypoint.report.verdict import Verdict

USER_AGENT = "tagboat"


def announce(
    verdict: Verdict,
    notifications: Sequence[Notification],
    circumstances: Circumstances,
    *,
    environment: Mapping[str, str],
    sender: Sender | None = None,
    resolve: Resolve = by_dns,
    secret: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Tell everybody who asked for it, and return what went wrong in doing so, a sentence each.

    ``secret`` is told every address and key before it is used (`Progress.secret`), so that it is masked wherever it
    might yet turn up. Addresses are in none of the sentences.
    """
    happened = list(endings(verdict))
    sender = sender or Sender()

    def tell(position: int, notification: Notification, told: Sequence[Ending]) -> str | None:
        where = f"notifications[{position}]"
        try:
            url = expand(notification.url, environment, where=f"{where}.url")
            key = expand(notification.secret, environment, where=f"{where}.secret") if notification.secret else None
            for value in filter(None, (url, key)):
                secret(value)
            to = destination(url, allow_private=notification.allow_private, where=where, resolve=resolve)
            headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT}
            if notification.kind == "slack":
                sender.post(to, chat(told, circumstances), headers, where=where)
                return None
            delivery, body = document(told, verdict.status, circumstances)
            proof = signed(body, delivery=delivery, seconds=circumstances.at, secret=key, where=f"{where}.secret")
            sender.post(to, body, {**headers, **proof}, where=where)
        except TagboatError as error:
            return f"nobody was told: {error.where or where}: {error.message}{'. ' + error.hint if error.hint else ''}"
        return None

    wanted = [
        (position, one, told)
        for position, one in enumerate(notifications)
        if (told := [ending for ending in happened if ending.outcome in one.on])
    ]
    with ThreadPoolExecutor(max(1, min(8, len(wanted)))) as tellers:
        return [problem for problem in tellers.map(lambda one: tell(*one), wanted) if problem is not None]
