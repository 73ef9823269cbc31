"""The dashboard's server."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from stream_app import profiles
from stream_app.dashboard.auth import AuthMiddleware
from stream_app.dashboard.page import add_pages
from stream_app.dashboard.publisher import Publisher
from stream_app.dashboard.reader import Reader
from stream_app.ops import guard as guards
from stream_app.settings import Settings, SettingsError
from stream_app.text.mask import Masker

STOP_SECONDS = 3


def url(settings: Settings) -> str:
    """Where the page is."""
    host = settings.dashboard_host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.dashboard_port}"


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises SettingsError, ProfileError, BrokerError, KafkaError.
    """
    guard = guards.for_host(settings.dashboard_host, settings.http_token)
    profile = profiles.load(settings.profile)
    masker = Masker(profile.masks)
    asyncio.run(Reader(settings, masker).check())

    reader, publisher = Reader(settings, masker), Publisher(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # What is loaded now stays: full collections, which hold up every page, leave it out.
        gc.collect()
        gc.freeze()
        reading = asyncio.create_task(reader.run())
        print(f"{url(settings)} until Ctrl-C", flush=True)
        yield
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await publisher.stop()

    app = FastAPI(lifespan=lifespan, openapi_url=None)
    add_pages(reader, publisher, profile)
    ui.run_with(app, title="stream-app", tailwind=False, show_welcome_message=False)
    app.add_middleware(AuthMiddleware, guard=guard)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    config = uvicorn.Config(
        app, host=settings.dashboard_host, port=settings.dashboard_port, log_level="warning",
        server_header=False, timeout_graceful_shutdown=STOP_SECONDS,
    )  # fmt: skip
    try:
        uvicorn.Server(config).run()
    except KeyboardInterrupt:
        return
    except SystemExit:
        raise SettingsError(
            f"{url(settings)} cannot be used, see above: set STREAM_APP_DASHBOARD_PORT"
        ) from None
