"""Serve the dashboard."""

from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from deploy.gateway import paths
from deploy.gateway.dashboard.computing import ReportQuery
from deploy.gateway.dashboard.page import Message, write_page
from deploy.gateway.dashboard.reports import Reports
from deploy.gateway.dashboard.words import PAGE_WORDS, Language
from deploy.gateway.report.errors import NoLogError, ReportError, TimeLimitError, UsageError
from deploy.gateway.report.html_report import stylesheet
from deploy.gateway.report.time_range import time_range

DEFAULT_RANGE = "24h"

_LONGEST = 100
# A report contains users' texts, and its language may depend on the browser.
_HEADERS = {"Cache-Control": "no-store", "Vary": "Accept-Language"}


class Dashboard:
    """The page and the report's stylesheet.

    ``/dashboard?since=24h&until=…&timezone=Asia/Shanghai&lang=zh`` has the parameters of the report's command.

    Args:
        log: the gateway's log file.
    """

    def __init__(self, log: Path) -> None:
        self._reports = Reports(log)

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.add_route(paths.DASHBOARD, self.page, ["GET"], include_in_schema=False)
        app.add_route(f"{paths.DASHBOARD}/report.css", self.style, ["GET"], include_in_schema=False)

    async def close(self) -> None:
        """Cancel pending reports."""
        await self._reports.close()

    async def page(self, request: Request) -> HTMLResponse:
        """Return the report or a page with the error."""
        query = _query(request)
        words = PAGE_WORDS[query.language]
        try:
            chosen = time_range(query.since, query.until, query.timezone)
        except UsageError as error:
            message = Message(words.wrong_range, words.wrong_range_help, str(error))
            return HTMLResponse(write_page(query, None, message), 400, _HEADERS)
        content: str | Message
        status, headers = 200, _HEADERS
        try:
            content = await self._reports.read(query)
        except NoLogError:
            content = Message(words.no_log, words.no_log_help)
        except TimeLimitError as error:
            status, headers = 503, {**_HEADERS, "Retry-After": "10"}
            content = Message(words.unready, words.unready_help, str(error))
        except ReportError as error:
            status = 500
            content = Message(words.unreadable, words.unreadable_help, str(error))
        return HTMLResponse(write_page(query, chosen, content), status, headers)

    async def style(self, _request: Request) -> Response:
        """Return the report's stylesheet."""
        return Response(stylesheet(), media_type="text/css", headers={"Cache-Control": "no-cache"})


def _query(request: Request) -> ReportQuery:
    """Parse the page's URL.

    Empty form fields are ignored.
    """
    given = {name: request.query_params.get(name, "").strip()[:_LONGEST] for name in ("since", "until", "timezone")}
    return ReportQuery(
        given["since"] or DEFAULT_RANGE, given["until"] or None, given["timezone"] or None, _language(request)
    )


def _language(request: Request) -> Language:
    """Return the URL's language or the browser's.

    The browser's is its first supported one.
    """
    wishes = [request.query_params.get("lang", ""), *request.headers.get("accept-language", "").split(",")]
    for wish in wishes:
        match wish.strip()[:2].lower():
            case "zh":
                return "zh"
            case "en":
                return "en"
    return "en"
