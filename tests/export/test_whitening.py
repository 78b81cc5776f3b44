"""Test the whitening's algebra, sample text and export."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from export import SampleError, read_manifest
from export.__main__ import main
from export.checkpoint import load_checkpoint
from export.onnx.sample import SampleLines
from export.whitening import SAMPLE, SENTENCES, Whitening, fit, read_sample
from tests.conftest import DEMO, TINY
from tests.support.exported import Export, Precision

Float = NDArray[np.float64]
Golden = list[dict[str, Any]]


def vectors(count: int, width: int = 12, seed: int = 1) -> Float:
    """Return correlated vectors of variable scale with a large mean."""
    random = np.random.default_rng(seed)
    mixed = random.normal(size=(count, width)) * np.geomspace(1, 0.01, width)
    directions, _ = np.linalg.qr(random.normal(size=(width, width)))
    turned: Float = mixed @ directions + 5
    return turned


def apply(whitening: Whitening, values: Float) -> Float:
    return (values - whitening.mean.astype(np.float64)) @ whitening.kernel.astype(np.float64)


def test_whitened_vectors_of_a_large_sample_have_mean_0_variance_1_and_nothing_in_common() -> None:
    sample = vectors(200_000)
    whitened = apply(fit(sample, shrinkage=0), sample)
    assert np.allclose(whitened.mean(axis=0), 0, atol=1e-3)
    assert np.allclose(np.cov(whitened.T), np.eye(12), atol=1e-3)


@pytest.mark.parametrize("shrinkage", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("count", [4, 12, 2000])
def test_shrinking_whitens_a_covariance_between_the_samples_and_equal_variances(count: int, shrinkage: float) -> None:
    sample = vectors(count)
    covariance = np.cov(sample.T, bias=True)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / 12 * np.eye(12)
    kernel = fit(sample, shrinkage=shrinkage).kernel.astype(np.float64)
    assert np.allclose(kernel.T @ shrunk @ kernel, np.eye(12), atol=1e-4)


def test_fewer_dimensions_are_those_of_the_largest_variance() -> None:
    sample = vectors(500)
    every, few = fit(sample), fit(sample, dimensions=3)
    assert np.array_equal(few.kernel, every.kernel[:, :3])
    kept = np.linalg.norm(np.linalg.svd(sample - sample.mean(axis=0))[2][:3] @ few.kernel)
    assert kept == pytest.approx(np.linalg.norm(few.kernel), rel=1e-5)


def test_the_order_of_the_sentences_does_not_matter() -> None:
    sample = vectors(500)
    assert np.allclose(fit(sample).kernel, fit(sample[::-1]).kernel, rtol=1e-4)


def test_sample_smaller_than_a_vector_gives_finite_values() -> None:
    sample = vectors(3, width=40)
    whitened = apply(fit(sample), sample)
    assert np.isfinite(whitened).all()
    assert np.abs(whitened).max() < 10


@pytest.mark.parametrize("count", [0, 1, 7])
def test_equal_vectors_are_rejected(count: int) -> None:
    with pytest.raises(SampleError, match=f"gave {count} vectors, all of them equal"):
        fit(np.full((count, 4), 0.1, np.float32))


def test_the_sample_that_ships_is_small_and_plain() -> None:
    sample = read_sample(SAMPLE)
    assert SAMPLE.stat().st_size < 300_000
    assert len(sample.sentences) == len(SAMPLE.read_text(encoding="utf-8").splitlines()) > 1000
    assert not set("“”‘’…—ＡＢ[]") & set("".join(sample.sentences))


@pytest.fixture(scope="module")
def model(tiny_version: Path) -> Any:
    return tf.saved_model.load(str(tiny_version))


def ask(model: Any, ids: Any) -> dict[str, NDArray[np.float32]]:
    lengths = tf.constant([len(row) for row in ids], tf.int32)
    padded = tf.constant([[*row, *[0] * (64 - len(row))] for row in ids], tf.int32)
    answer = model.signatures["features"](input_ids=padded, lengths=lengths)
    return {name: tensor.numpy() for name, tensor in answer.items()}


def test_whitened_is_the_transformed_mean_vector_of_transformers(model: Any, golden: Golden) -> None:
    got = ask(model, [answer["input_ids"] for answer in golden])["whitened"]
    expected = (np.array([answer["mean"] for answer in golden]) - model.whiten.mean) @ model.whiten.kernel
    assert got.shape == (len(golden), 32)
    assert np.allclose(got, expected, atol=1e-4)


def test_the_sample_itself_is_white_in_the_graph(model: Any) -> None:
    sentences = SampleLines.read(load_checkpoint(TINY), read_sample(SAMPLE)).whole
    whitened = ask(model, [line.tolist() for line in sentences])["whitened"].astype(np.float64)
    assert np.allclose(whitened.mean(axis=0), 0, atol=1e-3)
    covariance = np.cov(whitened.T)
    assert np.allclose(covariance - np.diag(np.diag(covariance)), 0, atol=1e-3)
    largest = np.sort(np.diag(covariance))[::-1]
    assert np.allclose(np.diag(covariance), largest, atol=1e-3)
    assert largest[0] < 2  # shrinking half way at most halves a variance that the kernel divides by


def test_the_manifest_says_what_the_whitening_was_fitted_to(tiny_version: Path) -> None:
    whitening = read_manifest(tiny_version).whitening
    assert whitening["text_sha256"] == sha256(SAMPLE.read_bytes()).hexdigest()
    assert whitening["sentences"] == SENTENCES
    assert whitening["dimensions"] == 32
    assert whitening["shrinkage"] == 0.5


@pytest.mark.parametrize("precision", ["bf16", "bf16-compute"])
def test_every_precision_has_the_same_whitening(model: Any, tiny_version_in: Export, precision: Precision) -> None:
    other = tf.saved_model.load(str(tiny_version_in(precision))).whiten
    assert np.array_equal(other.kernel, model.whiten.kernel)
    assert np.array_equal(other.mean, model.whiten.mean)


def test_fill_mask_does_not_use_the_whitening(model: Any) -> None:
    names = {
        signature: [one.name for one in model.signatures[signature].variables]
        for signature in ("features", "fill_mask")
    }
    assert {"whitening.mean:0", "whitening.kernel:0"} <= set(names["features"])
    assert not any(name.startswith("whitening") for name in names["fill_mask"])


def test_whitening_is_fitted_to_the_given_text(tmp_path: Path) -> None:
    text = tmp_path / "mine.txt"
    text.write_text(
        "床前明月光。\n\n 疑是地上霜。 \n床前明月光。\n" + "他说你好。" * 40 + "\n春眠不觉晓。\n", encoding="utf-8"
    )
    place = ["--output", str(tmp_path), "--whitening-text", str(text)]
    assert main(["--model", str(TINY), *place]) == 0
    whitening = read_manifest(tmp_path / "bert_mlm" / "1").whitening
    assert whitening["sentences"] == 3  # each once, without the one that is too long for the model
    assert whitening["text_sha256"] == sha256(text.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe", "is not UTF-8"),
        (b"", "has 0 sentences that the checkpoint can tell apart"),
        ("床前明月光。\n床前明月光。\n".encode(), "has 1 sentence that the checkpoint can tell apart"),
        (None, "No such file"),
    ],
)
def test_a_text_that_cannot_be_used_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, told: str
) -> None:
    text = tmp_path / "text.txt"
    if content is not None:
        text.write_bytes(content)
    out = tmp_path / "out"
    assert main(["--model", str(TINY), "--output", str(out), "--whitening-text", str(text)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error
    assert not out.exists()


def test_too_short_inputs_are_rejected_early(
    tiny_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads((tiny_copy / "tokenizer_config.json").read_text(encoding="utf-8"))
    (tiny_copy / "tokenizer_config.json").write_text(json.dumps({**config, "model_max_length": 4}), encoding="utf-8")
    monkeypatch.delattr("export.savedmodel.calibrate")  # nothing runs before the check
    assert main(["--model", str(tiny_copy), "--output", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "reads 4 tokens at most" in error
    assert "raise model_max_length in tokenizer_config.json" in error
    assert not (tmp_path / "out").exists()


def test_a_long_text_is_fitted_to_evenly_spaced_sentences(tmp_path: Path) -> None:
    text = tmp_path / "mine.txt"
    every = [f"{'床前明月光'[: 1 + number % 5]}{number:03d}" for number in range(2 * SENTENCES + 1)]
    text.write_text("\n".join(every), encoding="utf-8")
    own = SampleLines.read(load_checkpoint(DEMO), read_sample(text)).own
    assert own is not None
    assert SENTENCES / 2 < len(own) <= SENTENCES
    first, last = (line.tolist() for line in (own[0], own[-1]))
    assert first != last
