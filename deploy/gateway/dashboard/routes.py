"""Serve the dashboard."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from deploy.gateway import paths
from deploy.gateway.dashboard.computing import FITTED, ReportQuery
from deploy.gateway.dashboard.page import Message, write_lines_page, write_page
from deploy.gateway.dashboard.reports import Reports
from deploy.gateway.dashboard.words import PAGE_WORDS, Language
from deploy.gateway.report.errors import NoLogError, ReportError, TimeLimitError, UsageError
from deploy.gateway.report.html_report import stylesheet
from deploy.gateway.report.log_lines import FILTERS, LineFilter
from deploy.gateway.report.time_range import read_zone, time_range

ZONE_COOKIE = "timezone"
"""The cookie with the browser's time zone, which the script of the page sets."""

_LONGEST = 100
_LINES_SINCE = "24h"
# A report contains users' texts, and its language may depend on the browser.
_HEADERS = {"Cache-Control": "no-store", "Vary": "Accept-Language, Cookie"}
_LINES_PARAMETERS = frozenset(("since", "until", "timezone", "lang", *FILTERS))


class Dashboard:
    """The pages of report and log lines, with their stylesheet.

    ``/dashboard?since=24h&until=…&timezone=Asia/Shanghai&lang=zh`` has the parameters of the report's command.

    Args:
        log: the gateway's log file.
    """

    def __init__(self, log: Path) -> None:
        self._reports = Reports(log)

    def add_to(self, app: FastAPI) -> None:
        """Add the routes."""
        app.add_route(paths.DASHBOARD, self.page, ["GET"], include_in_schema=False)
        app.add_route(paths.LOG_LINES, self.lines, ["GET"], include_in_schema=False)
        app.add_route(f"{paths.DASHBOARD}/report.css", self.style, ["GET"], include_in_schema=False)

    async def close(self) -> None:
        """Cancel pending reports."""
        await self._reports.close()

    async def page(self, request: Request) -> HTMLResponse:
        """Return the report or a page with the error."""
        query = _query(request)
        given_zone = _given(request, "timezone") or None
        chosen = None
        try:
            if query.since == FITTED and query.until is None:
                read_zone(query.timezone)
            else:
                chosen = time_range(query.since, query.until, query.timezone)
        except UsageError as error:
            words = PAGE_WORDS[query.language]
            message = Message(words.wrong_range, words.wrong_range_help, str(error))
            return HTMLResponse(write_page(query, given_zone, None, message), 400, _HEADERS)
        content, status, headers = await self._read(query)
        return HTMLResponse(write_page(query, given_zone, chosen, content), status, headers)

    async def lines(self, request: Request) -> HTMLResponse:
        """Return the log lines behind a figure, or the error."""
        query = replace(_query(request), wanted=LineFilter.of(partial(_given, request)))
        if query.since == FITTED:
            query = replace(query, since=_LINES_SINCE)
        parameters = {
            name: value[:_LONGEST] for name, value in request.query_params.items() if name in _LINES_PARAMETERS
        }
        content: str | Message
        try:
            time_range(query.since, query.until, query.timezone)
        except UsageError as error:
            words = PAGE_WORDS[query.language]
            content = Message(words.wrong_range, words.wrong_range_help, str(error))
            return HTMLResponse(write_lines_page(query, parameters, content), 400, _HEADERS)
        content, status, headers = await self._read(query)
        return HTMLResponse(write_lines_page(query, parameters, content), status, headers)

    async def _read(self, query: ReportQuery) -> tuple[str | Message, int, dict[str, str]]:
        """Return the answer or the error, with status and headers."""
        words = PAGE_WORDS[query.language]
        try:
            return await self._reports.read(query), 200, _HEADERS
        except NoLogError:
            return Message(words.no_log, words.no_log_help), 200, _HEADERS
        except TimeLimitError as error:
            message = Message(words.unready, words.unready_help, str(error))
            return message, 503, {**_HEADERS, "Retry-After": "10"}
        except ReportError as error:
            return Message(words.unreadable, words.unreadable_help, str(error)), 500, _HEADERS

    async def style(self, _request: Request) -> Response:
        """Return the report's stylesheet."""
        return Response(stylesheet(), media_type="text/css", headers={"Cache-Control": "no-cache"})


def _query(request: Request) -> ReportQuery:
    """Parse the page's URL.

    Empty form fields are ignored. Without a zone, it is the browser's, which the page's script has put into a cookie.
    """
    zone = _given(request, "timezone") or _known_zone(request.cookies.get(ZONE_COOKIE, "")[:_LONGEST])
    return ReportQuery(
        _given(request, "since") or FITTED, _given(request, "until") or None, zone or None, _language(request)
    )


def _given(request: Request, name: str) -> str:
    return request.query_params.get(name, "").strip()[:_LONGEST]


def _known_zone(name: str) -> str:
    """Return a zone's name if this machine knows the zone."""
    try:
        read_zone(name)
    except UsageError:
        return ""
    return name


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
