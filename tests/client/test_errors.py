"""Every failure raises one error that names cause, place and remedy."""

import asyncio
import pickle
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import grpc
import pytest
from bert_mlm_client import (
    AsyncFillMask,
    BertMlmError,
    DeadlineError,
    FillMask,
    InProcess,
    InputError,
    ModelNotFoundError,
    OverloadedError,
    ProtocolError,
    RequestError,
    ServerError,
    ServerTimeoutError,
    SignatureNotFoundError,
    UnreachableError,
)
from bert_mlm_client.exchanges.rows import encode_texts

from tests.client.exchanges.table_model import TableModel
from tests.client.scripted import SPECIAL, Refusal, ScriptedModel, grpc_server, http_server, rest_server

TEXT = "中国的首[MASK]是北京。"


def ask(url: str, *, model: str = "bert_mlm", version: int | None = None, timeout: float = 5.0) -> None:
    with FillMask(url, model, version, timeout=timeout) as client:
        client.fill(TEXT)


def ask_async(url: str, *, model: str = "bert_mlm", version: int | None = None, timeout: float = 5.0) -> None:
    async def fill() -> None:
        async with AsyncFillMask(url, model, version, timeout=timeout) as client:
            await client.fill(TEXT)

    asyncio.run(fill())


@pytest.fixture(params=[ask, ask_async], ids=["sync", "async"])
def asking(request: pytest.FixtureRequest) -> Callable[..., None]:
    """A function that fills a text, once per client."""
    question: Callable[..., None] = request.param
    return question


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the text is empty"),
        (" \n\t\u3000", "the text is empty"),
        ("中国的首都", r"no \[MASK\]"),
        ("中国的首[mask]是北京", r"'\[mask\]'; write a mask as \[MASK\]"),
        ("中国的首[Mask]是[MASK]", r"'\[Mask\]'"),
        ("中国的首[ MASK ]是北京", r"'\[ MASK \]'"),
        ("中国的首［MASK］是北京", "'［MASK］'"),
        ("中国的首【MASK】是北京", "'【MASK】'"),
        ("中国的首[MASK是北京", r"'\[MASK'"),
        ("中国的首[MASK是[MASK]", r"'\[MASK'"),
        ("中国的首MASK]是北京", r"'MASK\]'"),
        ("巴黎是<mask>国的首都", "'<mask>'"),
        ("[MASK]\0", r"character 7 of the text is U\+0000, a control character"),
        ("\x1b[MASK]", r"U\+001B, a control character"),
        ("[MASK]\x85", r"U\+0085, a control character"),
        ("[MASK]\ud83d", r"U\+D83D, a lone surrogate"),
    ],
)
def test_an_invalid_text_is_rejected_before_any_request(refusing_port: int, text: str, message: str) -> None:
    with FillMask(f"grpc://127.0.0.1:{refusing_port}") as client, pytest.raises(InputError, match=message) as error:
        client.fill(text)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize(
    "text",
    ["[MASK]", "a\tb\nc\r[MASK]", "masked [MASK] mask", "[masked] [MASK]", "BITMASK] [MASK]", "\u200b[MASK]\u2028"],
)
def test_an_unusual_but_valid_text_is_accepted(grpc_url: str, text: str) -> None:
    with FillMask(grpc_url) as client:
        assert client.fill(text)


@pytest.mark.parametrize("text", [None, b"[MASK]", 5])
def test_a_text_that_is_not_a_str_is_a_type_error(refusing_port: int, text: str) -> None:
    with FillMask(f"http://127.0.0.1:{refusing_port}") as client, pytest.raises(TypeError):
        client.fill([text])
    with (
        FillMask(f"http://127.0.0.1:{refusing_port}") as client,
        pytest.raises(TypeError, match="text 2 of 2: a text must be"),
    ):
        client.fill([TEXT, text])


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "needs one of grpc://, grpcs://, http://, https:// and a host"),
        ("localhost:8500", "needs one of"),
        ("127.0.0.1", "needs one of"),
        ("ftp://localhost", "needs one of"),
        ("grpc://", "needs one of"),
        ("grpc://:8500", "needs one of"),
        ("grpc://localhost:port", "is not a URL"),
        ("grpc://localhost:99999", "is not a URL"),
        ("http://[::1", "is not a URL"),
        ("grpc://localhost:8500/v1", "must not have a path"),
        ("grpc://localhost:0", "has port 0"),
        ("http://localhost:8501/v1/models/bert_mlm", "leave out /v1/models and what follows"),
        (None, "an address must be a str"),
        ({"grpc://localhost"}, "an address must be a str"),
        (["grpc://localhost", None], "an address must be a str"),
        ("http://localhost:8501?x=1", "must not have a user, a query or a fragment"),
    ],
)
@pytest.mark.parametrize("client", [FillMask, AsyncFillMask])
def test_an_invalid_address_is_rejected_with_an_example(client: type, url: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        client(url)
    assert "grpc://127.0.0.1:8500" in str(error.value)


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(InputError, match="must not have a user") as error:
        FillMask("http://me:secret@localhost:8501")
    assert "secret" not in str(error.value)


def test_an_unknown_model_is_named(url: str, asking: Callable[..., None]) -> None:
    with pytest.raises(ModelNotFoundError, match=r"Servable not found for request: Latest\(bart\)") as error:
        asking(url, model="bart")
    assert (error.value.address, error.value.model, error.value.signature) == (url, "bart", "tokenizer")
    assert str(error.value).endswith(f"({url}, model bart, signature tokenizer)")


def test_an_unknown_version_is_named(url: str, asking: Callable[..., None]) -> None:
    with pytest.raises(ModelNotFoundError, match=r"Specific\(bert_mlm, 7\)") as error:
        asking(url, version=7)
    assert error.value.model == "bert_mlm/versions/7"


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (Refusal('Serving signature key "fill_mask" not found.', "FAILED_PRECONDITION"), SignatureNotFoundError),
        (
            Refusal('Serving signature name: "s" not found in signature def', "FAILED_PRECONDITION"),
            SignatureNotFoundError,
        ),
        (Refusal("output tensor alias not found in signature: scores", "INVALID_ARGUMENT"), RequestError),
        (Refusal("input size does not match signature: 1!=3", "INVALID_ARGUMENT"), RequestError),
        (
            Refusal("The batch scheduling queue to which this task was submitted is full", "UNAVAILABLE"),
            OverloadedError,
        ),
        (Refusal("too many", "RESOURCE_EXHAUSTED"), OverloadedError),
        (Refusal("Timed out waiting for notification", "DEADLINE_EXCEEDED"), DeadlineError),
        (Refusal("out of memory", "INTERNAL"), ServerError),
    ],
)
def test_server_errors_keep_their_message(
    url: str, model: ScriptedModel, asking: Callable[..., None], refusal: Refusal, kind: type[ServerError]
) -> None:
    model.refusal = refusal
    with pytest.raises(ServerError) as error:
        asking(url)
    assert type(error.value) is kind
    assert refusal.message.rstrip(".") in str(error.value)
    assert (error.value.address, error.value.model, error.value.signature) == (url, "bert_mlm", "fill_mask")


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_is_down_is_unreachable(scheme: str, refusing_port: int, asking: Callable[..., None]) -> None:
    address = f"{scheme}://127.0.0.1:{refusing_port}"
    with pytest.raises(UnreachableError, match="gRPC is port 8500, REST 8501") as error:
        asking(address)
    assert address in str(error.value)
    assert isinstance(error.value, ConnectionError)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_an_unknown_host_is_unreachable(scheme: str, asking: Callable[..., None]) -> None:
    with pytest.raises(UnreachableError, match=r"no\.such\.host\.invalid"):
        asking(f"{scheme}://no.such.host.invalid:8500", timeout=20.0)


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_server_that_is_silent_times_out(scheme: str, silent_port: int, asking: Callable[..., None]) -> None:
    with pytest.raises(ServerTimeoutError, match=r"nothing came back in 0\.2 s") as error:
        asking(f"{scheme}://127.0.0.1:{silent_port}", timeout=0.2)
    assert isinstance(error.value, TimeoutError)


def test_a_call_may_have_a_timeout_of_its_own(silent_port: int) -> None:
    with FillMask(f"grpc://127.0.0.1:{silent_port}") as client, pytest.raises(ServerTimeoutError, match=r"in 0\.1 s"):
        client.fill(TEXT, timeout=0.1)


def test_using_the_rest_port_for_grpc_is_named(rest_url: str, asking: Callable[..., None]) -> None:
    with pytest.raises(ProtocolError, match="grpc:// goes with 8500, http:// with 8501"):
        asking(rest_url.replace("http", "grpc"))


def test_using_the_grpc_port_for_rest_is_named(grpc_url: str, asking: Callable[..., None]) -> None:
    with pytest.raises(ProtocolError, match="grpc:// goes with 8500, http:// with 8501"):
        asking(grpc_url.replace("grpc", "http"))


class Page(BaseHTTPRequestHandler):
    """A web page whose HTTP status is the model's name."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status = int(self.path.removeprefix("/v1/models/").removesuffix(":predict"))
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Location", "/login")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Welcome</title>")

    def log_message(self, *_: object) -> None:
        """Keep the test's output to itself."""


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, ProtocolError),
        (302, ProtocolError),
        (404, ProtocolError),
        (500, ProtocolError),
        (429, OverloadedError),
        (503, OverloadedError),
        (504, DeadlineError),
    ],
)
def test_a_web_page_is_an_invalid_answer_with_any_status(
    asking: Callable[..., None], status: int, kind: type[BertMlmError]
) -> None:
    with http_server(Page) as url, pytest.raises(kind, match=f"HTTP {status}"):
        asking(url, model=str(status))


class Nonsense(BaseHTTPRequestHandler):
    """JSON in another format than TensorFlow Serving's."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = self.path.removeprefix("/v1/models/").removesuffix(":predict")
        content = {"list": b"[1]", "other": b'{"predictions": []}', "bare": b'{"outputs": [1]}', "deep": _RAGGED}[body]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep the test's output to itself."""


_RAGGED = b'{"outputs": {"vocab": [[1], [2, 3]], "config": [true]}}'


@pytest.mark.parametrize("body", ["list", "other", "bare", "deep"])
def test_other_json_is_an_invalid_answer(asking: Callable[..., None], body: str) -> None:
    with http_server(Nonsense) as url, pytest.raises(ProtocolError, match="without the outputs vocab, config"):
        asking(url, model=body)


def test_another_grpc_service_is_an_invalid_answer(asking: Callable[..., None]) -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with pytest.raises(ProtocolError, match="Method not found"):
        asking(f"grpc://127.0.0.1:{port}")
    server.stop(grace=None).wait()


def test_a_damaged_grpc_answer_is_invalid(asking: Callable[..., None]) -> None:
    method = grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"\xff\xff\xff")
    service = grpc.method_handlers_generic_handler("tensorflow.serving.PredictionService", {"Predict": method})
    server = grpc.server(ThreadPoolExecutor(1), handlers=[service])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with pytest.raises(ProtocolError, match="not an answer of TensorFlow Serving"):
        asking(f"grpc://127.0.0.1:{port}")
    server.stop(grace=None).wait()


@pytest.mark.parametrize("serve", [grpc_server, rest_server])
def test_a_client_reconnects_to_a_restarted_server(serve: Callable[[ScriptedModel], object]) -> None:
    """One client survives a failed request."""
    model = ScriptedModel(refusal=Refusal("the queue is full", "UNAVAILABLE"))
    with serve(model) as url, FillMask(url) as client:  # type: ignore[attr-defined]  # both are context managers
        with pytest.raises(OverloadedError):
            client.fill(TEXT)
        model.refusal = None
        assert client.fill(TEXT)


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(ServerTimeoutError("late", address="grpc://a", model="m", signature="s")))
    assert str(error) == "late (grpc://a, model m, signature s)"
    later = OverloadedError("busy", attempts=3)
    later.retry_after_s = 1.5
    again = pickle.loads(pickle.dumps(later))
    assert (str(again), again.retry_after_s) == ("busy (3 attempts)", 1.5)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("truncate=True", "shorten it (--truncate)"),
        ("top_k", "shorten it (truncate=True)"),
        (None, "shorten it (truncate=True)"),
    ],
)
def test_a_message_names_the_option_of_another_interface(option: str | None, message: str) -> None:
    error = InputError("shorten it (truncate=True)", option=option)
    assert error.spelled({"truncate=True": "--truncate"}) == message
    assert str(error) == "shorten it (truncate=True)", "the error itself is unchanged"


def test_the_number_of_a_text_leaves_its_option() -> None:
    tokenizer = FillMask(InProcess(TableModel())).tokenizer()
    with pytest.raises(InputError) as error:
        encode_texts(tokenizer, ["一[MASK]", "一" * 50 + "[MASK]"])
    assert str(error.value).startswith("text 2 of 2: the text is 53 tokens long")
    assert error.value.spelled({"truncate=True": "X"}).endswith("or keep the part around the masks with X")


def test_the_module_docstring_draws_every_error() -> None:
    from bert_mlm_client import errors

    drawn = errors.__doc__ or ""
    for name, kind in vars(errors).items():
        if isinstance(kind, type):
            assert issubclass(kind, BertMlmError)
            assert re.search(rf"\b{name}\b", drawn), name


def test_special_tokens_typed_by_the_user_are_accepted(grpc_url: str) -> None:
    with FillMask(grpc_url) as client:
        assert client.fill("".join(SPECIAL))


def test_a_folder_as_vocabulary_is_rejected(grpc_url: str, tmp_path: Path) -> None:
    with FillMask(grpc_url, vocab=tmp_path) as client, pytest.raises(BertMlmError, match="cannot be read"):
        client.fill(TEXT)


@pytest.mark.parametrize("timeout", [0, -1, 1e10, float("inf"), float("nan")])
def test_an_infinite_timeout_is_rejected(grpc_url: str, timeout: float) -> None:
    with pytest.raises(InputError, match="positive number of seconds"):
        FillMask(grpc_url, timeout=timeout)
    with FillMask(grpc_url) as client, pytest.raises(InputError, match="positive number of seconds"):
        client.fill(TEXT, timeout=timeout)
