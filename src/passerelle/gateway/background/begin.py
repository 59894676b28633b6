"""Taking a request whose answer nobody waits for: what is wrong with it is told at once, the rest later."""

import asyncio
from collections.abc import Callable

import msgspec

from passerelle.config.sections import BackgroundSettings
from passerelle.core.background import Background, Events, Said
from passerelle.core.errors import Problem, ProblemError, invalid
from passerelle.core.ids import same
from passerelle.gateway.keep import Recall, days
from passerelle.gateway.road import Road
from passerelle.gateway.trip import Ask
from passerelle.store import Store
from passerelle.store.backgrounds import TooManyInBackground

_DAY_NS = 86_400 * 1_000_000_000


class Beginner:
    """Takes requests. One per worker."""

    def __init__(
        self,
        road: Road,
        recall: Recall,
        store: Store,
        settings: BackgroundSettings,
        wake: Callable[[], None],
    ) -> None:
        """`wake()`: there is work."""
        self._road = road
        self._recall = recall
        self._store = store
        self._settings = settings
        self._wake = wake

    async def begin(self, ask: Ask, *, stream: bool) -> Background:
        """What became of the request. Raises `ProblemError` for what could never be answered: a key that may
        store nothing, a malformed body, a model that is not there or not for this key.
        """
        from passerelle.codecs.openai_responses import background as words
        from passerelle.codecs.openai_responses import conversation as talk

        kept_days = days(ask.principal, self._road.generations.current)
        if not kept_days:
            self._road.check(ask)  # its envelope says what this key may not
        asked = talk.asked(ask.body)
        if asked.store is False:
            # As the API does: "Background sampling requires store=true" (its guide, read 2026-11-22).
            raise invalid(
                "`background` needs `store`: an answer nobody waits for must be kept. Leave `store` out.",
                "store",
            )
        self._road.check(await self._recall(msgspec.structs.replace(ask, body=words.foreground(ask.body))))
        identifier = same("resp", ask.receipt_id)
        told = words.pending(
            ask.body,
            identifier,
            created_s=ask.at_ns // 1_000_000_000,
            previous_id=asked.previous_id,
            conversation_id=asked.conversation_id,
        )
        events = Events(0, 1, words.opening(told)) if stream else None
        one = Background(
            id=identifier,
            org_id=ask.principal.org_id,
            project_id=ask.principal.project_id,
            key_id=ask.principal.key_id,
            state="queued",
            stream=stream,
            tries=0,
            losses=0,
            events=0 if events is None else 1,
            at_ns=ask.at_ns,
            expires_at_ns=ask.at_ns + kept_days * _DAY_NS,
            said=Said(
                request=msgspec.Raw(ask.body),
                response=msgspec.Raw(told),
                wishes=msgspec.Raw(msgspec.json.encode(ask.wishes)),
                headers=ask.headers,
                request_id=ask.request_id,
                traceparent=ask.traceparent,
            ),
        )
        most = self._settings.max_active
        try:
            await asyncio.to_thread(self._store.backgrounds.create, one, events, most_under_way=most)
        except TooManyInBackground as error:
            raise ProblemError(
                Problem(
                    "rate_limited",
                    f"This project has {most} responses under way in the background; wait until one is over.",
                    code="too_many_in_background",
                    retry_after_s=5,
                )
            ) from error
        self._wake()
        return one
