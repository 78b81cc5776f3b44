"""Test the light file against transformers and float32."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from bert_mlm_client.onnx_runtime import onnxruntime as ort
from numpy.typing import NDArray
from onnx.numpy_helper import from_array, to_array

from export import ParityError
from export.checkpoint import load_checkpoint
from export.manifest import read_manifest
from export.onnx import ONNX_FILE, Agreement, load_mapped
from export.onnx.compare import compare, main, verify_light
from export.onnx.sample import SampleLines, hide
from export.onnx.session import FloatModel, Session, open_session
from export.whitening import SAMPLE, read_sample
from tests.conftest import TINY

Golden = list[dict[str, Any]]
TOLERANCE = 1e-4
VOCABULARY = 98


@pytest.fixture(scope="module")
def in_float() -> FloatModel:
    """The same graph with its products in float32."""
    return FloatModel(load_checkpoint(TINY), VOCABULARY)


@pytest.fixture(scope="module")
def in_integers(tiny_version: Path) -> ort.InferenceSession:
    return open_session(tiny_version / ONNX_FILE)


def ask(session: Session, rows: list[list[int]], positions: Any, candidates: Any = None) -> dict[str, Any]:
    """Run rows of any length, padded with 0."""
    longest = max(map(len, rows))
    candidates = [[0]] * len(rows) if candidates is None else candidates
    inputs = {
        "input_ids": np.array([row + [0] * (longest - len(row)) for row in rows], np.int32),
        "lengths": np.array([len(row) for row in rows], np.int32),
        "positions": np.array(positions, np.int32),
        "answers": np.array([len(positions[0])], np.int32),
        "candidate_ids": np.array(candidates, np.int32),
    }
    names = ["token_ids", "scores", "candidate_scores", "cls", "mean", "attention"]
    return dict(zip(names, session.run(names, inputs), strict=True))


def by_token(answer: dict[str, Any], row: int) -> NDArray[np.float32]:
    """Return the probabilities [M, V] in the order of the vocabulary."""
    order = np.argsort(answer["token_ids"][row], axis=-1)
    return np.take_along_axis(answer["scores"][row], order, axis=-1)


def test_the_graph_in_float32_is_transformers_own_model(in_float: FloatModel, golden: Golden) -> None:
    for expected in golden:
        ids, masks = expected["input_ids"], expected["mask_positions"]
        at_masks = ask(in_float, [ids], [masks], [[97, 0, 50]])
        assert np.allclose(np.log(by_token(at_masks, 0)), expected["log_probabilities"], atol=TOLERANCE)
        chosen = np.array(expected["log_probabilities"])[:, [97, 0, 50]]
        assert np.allclose(np.log(at_masks["candidate_scores"][0]), chosen, atol=TOLERANCE)
        assert np.allclose(at_masks["attention"][0], expected["attention"], atol=TOLERANCE)
        everywhere = ask(in_float, [ids], [list(range(len(ids)))])
        assert np.allclose(everywhere["cls"][0], expected["cls"], atol=TOLERANCE)
        assert np.allclose(everywhere["mean"][0], expected["mean"], atol=TOLERANCE)


def test_integers_answer_nearly_as_float32_does(in_integers: ort.InferenceSession, golden: Golden) -> None:
    for expected in golden:
        got = ask(in_integers, [expected["input_ids"]], [expected["mask_positions"]])
        exact = np.array(expected["log_probabilities"])
        change = np.log(np.maximum(by_token(got, 0), 1e-9)) - exact
        assert np.abs(change[exact > -12]).mean() < 0.2
        best = np.take_along_axis(exact, got["token_ids"][0, :, :1], axis=-1)[:, 0]
        assert (exact.max(axis=-1) - best < 0.3).all()  # the best token, or one that was as good as it


def test_a_sentence_gets_the_same_answer_alone_and_in_a_batch(
    in_integers: ort.InferenceSession, golden: Golden
) -> None:
    masks = max(len(answer["mask_positions"]) for answer in golden)
    rows = [answer["input_ids"] for answer in golden]
    positions = [(answer["mask_positions"] * masks)[:masks] for answer in golden]
    together = ask(in_integers, rows, positions)
    for row, answer in enumerate(golden):
        alone = ask(in_integers, [rows[row]], [positions[row]])
        assert np.allclose(by_token(together, row), by_token(alone, 0), atol=1e-6)
        length = len(answer["input_ids"])
        assert np.allclose(together["attention"][row, :, :length], alone["attention"][0], atol=1e-6)
        assert not together["attention"][row, :, length:].any()


def test_whitened_is_its_own_mean_vector_by_the_savedmodels_whitening(
    in_integers: ort.InferenceSession, tiny_version: Path, golden: Golden
) -> None:
    import tensorflow as tf

    whiten = tf.saved_model.load(str(tiny_version)).whiten
    for expected in golden:
        ids = np.array([expected["input_ids"]], np.int32)
        feeds = {"input_ids": ids, "lengths": np.array([ids.size], np.int32), "answers": np.ones(1, np.int32)}
        feeds |= {"positions": np.arange(ids.size, dtype=np.int32)[None], "candidate_ids": np.zeros((1, 1), np.int32)}
        mean, whitened = in_integers.run(["mean", "whitened"], feeds)
        assert np.allclose(whitened, (mean - whiten.mean) @ whiten.kernel, atol=TOLERANCE)


def test_the_file_holds_the_embeddings_once_and_every_kernel_in_8_bits(tiny_version: Path) -> None:
    model = load_mapped(tiny_version / ONNX_FILE)
    kinds = {tensor.name: (tensor.data_type, tuple(tensor.dims)) for tensor in model.graph.initializer}
    assert kinds["embeddings"] == (onnx.TensorProto.INT8, (VOCABULARY, 32))
    assert [name for name, (_, shape) in kinds.items() if VOCABULARY in shape and len(shape) == 2] == [
        "embeddings",
        "embeddings.scales",
    ]
    assert kinds.pop("whitening.kernel") == (onnx.TensorProto.FLOAT, (32, 32))
    kernels = [kind for name, (kind, _) in kinds.items() if name.endswith(".kernel")]
    assert len(kernels) == 2 * 6 + 1
    assert set(kernels) == {onnx.TensorProto.INT8}


def test_file_has_the_metadata_for_servers(tiny_version: Path) -> None:
    model = load_mapped(tiny_version / ONNX_FILE)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    assert metadata.keys() == {"signatures", "tokenizer"}
    assert '"fill_mask"' in metadata["signatures"]
    assert '"serving_default"' not in metadata["signatures"]
    assert '"vocab_size": 98' in metadata["tokenizer"]


def test_manifest_has_the_agreement_of_the_integers(tiny_version: Path) -> None:
    manifest = read_manifest(tiny_version)
    assert ONNX_FILE in manifest.files
    assert manifest.quantisation["masks"] > 0
    assert manifest.quantisation["same_best"] >= 0.9
    assert manifest.quantisation["log_probability"] < 0.1
    assert manifest.quantisation["exact_integers"] is True


def test_only_ordinary_tokens_are_masked_by_default() -> None:
    checkpoint = load_checkpoint(TINY)
    unknown, mask, cls, sep = (checkpoint.vocabulary.index(f"[{name}]") for name in ("UNK", "MASK", "CLS", "SEP"))
    ids = np.array([cls, *[unknown] * 6, mask + 1, mask + 2, mask + 3, sep], np.int32)
    assert not list(hide([ids[:7]], checkpoint))
    for seed in range(20):
        [known] = hide([np.concatenate([ids, ids[7:10]])], checkpoint, seed=seed)
        assert (known.tokens > mask).all()
        assert (known.ids[known.positions] == mask).all()
        [any_token] = hide([ids[:7]], checkpoint, unknown=True, seed=seed)
        assert 1 <= any_token.positions[0] < 6


def test_calibration_reads_every_position_and_measures_other_sentences() -> None:
    checkpoint = load_checkpoint(TINY)
    longest = checkpoint.tokenizer.max_length
    lines = SampleLines.read(checkpoint, read_sample(SAMPLE))
    assert longest * 0.8 < max(line.ids.size for line in lines.joined) <= longest
    assert all(line.positions.size for line in lines.joined)
    assert lines.own is None
    read = {line.tobytes() for line in lines.whole}
    for line in lines.compared:
        ids = line.ids.copy()
        ids[line.positions] = line.tokens
        assert ids.tobytes() not in read or (ids[1:-1] == checkpoint.vocabulary.index("[UNK]")).mean() > 0.5


def test_the_comparison_on_text_counts_what_it_hid(tiny_version: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("source\t" + "床前明月光，疑是地上霜。" + "\n" + "x" * 400 + "\n", encoding="utf-8")
    found = compare(tiny_version, TINY, text)
    assert isinstance(found, Agreement)
    assert found.masks == 2  # 15 % of the 12 tokens of the first line; the second is longer than the model reads
    assert found.loss_float32 > 0
    assert abs(found.loss_int8 - found.loss_float32) < 1
    assert 0.95 < found.whitened_cosine < 1


def test_the_demonstration_models_light_file_meets_the_goals(
    demo_version: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(demo_version)]) == 0
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert int(printed["masks"]) > 10_000
    assert float(printed["same_best"]) >= 0.97
    assert float(printed["log_probability"]) <= 0.08
    assert float(printed["whitened_cosine"]) >= 0.99
    assert printed["exact_integers"] == "True"


def test_damaged_integers_miss_the_goals_in_the_manifest(tiny_version: Path, tmp_path: Path) -> None:
    version = Path(shutil.copytree(tiny_version, tmp_path / "1"))
    model = load_mapped(version / ONNX_FILE)
    for tensor in model.graph.initializer:
        if tensor.name.endswith("intermediate.dense.scales"):
            tensor.CopyFrom(from_array(to_array(tensor) * np.float32(3), tensor.name))
    onnx.save(model, version / ONNX_FILE)
    text = tmp_path / "text.txt"
    text.write_text("床前明月光，疑是地上霜。\n", encoding="utf-8")
    with pytest.raises(ParityError, match=r"light file differs from .*\(goal"):
        verify_light(version, TINY, text)
    assert read_manifest(version).quantisation["verified"]["masks"] == 2


def test_text_outside_the_vocabulary_is_not_compared(tiny_version: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("ペンギンはどこへ行くのか\n", encoding="utf-8")
    assert compare(tiny_version, TINY, text) is None
    assert "give --text" in verify_light(tiny_version, TINY, text)
