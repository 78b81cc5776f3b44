"""Redact and sample log lines before they are written."""

import hmac
import re
import string
from collections.abc import Sequence
from typing import Literal, get_args

from deploy.gateway.log.json_lines import Value, encode
from deploy.gateway.log.lines import CallersWord, Inference, Line, RefusedRequest, UnhandledException
from deploy.gateway.log.redact import redact
from deploy.gateway.log.writer import LineWriter

TextMode = Literal["masked", "digest", "none"]

MAX_TEXT = 4096
"""The maximum length of a logged text; a longer one is truncated with an ellipsis."""

SHORTEST_KEY = 16
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
# repr()'s escapes of characters that are not printable, for example U+00A0 between two digits.
_ESCAPED = re.compile(r"\\(?:\\|x[0-9a-f]{2}|u[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4}|t)")
_LONGEST_NUMBER = 64
_IN_NUMBERS = f"{string.ascii_letters}{string.digits}０１２３４５６７８９@＠._%+-()（） \t"
_FRAME = re.compile(r'^  File "[^"\n]*", line [0-9]+, in .*', re.MULTILINE)
_TEXTS = ("input_text", "predicted_token", "error", "traceback")


class RequestLog:
    """Write lines without private data.

    Personal data is masked in every text, including error messages. In the modes ``digest`` and ``none`` no line has
    the sentence or an answer that the caller gave: quotations are removed from error messages. Messages about refused
    requests, which name unknown fields of the body, and those of unhandled exceptions, which may contain anything, are
    omitted; the class and the frames are written.

    A digest is HMAC-SHA-256 with a key of the installation: equal sentences can be counted, but short sentences or
    phone numbers cannot be found by brute force without the key.
    """

    def __init__(
        self,
        writer: LineWriter,
        *copies: LineWriter,
        text_mode: TextMode = "masked",
        digest_key: bytes = b"",
        sample_rate: float = 1.0,
    ) -> None:
        """Create the log on writers.

        The caller closes them.

        Args:
            writer: writes the lines; its origin is part of them.
            copies: further writers of the same lines.
            text_mode: how sentences are written: ``masked``, ``digest`` or ``none``.
            digest_key: the installation's secret, for ``digest`` only.
            sample_rate: the share of requests whose successes are written, above 0 and up to 1. A request is sampled
                as a whole; failures and answers with low confidence are always written.

        Raises:
            ValueError: the key is too short, or an argument is out of range.
        """
        if text_mode not in get_args(TextMode):
            msg = f"the text mode is {text_mode!r}; give one of {', '.join(get_args(TextMode))}"
            raise ValueError(msg)
        if text_mode == "digest" and len(digest_key) < SHORTEST_KEY:
            msg = f"digests need a key of {SHORTEST_KEY} bytes or more; make one with `openssl rand -hex 32`"
            raise ValueError(msg)
        if not 0 < sample_rate <= 1:
            msg = f"the sample rate is {sample_rate}; give a share above 0 and up to 1"
            raise ValueError(msg)
        self._writers: Sequence[LineWriter] = (writer, *copies)
        self._origin = writer.origin
        self._text_mode = text_mode
        self._digest_key = digest_key
        self._sample_rate = sample_rate

    def write(self, line: Line) -> None:
        """Write a line unless sampling drops it.

        Thread-safe; does not block.
        """
        is_sampled = False
        if self._sample_rate < 1 and isinstance(line, Inference) and line.status == "success":
            if not self._is_in_sample(line.request_id):
                return
            is_sampled = True
        changes: dict[str, Value | None] = dict(self._origin)
        if is_sampled:
            changes["sample_rate"] = self._sample_rate
        for name in _TEXTS:
            text = getattr(line, name, None)
            if text is not None:
                changes[name] = self._redacted(name, text, line)
        written = encode(line, changes)
        for writer in self._writers:
            writer.write(written)

    def _is_in_sample(self, request_id: str) -> bool:
        """Return whether a request is sampled.

        Its id is hashed with a seed, so that callers cannot choose.
        """
        return hash(request_id) % 2**32 < self._sample_rate * 2**32

    def _redacted(self, name: str, text: str, line: Line) -> str | None:
        """Return the redacted text of a field."""
        if name == "traceback":
            text = text[-MAX_TEXT:].partition("\n")[2] if len(text) > MAX_TEXT else text
        if self._text_mode != "masked":
            match name:
                case "input_text":
                    return self._digest(text) if self._text_mode == "digest" else None
                case "predicted_token" if isinstance(text, CallersWord):
                    return self._digest(text) if self._text_mode == "digest" else None
                case "error" if isinstance(line, RefusedRequest | UnhandledException):
                    return None
                case "error":
                    text = _QUOTED.sub("…", text)
                case "traceback":
                    text = "\n".join(_FRAME.findall(text))
        if name in {"error", "traceback"} and "\\" in text:
            text = _ESCAPED.sub(_unescape, text)
        return redact(text if len(text) <= MAX_TEXT else _shorten(text))

    def _digest(self, text: str) -> str:
        return f"hmac-sha256:{hmac.digest(self._digest_key, text.encode(errors='surrogatepass'), 'sha256').hex()}"


def _unescape(match: re.Match[str]) -> str:
    kind, digits = match[0][1], match[0][2:]
    return chr(int(digits, 16)) if digits else {"t": "\t"}.get(kind, kind)


def _shorten(text: str) -> str:
    """Truncate a text outside of addresses and numbers.

    A part of one would not be masked.
    """
    end = MAX_TEXT - _LONGEST_NUMBER
    return f"{text[:end]}{text[end:MAX_TEXT].rstrip(_IN_NUMBERS)}…"
