"""What payment providers tell by themselves: the books have it before they are told that it was heard."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from orgtui.server.desks import Till


def add_webhooks(app: FastAPI, till: Till) -> None:
    """Put them at their address. What goes wrong is answered as a problem, and so is sent again."""

    @app.post("/webhooks/stripe", include_in_schema=False)
    async def stripe(request: Request) -> Response:
        service = await till()
        # As it came: the signature is of these bytes.
        event = service.provider.read_webhook(await request.body(), request.headers.get("stripe-signature"))
        await service.take(event)
        return Response("ok\n", media_type="text/plain")
