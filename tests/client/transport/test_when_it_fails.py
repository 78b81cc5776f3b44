"""Every error of the README's table "When it fails", with real servers."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bert_mlm_client
import numpy as np
import pytest
from bert_mlm_client import (
    BertMlmError,
    DeadlineError,
    FillMask,
    InputError,
    ModelNotFoundError,
    OverloadedError,
    ProtocolError,
    Request,
    RequestError,
    ServerError,
    ServerTimeoutError,
    SignatureNotFoundError,
    UnreachableError,
    UsageError,
    VocabularyError,
    errors,
)
from bert_mlm_client.transport import open_transport

from loadtest.failover import Replica
from tests.client.transport.conftest import FILL, Client, Open
from tests.support.waiting import wait_until

TEXT = "中国的首[MASK]是北京。"
README = Path(bert_mlm_client.__file__).parents[1] / "README.md"


@pytest.fixture
def own_server(replica: Callable[..., Replica]) -> Iterator[Replica]:
    """A server that the test may stop or kill."""
    with replica() as running:
        yield running


@pytest.fixture
def hanging_server(server: Replica) -> Iterator[Replica]:
    """The shared server, which the test may suspend."""
    yield server
    server.resume()


@pytest.fixture(params=["grpc", "rest"])
def address(request: pytest.FixtureRequest) -> Callable[[Replica], str]:
    """Return a server's address, once per protocol."""
    return lambda process: str(getattr(process, request.param))


Address = Callable[[Replica], str]


def test_every_error_of_the_table_is_provoked_here() -> None:
    """Error tree, table and this file have the same classes."""
    tree = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    section = README.read_text(encoding="utf-8").partition("## When it fails\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`\w+Error`.*?) \|", section, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"(?<!\(a )`(\w+Error)`", row)}
    assert named == tree - {"BertMlmError"}
    source = Path(__file__).read_text(encoding="utf-8")
    raised = set(re.findall(r"pytest\.raises\((\w+)", source))
    assert raised == tree - {"BertMlmError"}


def test_a_text_without_a_mask_is_rejected_before_any_request(refusing_port: int) -> None:
    with FillMask(f"grpc://127.0.0.1:{refusing_port}") as client, pytest.raises(InputError, match=r"no \[MASK\]"):
        client.fill("中国的首都")


def test_a_closed_client_raises_usage_error(server: Replica, address: Address) -> None:
    with FillMask(address(server)) as client:
        client.fill(TEXT)
    with pytest.raises(UsageError, match="this client is closed"):
        client.fill(TEXT)


def test_a_different_vocabulary_is_rejected(server: Replica, address: Address, tmp_path: Path) -> None:
    with FillMask(address(server)) as client:
        tokens = list(client.tokenizer().vocabulary.tokens)
    other = tmp_path / "vocab.txt"
    other.write_text("\n".join([*tokens[:-2], tokens[-1], tokens[-2]]) + "\n", encoding="utf-8")
    with FillMask(address(server), vocab=other) as client, pytest.raises(VocabularyError) as error:
        client.fill(TEXT)
    assert error.value.address == address(server)


def test_a_server_that_is_down_is_unreachable(own_server: Replica, address: Address, client: Open) -> None:
    one = client(address(own_server))
    one.predict()
    own_server.kill()
    with pytest.raises(UnreachableError, match=r"no connection.*4 attempts\)$"):
        one.predict()
    own_server.start()
    wait_until(lambda: answers(one), within_s=10)  # gRPC reconnects twice a second


def answers(one: Client) -> bool:
    try:
        one.predict()
    except UnreachableError:
        return False
    return True


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_an_unknown_host_is_unreachable(client: Open, scheme: str) -> None:
    with pytest.raises(UnreachableError, match=r"no\.such\.host\.invalid"):
        client(f"{scheme}://no.such.host.invalid", retry=None).predict()


@pytest.mark.parametrize("scheme", ["grpc", "http"])
def test_a_port_without_a_listener_is_unreachable(client: Open, scheme: str, refusing_port: int) -> None:
    with pytest.raises(UnreachableError, match="gRPC is port 8500, REST 8501"):
        client(f"{scheme}://127.0.0.1:{refusing_port}").predict()


def test_a_server_that_is_killed_in_mid_request_is_unreachable(
    own_server: Replica, address: Address, client: Open
) -> None:
    url = address(own_server)
    one = client(url, retry=None)
    one.predict()
    own_server.hang()
    killer = threading.Thread(target=_kill_when_asked, args=[own_server, int(url.rpartition(":")[2])])
    killer.start()
    with pytest.raises(UnreachableError):
        one.predict(timeout=30.0)
    killer.join()


def _kill_when_asked(server: Replica, port: int) -> None:
    """Kill a suspended server once it has an unread request."""
    try:
        wait_until(lambda: _unread_bytes(port), within_s=20)
    finally:
        server.kill()


def _unread_bytes(port: int) -> int:
    """Return the number of unread bytes at a port (Linux)."""
    found = 0
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            is_connection = fields[3] == "01"
            if is_connection and int(fields[1].rpartition(":")[2], 16) == port:
                found += int(fields[4].rpartition(":")[2], 16)
    return found


def test_a_server_that_hangs_times_out(hanging_server: Replica, address: Address, client: Open) -> None:
    one = client(address(hanging_server))
    one.predict()
    hanging_server.hang()
    with pytest.raises(ServerTimeoutError, match=r"nothing came back in 0\.3 s"):
        one.predict(timeout=0.3)
    hanging_server.resume()
    one.predict()


@pytest.mark.parametrize(("scheme", "port_of"), [("grpc", "rest"), ("http", "grpc")])
def test_using_the_other_protocols_port_is_named(server: Replica, client: Open, scheme: str, port_of: str) -> None:
    port = getattr(server, port_of).rpartition(":")[2]
    with pytest.raises(ProtocolError, match="grpc:// goes with 8500, http:// with 8501"):
        client(f"{scheme}://127.0.0.1:{port}").predict()


def test_an_unknown_model_and_an_unknown_version_are_named(server: Replica, address: Address, client: Open) -> None:
    with pytest.raises(ModelNotFoundError, match=r"Servable not found for request: Latest\(bart\)"):
        client(address(server), model="bart").predict()
    with pytest.raises(ModelNotFoundError, match=r"Specific\(bert_mlm, 7\)"):
        client(address(server), version=7).predict()
    with pytest.raises(ModelNotFoundError, match="Could not find version 7 of model bert_mlm"):
        client(address(server), version=7).status()


def test_an_unknown_signature_is_reported(server: Replica, address: Address, client: Open) -> None:
    with pytest.raises(SignatureNotFoundError, match="not found"):
        client(address(server)).predict(Request("nothing", FILL.inputs, ("scores",)))


def test_model_errors_keep_their_message(server: Replica, address: Address, client: Open) -> None:
    inputs = {**FILL.inputs, "mask_positions": np.array([[99]], np.int32)}
    with pytest.raises(RequestError, match="mask_positions must be from 0 to 2"):
        client(address(server)).predict(Request("fill_mask", inputs, ("scores",)))


ONE_AT_A_TIME = """
max_batch_size { value: 64 }
max_enqueued_batches { value: 1 }
num_batch_threads { value: 1 }
"""


def many_rows() -> Request:
    """Return a request that takes the server some time."""
    inputs = {"input_ids": np.full((64, 32), 5), "lengths": np.full(64, 32), "mask_positions": np.ones((64, 1))}
    return Request("fill_mask", {name: array.astype(np.int32) for name, array in inputs.items()}, ("scores",))


@pytest.fixture
def busy(replica: Callable[..., Replica], tmp_path: Path) -> Iterator[Replica]:
    """A server whose queue holds one batch."""
    batching = tmp_path / "batching.config"
    batching.write_text(ONE_AT_A_TIME)
    with replica("--enable_batching", f"--batching_parameters_file={batching}") as server:
        yield server


def ask_at_once(address: str) -> list[BertMlmError | None]:
    """Overfill the queue and return each request's error or None."""
    transport = open_transport(address, retry=None)

    def ask(_: int) -> BertMlmError | None:
        try:
            transport.predict(many_rows(), timeout=30)
        except BertMlmError as error:
            return error
        return None

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(ask, range(48)))
    transport.close()
    return outcomes


def test_a_full_queue_is_overload_over_grpc(busy: Replica) -> None:
    outcomes = ask_at_once(busy.grpc)
    assert None in outcomes
    first = next(error for error in outcomes if error is not None)
    with pytest.raises(OverloadedError, match="batch scheduling queue to which this task was submitted is full"):
        raise first
    assert {type(error) for error in outcomes} == {type(None), OverloadedError}


def test_rest_requests_wait_for_the_queue(busy: Replica) -> None:
    assert ask_at_once(busy.rest) == [None] * 48


def test_the_servers_own_time_limit_is_reported(replica: Callable[..., Replica], client: Open) -> None:
    with replica("--rest_api_timeout_in_ms=1") as server, pytest.raises(DeadlineError):
        client(server.rest).predict(many_rows())


def test_every_error_answer_is_a_server_error(server: Replica, address: Address, client: Open) -> None:
    for request in (Request("nothing", FILL.inputs, ("scores",)), Request("fill_mask", {}, ("scores",))):
        with pytest.raises(ServerError) as error:
            client(address(server)).predict(request)
        assert error.value.address == address(server)


def test_errors_name_server_and_signature(server: Replica, address: Address) -> None:
    with FillMask(address(server), "bart") as client, pytest.raises(ModelNotFoundError) as error:
        client.fill(TEXT)
    parts: Any = (error.value.address, error.value.model, error.value.signature, error.value.attempts)
    assert parts == (address(server), "bart", "tokenizer", 1)
