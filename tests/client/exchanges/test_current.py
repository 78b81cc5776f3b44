"""Text is tokenized for the answering version while versions change."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bert_mlm_client import FillMask, InputError, VocabularyError
from bert_mlm_client.wire.tensors import Array

from tests.client.scripted import TOKENS, Asked, ScriptedModel, grpc_server

TEXT = "中国的首[MASK]是北京。"
OTHER = (*TOKENS[:5], *reversed(TOKENS[5:]))


@pytest.fixture
def swap(model: ScriptedModel) -> Callable[[], None]:
    def to_the_other() -> None:
        model.version, model.tokens = 2, OTHER

    return to_the_other


def test_a_request_is_repeated_with_a_new_versions_vocabulary(
    grpc_url: str, model: ScriptedModel, swap: Callable[[], None]
) -> None:
    with FillMask(grpc_url) as client:
        client.fill(TEXT)
        swap()
        answer = client.fill(TEXT)
        again = client.fill(TEXT)
    with FillMask(grpc_url) as newcomer:
        assert newcomer.fill(TEXT) == answer == again
    ids = [asked.inputs["input_ids"].tolist() for asked in model.requests("fill_mask")]
    assert ids[0] == ids[1]  # tokenized for the old version
    assert ids[1] != ids[2] == ids[3]


def test_an_equal_vocabulary_of_a_new_version_is_fetched_once(grpc_url: str, model: ScriptedModel) -> None:
    with FillMask(grpc_url) as client:
        for version in (1, 2, 2, 1, 2):
            model.version = version
            client.fill(TEXT)
    assert len(model.requests("tokenizer")) == 2
    assert len(model.requests("fill_mask")) == 5


def test_a_new_version_may_not_match_a_vocabulary_file(
    grpc_url: str, model: ScriptedModel, swap: Callable[[], None], tmp_path: Path
) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(model.vocab)
    with FillMask(grpc_url, vocab=path) as client:
        client.fill(TEXT)
        swap()
        with pytest.raises(VocabularyError, match="not the server's"):
            client.fill(TEXT)


def test_a_file_is_trusted_without_tokenizer_signature(grpc_url: str, model: ScriptedModel, tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_bytes(model.vocab)
    model.without_tokenizer = True
    with FillMask(grpc_url, vocab=path) as client:
        for version in (1, 2, 2):
            model.version = version
            client.fill(TEXT)
    assert len(model.requests("fill_mask")) == 3
    assert len(model.requests("tokenizer")) == 3  # once at the start and once for each version


def test_a_request_invalid_in_the_old_vocabulary_is_repeated(grpc_url: str, model: ScriptedModel) -> None:
    with FillMask(grpc_url) as client:
        client.fill(TEXT)
        model.version, model.tokens = 2, (*TOKENS, *(chr(0x5000 + number) for number in range(500)))
        model.answers = {"token_ids": np.full((1, 1, 1), len(TOKENS) + 7, np.int32), "scores": np.ones((1, 1, 1), "f4")}
        [best] = client.fill(TEXT, top_k=1)
    assert best.token_str == chr(0x5007)


def test_servers_in_a_swap_with_one_vocabulary_all_answer() -> None:
    old, new = ScriptedModel(), ScriptedModel(version=2)
    with grpc_server(old) as first, grpc_server(new) as second, FillMask([first, second]) as client:
        answers = [client.fill(TEXT) for _ in range(10)]
    assert all(answer == answers[0] for answer in answers)
    assert len(old.requests("fill_mask")) + len(new.requests("fill_mask")) == 10


def test_servers_in_a_vocabulary_swap_never_answer_wrongly() -> None:
    old, new = ScriptedModel(), ScriptedModel(version=2, tokens=OTHER)
    with grpc_server(old) as first, grpc_server(new) as second:
        with FillMask(first) as one, FillMask(second) as other:
            right = [one.fill(TEXT), other.fill(TEXT)]
        with FillMask([first, second]) as client:
            for _ in range(6):
                try:
                    assert client.fill(TEXT) in right
                except VocabularyError as error:
                    assert "different vocabularies alternate" in str(error)  # noqa: PT017  either is right


class Restless(ScriptedModel):
    """A model that swaps versions and vocabularies after every request."""

    def predict(self, asked: Asked) -> dict[str, Array]:
        if asked.signature == "fill_mask":
            self.version += 1
            self.tokens = OTHER if self.tokens is TOKENS else TOKENS
        return ScriptedModel.predict(self, asked)


def test_endless_vocabulary_changes_raise_an_error_naming_version() -> None:
    model = Restless()
    with (
        grpc_server(model) as url,
        FillMask(url) as client,
        pytest.raises(VocabularyError, match=r"alternate, the last being 6; .*version="),
    ):
        client.fill(TEXT)
    assert len(model.requests("fill_mask")) == 5


def test_usage_errors_stay_the_same(grpc_url: str, model: ScriptedModel) -> None:
    with FillMask(grpc_url) as client:
        client.fill(TEXT)
        model.version = 2
        with pytest.raises(InputError, match="top_k"):
            client.fill(TEXT, top_k=500)


class Scores(ScriptedModel):
    """A model with equal scores for all words."""

    def predict(self, asked: Asked) -> dict[str, Array]:
        if asked.signature != "score_tokens":
            return super().predict(asked)
        shape = (*asked.inputs["mask_positions"].shape, asked.inputs["candidate_ids"].shape[1])
        return {"scores": np.full(shape, 0.5, np.float32)}


def test_an_iterator_of_candidates_survives_a_repeated_request() -> None:
    model = Scores()
    with grpc_server(model) as url, FillMask(url) as client:
        client.tokenizer()
        model.version, model.tokens = 2, OTHER
        assert len(client.score(TEXT, iter(["京", "北京"]))) == 2  # type: ignore[arg-type]  # accepted, but not documented
        model.version, model.tokens = 3, TOKENS
        assert len(client.choose(TEXT, iter(["京", "北京"]))) == 2  # type: ignore[call-overload]  # likewise
