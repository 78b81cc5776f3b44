"""Test checkpoints in folders (test_hub.py tests the hub)."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from export import ExportError, SourceError, find_checkpoint
from export.forms import WeightForm
from tests.conftest import TINY

TINY_FILES = {"model.safetensors", "config.json", "vocab.txt", "tokenizer_config.json"}
INDEX = "model.safetensors.index.json"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 411553788\n"


def write(folder: Path, *names: str) -> str:
    """Write files that contain their names; return the folder as a user gives it."""
    for name in names:
        (folder / name).write_text(name)
    return str(folder)


def test_folder_needs_no_download() -> None:
    files = find_checkpoint(str(TINY))
    assert (files.folder, files.revision, files.form) == (TINY, None, WeightForm.SAFETENSORS)
    assert files.digests == {name: sha256((TINY / name).read_bytes()).hexdigest() for name in TINY_FILES}


@pytest.mark.parametrize(
    ("form", "weights"),
    [
        (WeightForm.SAFETENSORS, ("model.safetensors",)),
        (WeightForm.TENSORFLOW_2, ("tf_model.h5",)),
        (
            WeightForm.TENSORFLOW_1,
            (
                "bert_model.ckpt.index",
                "bert_model.ckpt.data-00000-of-00002",
                "bert_model.ckpt.data-00001-of-00002",
            ),
        ),
    ],
)
def test_a_form_is_all_of_its_files_and_no_others(tmp_path: Path, form: WeightForm, weights: tuple[str, ...]) -> None:
    others = ("pytorch_model.bin", "flax_model.msgpack", "bert_model.ckpt.meta", "README.md")
    files = find_checkpoint(write(tmp_path, "config.json", "vocab.txt", *weights, *others))
    assert files.form is form
    assert files.digests.keys() == {"config.json", "vocab.txt", *weights}


def test_a_sharded_form_is_its_index_and_the_shards_that_it_names(tmp_path: Path) -> None:
    model = write(tmp_path, "config.json", "tokenizer.json", *SHARDS, "model-00001-of-00003.safetensors")
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": dict(zip("abc", (*SHARDS, SHARDS[0]), strict=True))}))
    files = find_checkpoint(model)
    assert files.form is WeightForm.SHARDED_SAFETENSORS
    assert files.digests.keys() == {"config.json", "tokenizer.json", INDEX, *SHARDS}


@pytest.mark.parametrize("form", WeightForm)
def test_the_first_form_counts_and_the_others_are_not_read(tmp_path: Path, form: WeightForm) -> None:
    forms = [other.value for other in WeightForm]
    model = write(tmp_path, "config.json", "vocab.txt", "bert_model.ckpt.data-00000-of-00001", *SHARDS)
    write(tmp_path, *forms[forms.index(form.value) :])
    if form is WeightForm.SHARDED_SAFETENSORS:
        (tmp_path / INDEX).write_text(json.dumps({"weight_map": dict(zip("ab", SHARDS, strict=True))}))
    assert set(forms) & find_checkpoint(model).digests.keys() == {form.value}


def test_every_file_that_changes_the_tokenizer_is_read(tmp_path: Path) -> None:
    tokenizer = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
    files = find_checkpoint(write(tmp_path, "config.json", "bert_config.json", "model.safetensors", *tokenizer))
    assert files.digests.keys() == {"config.json", "model.safetensors", *tokenizer}


@pytest.mark.parametrize("model", ["./nowhere", "/nowhere/at/all", "bert", "a/b/c"])
def test_missing_folder_is_not_taken_for_a_hub_name(model: str) -> None:
    with pytest.raises(SourceError, match=f"there is no folder {model}"):
        find_checkpoint(model)


def test_a_file_in_place_of_its_folder_is_rejected() -> None:
    with pytest.raises(SourceError, match=f"is a file; give its folder, {TINY}"):
        find_checkpoint(str(TINY / "model.safetensors"))


def test_a_folder_in_the_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, "config.json", "vocab.txt", "model.safetensors")
    assert find_checkpoint("~").folder == tmp_path


def test_pickled_checkpoint_is_rejected_with_advice(tmp_path: Path) -> None:
    model = write(tmp_path, "config.json", "vocab.txt", "pytorch_model.bin")
    with pytest.raises(SourceError, match=r"pytorch_model.bin is a pickle.*save_pretrained"):
        find_checkpoint(model)


def test_every_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no config.json or bert_config.json and no .* or "):
        find_checkpoint(write(tmp_path, "model.safetensors"))


@pytest.mark.parametrize("below", ["checkpoint-500", "snapshots/0123456789"])
def test_parent_of_a_checkpoint_is_rejected_with_its_path(tmp_path: Path, below: str) -> None:
    (tmp_path / below).mkdir(parents=True)
    write(tmp_path / below, "config.json", "vocab.txt", "model.safetensors")
    with pytest.raises(SourceError, match=f"; {tmp_path / below} has such weights, give that"):
        find_checkpoint(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "index.json is not JSON: "),
        ("[]", "index.json is not a JSON object"),
        ("{}", "index.json has no weight_map from tensors to files; download it again"),
        ('{"weight_map": {}}', "index.json has no weight_map"),
        ('{"weight_map": {"a": 1}}', "index.json has no weight_map"),
        (
            json.dumps({"weight_map": dict(zip("ab", SHARDS, strict=True))}),
            f"index.json names the shard {SHARDS[1]}, which is missing; download it again",
        ),
        ('{"weight_map": {"a": "../secret.safetensors"}}', "a shard is in the folder of its index"),
    ],
)
def test_a_broken_index_is_named(tmp_path: Path, content: str, message: str) -> None:
    model = write(tmp_path, "config.json", "vocab.txt", SHARDS[0])
    (tmp_path / INDEX).write_text(content)
    with pytest.raises(ExportError, match=message):
        find_checkpoint(model)


def test_a_tensorflow_checkpoint_without_its_data_is_named(tmp_path: Path) -> None:
    model = write(tmp_path, "bert_config.json", "vocab.txt", "bert_model.ckpt.index")
    with pytest.raises(SourceError, match=r"has no data file bert_model.ckpt.data-00000-of-00001; download all files"):
        find_checkpoint(model)


@pytest.mark.parametrize("name", ["vocab.txt", "model.safetensors"])
def test_git_lfs_pointer_is_named(tmp_path: Path, name: str) -> None:
    model = write(tmp_path, "config.json", "vocab.txt", "model.safetensors")
    (tmp_path / name).write_text(POINTER)
    with pytest.raises(SourceError, match=f"{name} is a Git LFS pointer.*; run git lfs pull in {tmp_path}"):
        find_checkpoint(model)
