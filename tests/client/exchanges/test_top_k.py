"""Answers for a smaller top_k are a prefix of those for a larger one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bert_mlm_client import FillMask
from bert_mlm_client.exchanges import MAX_FILLINGS
from bert_mlm_client.transport import InProcess
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MOST = 100
TARGETS = ["足下", "书", "好汉", "千里", "北京", "，", "天气", "一", "a1", "不可思议"]

# Words and masks in random order, since meaningless texts have near ties.
texts = st.lists(
    st.sampled_from(["[MASK]", "[MASK]", "千里", "一个", "天气", "，", "a", "7"]), min_size=1, max_size=7
).map("".join)
masked = texts.filter(lambda text: 1 <= text.count("[MASK]") <= 4)
one_gap = st.builds(
    "{}[MASK]{}".format, st.sampled_from(["", "一个", "千里之行，"]), st.sampled_from(["", "。", "天气"])
)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=["tensorflow", "onnx"])
def client(request: pytest.FixtureRequest, demo_version: Path) -> Iterator[FillMask]:
    """A client of the shipped checkpoint, in this process."""
    from deploy.embedded.engines.onnx import OnnxEngine
    from deploy.embedded.engines.tensorflow import TensorFlowEngine

    engine = TensorFlowEngine(demo_version) if request.param == "tensorflow" else OnnxEngine(demo_version)
    with FillMask(InProcess(engine)) as client:
        yield client


@few
@given(text=masked, top_k=st.integers(1, MAX_FILLINGS + 3), more=st.integers(1, MOST), skip=st.booleans())
def test_words_for_all_masks_together(client: FillMask, text: str, top_k: int, more: int, skip: bool) -> None:
    fewer, most = (client.fill_words(text, count, skip_punctuation=skip) for count in (top_k, min(top_k + more, MOST)))
    assert fewer == most[:top_k]
    assert len(most) <= MAX_FILLINGS
    assert sum(filling.score for filling in most) <= 1 + 1e-5
    assert len({filling.sequence for filling in most}) == len(most)


@few
@given(text=masked, top_k=st.integers(1, MOST), skip=st.booleans())
def test_candidates_of_each_mask(client: FillMask, text: str, top_k: int, skip: bool) -> None:
    fewer, most = (client.fill_masks(text, count, skip_punctuation=skip) for count in (top_k, MOST))
    assert fewer == [candidates[:top_k] for candidates in most]


@few
@given(text=one_gap, targets=st.lists(st.sampled_from(TARGETS), min_size=1), top_k=st.integers(1, len(TARGETS)))
def test_given_words(client: FillMask, text: str, targets: list[str], top_k: int) -> None:
    assert client.choose(text, targets, top_k) == client.choose(text, targets, MOST)[:top_k]


@few
@given(text=masked, top_k=st.integers(1, 8))
def test_joint_words_have_the_log_likelihood_that_score_gives(client: FillMask, text: str, top_k: int) -> None:
    fillings = [one for one in client.fill_words(text, top_k) if not any("##" in word for word in one.words)]
    for filling, scored in zip(fillings, client.score(text, [one.words for one in fillings]), strict=True):
        if scored.tokens == filling.tokens:
            assert scored.log_likelihood == pytest.approx(filling.log_likelihood, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("满招[MASK]，谦受[MASK]。", ("损", "益")),
        ("千里之行，始于[MASK][MASK]。", ("足下",)),
    ],
)
def test_sayings_are_completed_for_every_top_k(client: FillMask, text: str, words: tuple[str, ...]) -> None:
    for top_k in (1, 5, 30, 100):
        assert client.fill_words(text, top_k)[0].words == words
