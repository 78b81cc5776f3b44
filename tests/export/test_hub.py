"""Checkpoints from the hub and from the local cache of its library.

Each runs in a process of its own, because the library reads its settings on import: in a fork of one that has imported
everything else.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from tokenizers import BertWordPieceTokenizer

from export.hub import PINNED, _call_with_timeout
from tests.conftest import TINY
from tests.support.hub import Hub
from tests.support.warm_python import warm_python

GOOGLE = "google-bert/bert-base-chinese"
PUBLISHED = Path(__file__).parent / "published"

OFFLINE = {"HF_HUB_OFFLINE": "1"}
NOWHERE = "http://127.0.0.1:9"

HFL = ("hfl/chinese-roberta-wwm-ext", "hfl/chinese-macbert-base", "hfl/rbt3")

SETTINGS = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt")
GOOGLE_NAMES = (
    ".gitattributes",
    "README.md",
    "flax_model.msgpack",
    "model.safetensors",
    "pytorch_model.bin",
    *SETTINGS,
)
GOOGLE_FILES = {name: name.encode() for name in (*GOOGLE_NAMES, "tf_model.h5")}
HFL_NAMES = (".gitattributes", "README.md", "flax_model.msgpack", "pytorch_model.bin", "tf_model.h5", *SETTINGS)
HFL_READ = ("added_tokens.json", "special_tokens_map.json", "tf_model.h5", *SETTINGS)
HFL_FILES = {name: name.encode() for name in (*HFL_NAMES, "special_tokens_map.json")} | {"added_tokens.json": b"{}"}

TINY_READ = ("config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors")
GOOGLES_OWN_READ = ("bert_config.json", "vocab.txt", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001")

INDEX = {
    "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"},
}
SHARDED_FILES = {
    "config.json": b"{}",
    "vocab.txt": b"[PAD]",
    "model.safetensors.index.json": json.dumps(INDEX).encode(),
    **{name: name.encode() for name in INDEX["weight_map"].values()},
}

FIND = """
import json, sys
from export import ExportError, find_checkpoint
pins = json.loads(sys.argv[1])
if pins:
    from export.hub import PINNED, Published
    PINNED.update({model: Published(**pin) for model, pin in pins.items()})
try:
    files = find_checkpoint(*sys.argv[2:])
except ExportError as error:
    sys.exit(f"refused: {error}")
found = {"form": files.form.value, "revision": files.revision, "digests": files.digests}
found["contents"] = {name: (files.folder / name).read_bytes().decode() for name in files.digests}
print(json.dumps(found))
"""


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub().run() as server:
        yield server


# What remains is what the two libraries import: they themselves read settings on import.
IMPORTS = """
import sys, export.hub
for name in [name for name in sys.modules if name.partition(".")[0] in {"export", "huggingface_hub"}]:
    del sys.modules[name]
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A Python that starts with the hub library's dependencies imported."""
    with warm_python(tmp_path_factory.mktemp("hub"), Path(sys.executable), IMPORTS, {}) as executable:
        yield executable


class Machine:
    """A user's machine: an empty home folder, and the settings of the hub's library."""

    def __init__(self, home: Path, endpoint: str, python: Path) -> None:
        self.home, self.python = home, python
        self.settings = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home)}

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        hidden = ("HF_", "TRANSFORMERS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(hidden)}
        environment |= self.settings
        return subprocess.run([self.python, *command], env=environment, capture_output=True, text=True, check=False)

    def find(self, *arguments: str, pins: Mapping[str, object] | None = None) -> dict[str, Any]:
        done = self.run("-c", FIND, json.dumps(pins or {}), *arguments)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def refusal(self, *arguments: str) -> str:
        done = self.run("-c", FIND, "{}", *arguments)
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert last.startswith("refused: "), done.stderr
        return last.removeprefix("refused: ")


@pytest.fixture
def machine(hub: Hub, tmp_path: Path, python: Path) -> Machine:
    return Machine(tmp_path, hub.url, python)


def digests(files: Mapping[str, bytes], names: tuple[str, ...]) -> dict[str, str]:
    return {name: sha256(files[name]).hexdigest() for name in names}


@pytest.mark.parametrize("model", HFL)
def test_a_repository_without_safetensors_gives_its_h5_and_nothing_else(hub: Hub, machine: Machine, model: str) -> None:
    repository = hub.add(model, HFL_FILES)
    found = machine.find(model)
    assert (found["form"], found["revision"]) == ("tf_model.h5", repository.commit)
    assert found["digests"] == digests(HFL_FILES, HFL_READ)
    assert sorted(hub.downloads()) == sorted(HFL_READ)


def test_safetensors_are_preferred(hub: Hub, machine: Machine) -> None:
    hub.add(GOOGLE, GOOGLE_FILES)
    found = machine.find(GOOGLE, "main")
    assert found["form"] == "model.safetensors"
    assert found["digests"] == digests(GOOGLE_FILES, (*SETTINGS, "model.safetensors"))


def test_pinned_model_has_the_pinned_digests(hub: Hub, machine: Machine) -> None:
    commit = PINNED[GOOGLE].revision
    hub.add(GOOGLE, GOOGLE_FILES, commit=commit)
    hub.add(GOOGLE, {**GOOGLE_FILES, "vocab.txt": b"of a later commit"})
    pinned = digests(GOOGLE_FILES, (*SETTINGS, "model.safetensors"))
    found = machine.find(GOOGLE, pins={GOOGLE: {"revision": commit, "digests": pinned}})
    assert (found["revision"], found["digests"]) == (commit, pinned)
    assert not any(path.startswith("/api/") for _, path, _ in hub.requests)
    hub.requests.clear()
    assert machine.find(GOOGLE, pins={GOOGLE: {"revision": commit, "digests": pinned}}) == found
    assert hub.requests == []


def test_a_pinned_model_with_other_content_is_rejected_before_its_weights_are_fetched(
    hub: Hub, machine: Machine
) -> None:
    hub.add(GOOGLE, GOOGLE_FILES, commit=PINNED[GOOGLE].revision)
    assert f"is not the file that {GOOGLE} published: SHA-256 " in machine.refusal(GOOGLE)
    assert hub.downloads() == ["config.json"]


@pytest.mark.parametrize("name", ["vocab.txt", "model.safetensors"])
def test_tampered_file_is_rejected_until_it_is_deleted(hub: Hub, machine: Machine, name: str) -> None:
    repository = hub.add("tester/tampered", GOOGLE_FILES)
    repository.served[name] = b"x" * len(GOOGLE_FILES[name])
    message = machine.refusal("tester/tampered")
    assert f"{name} is not the file that tester/tampered published" in message
    assert machine.refusal("tester/tampered") == message
    repository.served.clear()
    Path(message.partition("; delete ")[2].removesuffix(" and try again")).unlink()
    assert machine.find("tester/tampered")["contents"][name] == name


def test_interrupted_download_is_resumed(hub: Hub, machine: Machine) -> None:
    part = 10 << 20  # the library writes no smaller ones
    files = {**GOOGLE_FILES, "model.safetensors": b"x" * part + b"the rest"}
    repository = hub.add("tester/large", files)
    repository.cut["model.safetensors"] = part + 1
    found = machine.find("tester/large")
    assert found["digests"]["model.safetensors"] == sha256(files["model.safetensors"]).hexdigest()
    assert f"bytes={part}-" in [ranges for _, _, ranges in hub.requests]


def test_a_revision_is_a_branch_a_tag_a_pull_request_or_a_commit(hub: Hub, machine: Machine) -> None:
    first = hub.add("tester/tiny", {**GOOGLE_FILES, "vocab.txt": b"first"}, branches={"v1", "refs/pr/1"})
    latest = hub.add("tester/tiny", {**GOOGLE_FILES, "vocab.txt": b"latest"}, commit="f" * 40)
    for revision in ("v1", "refs/pr/1", first.commit):
        assert machine.find("tester/tiny", revision)["contents"]["vocab.txt"] == "first"
    assert machine.find("tester/tiny")["revision"] == latest.commit
    assert "tester/tiny has no revision v2 at " in machine.refusal("tester/tiny", "v2")


def test_a_sharded_model_is_its_index_and_the_shards_that_it_names(hub: Hub, machine: Machine) -> None:
    hub.add("tester/sharded", {**SHARDED_FILES, "model-00001-of-00003.safetensors": b"of another index"})
    assert machine.find("tester/sharded")["digests"].keys() == SHARDED_FILES.keys()


def test_an_index_that_names_a_shard_which_is_not_published_is_rejected(hub: Hub, machine: Machine) -> None:
    files = dict(SHARDED_FILES)
    del files["model-00002-of-00002.safetensors"]
    hub.add("tester/sharded", files)
    assert "names the shard model-00002-of-00002.safetensors, which is missing" in machine.refusal("tester/sharded")


def test_a_pickle_is_not_downloaded(hub: Hub, machine: Machine) -> None:
    hub.add("tester/pickled", dict.fromkeys((*SETTINGS, "pytorch_model.bin"), b"{}"))
    message = machine.refusal("tester/pickled")
    assert "pytorch_model.bin is a pickle" in message
    assert "BertForMaskedLM.from_pretrained(…).save_pretrained(…)" in message
    assert "refs/pr" not in message
    assert hub.downloads() == []


def test_hub_conversion_of_a_pickle_is_suggested(hub: Hub, machine: Machine) -> None:
    files = dict.fromkeys((*SETTINGS, "pytorch_model.bin"), b"{}")
    hub.add("tester/pickled", {**files, "model.safetensors": b"converted"}, branches={"refs/pr/7"})
    hub.add("tester/pickled", files, conversions=[7])
    assert "with --revision refs/pr/7" in machine.refusal("tester/pickled")
    assert machine.find("tester/pickled", "refs/pr/7")["contents"]["model.safetensors"] == "converted"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"status": 401}, "has no model tester/tiny, or it is private; check the spelling, set HF_TOKEN"),
        ({"gated": True}, "tester/tiny is gated: accept its terms at "),
        ({"status": 451}, "is answered with status 451; check HF_ENDPOINT and HF_TOKEN"),
        ({"status": 503}, "is answered with status 503, and the local cache has no revision main of it; "),
    ],
)
def test_unavailable_model_costs_one_request_and_one_sentence(
    hub: Hub, machine: Machine, options: dict[str, Any], message: str
) -> None:
    hub.add("tester/tiny", GOOGLE_FILES, **options)
    assert message in machine.refusal("tester/tiny")
    assert len(hub.requests) == 1


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("unknown/missing", "has no model unknown/missing, or it is private; check the spelling"),
        ("hfl/ rbt3", "'hfl/ rbt3' is not a model's name"),
    ],
)
def test_missing_model_is_reported_in_one_sentence(machine: Machine, model: str, message: str) -> None:
    assert message in machine.refusal(model)


@pytest.mark.parametrize("endpoint", ["hf-mirror.example", "ftp://hf-mirror.example"])
def test_invalid_endpoint_is_reported_in_one_sentence(machine: Machine, endpoint: str) -> None:
    machine.settings["HF_ENDPOINT"] = endpoint
    assert f"HF_ENDPOINT is '{endpoint}'; write a URL" in machine.refusal("tester/tiny")


def test_server_that_breaks_connections_gets_one_request(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connections = 0

        def accept() -> None:
            nonlocal connections
            while True:
                connection, _ = server.accept()
                connection.close()
                connections += 1

        Thread(target=accept, daemon=True).start()
        machine.settings["HF_ENDPOINT"] = f"http://127.0.0.1:{server.getsockname()[1]}"
        assert "tester/tiny could not be downloaded from " in machine.refusal("tester/tiny")
    assert connections == 2  # one tries the connection


def test_call_is_abandoned_after_the_timeout() -> None:
    with pytest.raises(TimeoutError):
        _call_with_timeout(0.01, Event().wait)


@pytest.mark.parametrize("model", ["tester/tiny", GOOGLE])
@pytest.mark.parametrize(
    ("settings", "reason", "way_out"),
    [
        ({}, "Connection refused", "check the connection, set HF_ENDPOINT to a mirror"),
        (OFFLINE, "HF_HUB_OFFLINE is set", "unset it"),
    ],
)
def test_missing_connection_and_cache_are_reported_in_one_sentence(
    machine: Machine, model: str, settings: dict[str, str], reason: str, way_out: str
) -> None:
    machine.settings |= {"HF_ENDPOINT": NOWHERE, **settings}
    message = machine.refusal(model)
    assert message.startswith(f"{model} could not be downloaded from {NOWHERE}: {reason}, and ")
    assert message.endswith(f"; {way_out}, or give a local folder")


@pytest.mark.parametrize("settings", [{}, OFFLINE])
@pytest.mark.parametrize("revision", [(), ("v1",)])
def test_without_a_connection_the_local_cache_is_used(
    hub: Hub, machine: Machine, settings: dict[str, str], revision: tuple[str, ...]
) -> None:
    hub.add(HFL[2], HFL_FILES, branches={"main", "v1"})
    found = machine.find(HFL[2], *revision)
    machine.settings |= {"HF_ENDPOINT": NOWHERE, **settings}
    assert machine.find(HFL[2], *revision) == found


def test_a_copy_of_a_pinned_model_must_have_the_pinned_content(hub: Hub, machine: Machine) -> None:
    commit = PINNED[GOOGLE].revision
    files = {name: content for name, content in GOOGLE_FILES.items() if name != "tokenizer.json"}  # vocab.txt is enough
    hub.add(GOOGLE, files, commit=commit)
    pinned = digests(files, ("config.json", "vocab.txt", "model.safetensors"))
    found = machine.find(GOOGLE, pins={GOOGLE: {"revision": commit, "digests": pinned}})
    machine.settings |= OFFLINE
    pinned["tokenizer.json"] = "0" * 64
    assert machine.find(GOOGLE, pins={GOOGLE: {"revision": commit, "digests": pinned}}) == found
    assert f"is not the file that {GOOGLE} published" in machine.refusal(GOOGLE)


def test_a_later_commit_takes_the_place_of_the_cached_one(hub: Hub, machine: Machine) -> None:
    hub.add("tester/tiny", GOOGLE_FILES)
    machine.find("tester/tiny")
    later = hub.add("tester/tiny", {**GOOGLE_FILES, "vocab.txt": b"later"}, commit="e" * 40)
    assert machine.find("tester/tiny")["revision"] == later.commit
    machine.settings |= OFFLINE
    assert machine.find("tester/tiny")["contents"]["vocab.txt"] == "later"


def test_interrupted_download_is_not_used_as_a_cached_copy(hub: Hub, machine: Machine) -> None:
    repository = hub.add("tester/tiny", GOOGLE_FILES)
    repository.served["tokenizer.json"] = b"changed"
    machine.refusal("tester/tiny")
    machine.settings |= OFFLINE
    assert "has no weights to export" in machine.refusal("tester/tiny")


def test_a_damaged_copy_is_rejected(hub: Hub, machine: Machine) -> None:
    hub.add(HFL[2], HFL_FILES)
    machine.find(HFL[2])
    [weights] = machine.home.rglob("tf_model.h5")
    weights.resolve().write_bytes(b"damaged")
    machine.settings |= OFFLINE
    assert f"is not the file that {HFL[2]} published: SHA-256 " in machine.refusal(HFL[2])


def hfl_settings(vocabulary: Path) -> dict[str, bytes]:
    """Return the tokenizer files of hfl's repositories."""
    special = {f"{name.lower()}_token": f"[{name}]" for name in ("UNK", "SEP", "PAD", "CLS", "MASK")}
    contents = {
        "added_tokens.json": "{}",
        "special_tokens_map.json": json.dumps(special),
        "tokenizer.json": BertWordPieceTokenizer(str(vocabulary)).to_str(),
        "tokenizer_config.json": '{"init_inputs": []}',
    }
    return {name: content.encode() for name, content in contents.items()}


@pytest.mark.parametrize(
    ("model", "folder", "read"),
    [
        (HFL[2], PUBLISHED / "keras", HFL_READ),
        ("tester/google", PUBLISHED / "google", GOOGLES_OWN_READ),
        ("tester/tiny", TINY, TINY_READ),
    ],
)
def test_a_model_is_exported_with_its_commit(
    hub: Hub, machine: Machine, model: str, folder: Path, read: tuple[str, ...]
) -> None:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    if model in HFL:
        files |= hfl_settings(folder / "vocab.txt")
    repository = hub.add(model, files | {"pytorch_model.bin": b"a pickle", "flax_model.msgpack": b"Flax's"})
    done = machine.run("-m", "export", "--model", model, "--output", str(machine.home / "models"))
    assert done.returncode == 0, done.stderr
    manifest = json.loads((machine.home / "models/bert_mlm/1/manifest.json").read_text())
    assert manifest["source"] == {"model": model, "revision": repository.commit, "digests": digests(files, read)}
