"""Test what can be done with the results of many lines, and files and options of the fill tab."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.deploy.gateway.conftest import Gateway, Start
from tests.deploy.gateway.page.conftest import DESKTOP, Open
from tests.deploy.gateway.page.test_accessibility import violations
from tests.deploy.gateway.page.test_look import expect_fits
from tests.deploy.gateway.page.workbench import (
    AMBIGUOUS,
    GUESSWORK,
    SENTENCE,
    VERSE,
    Held,
    answer,
    ask,
    expect_answer,
    tokens,
)

PHONE = (375, 740)
LINES = (SENTENCE, GUESSWORK, VERSE, AMBIGUOUS)
NAMES = {
    "en": {"order": "Order", "part": "Show", "least": "least sure first", "guess": "a guess", "count": "1 of 4 lines"},
    "zh": {"order": "排序", "part": "显示", "least": "最不确定的在前", "guess": "只是猜", "count": "4 行中的 1 行"},
}


def numbers(page: Page) -> Locator:
    return page.locator("ol.batch > li .number")


def wholly_answered(page: Page, gateway: Gateway) -> None:
    """Wait for the whole words too, since they change how sure a line is."""
    [best] = gateway.answer("/v1/fill-mask", {"inputs": GUESSWORK, "parameters": {"joint": True, "top_k": 1}})
    expect(page.locator("ol.batch > li[data-line='2'] summary .sentence")).to_have_text(best["sequence"])


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_lines_are_sorted_and_filtered_by_how_sure_they_are(
    open_page: Open, gateway: Gateway, language: str, size: tuple[int, int]
) -> None:
    best = [gateway.answer("/v1/fill-mask", {"inputs": line})[0]["score"] for line in (SENTENCE, VERSE, AMBIGUOUS)]
    single = dict(zip(("1", "3", "4"), best, strict=True))
    words = NAMES[language]
    page = open_page(f"/?lang={language}", size=size, dark=language == "zh")
    page.locator("#fill-text").fill("\n".join(LINES))
    wholly_answered(page, gateway)
    page.get_by_label(words["order"]).select_option(words["least"])
    expect(numbers(page)).to_have_text(["2", *sorted(single, key=lambda number: single[number])])
    page.get_by_label(words["part"]).select_option(words["guess"])
    expect(numbers(page)).to_have_text(["2"])
    expect(page.locator(".tools .count").first).to_have_text(words["count"])
    expect_fits(page)
    assert violations(page) == []
    page.get_by_label(words["part"]).select_option(index=0)
    expect(numbers(page)).to_have_count(4)
    page.locator("#fill-text").fill(SENTENCE)
    expect(page.locator("#panel-fill .tools")).to_be_hidden()


def saved(page: Page, button: str, folder: Path) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path.read_text(encoding="utf-8-sig")


def test_lines_are_downloaded_and_copied_as_they_are_shown(open_page: Open, gateway: Gateway, tmp_path: Path) -> None:
    page = open_page()
    ask(page, *LINES)
    wholly_answered(page, gateway)
    page.get_by_label("Order").select_option("least sure first")
    expect(numbers(page).first).to_have_text("2")
    order = numbers(page).all_inner_texts()
    rows = list(csv.DictReader(saved(page, "Download CSV", tmp_path).splitlines()))
    assert [row["line"] for row in rows] == order
    assert rows[order.index("1")]["words"] == "好"
    assert rows[order.index("1")]["sequence"] == SENTENCE.replace("[MASK]", "好")
    assert rows[0]["text"] == GUESSWORK
    values = [json.loads(line) for line in saved(page, "Download JSONL", tmp_path).splitlines()]
    assert [str(value["line"]) for value in values] == order
    assert len(values[order.index("1")]["masks"][0]) == 5
    assert values[0]["wholes"][0]["words"] == [rows[0]["words"]]
    page.get_by_role("button", name="Copy table").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert copied[0].split("\t") == list(rows[0])
    assert [line.split("\t")[0] for line in copied[1:]] == order


def test_a_text_that_a_spreadsheet_would_run_is_quoted(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    ask(page, '=1+"2",[MASK]', SENTENCE)
    [first, _] = csv.DictReader(saved(page, "Download CSV", tmp_path).splitlines())
    assert first["text"] == '\'=1+"2",[MASK]'
    value = json.loads(saved(page, "Download JSONL", tmp_path).splitlines()[0])
    assert value["text"] == '=1+"2",[MASK]'


DROP = """(area, { name, bytes }) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name));
  for (const kind of ["dragover", "drop"]) {
    const event = new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
    if (area.dispatchEvent(event)) throw new Error(`the browser would open the file at ${kind}`);
  }
}"""


def drop(page: Page, name: str, content: bytes) -> None:
    page.locator("#fill-text").evaluate(DROP, {"name": name, "bytes": list(content)})


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_dropped_text_file_is_asked_and_undo_brings_the_former_text_back(open_page: Open, encoding: str) -> None:
    page = open_page()
    ask(page, AMBIGUOUS)
    drop(page, "lines.txt", f"{SENTENCE}\r\n{VERSE}\r\n".encode(encoding))
    expect_answer(page, SENTENCE, VERSE)
    page.keyboard.press("Control+Z")
    expect_answer(page, AMBIGUOUS)


def test_a_dropped_file_is_taken_character_by_character(open_page: Open) -> None:
    page = open_page(forgive="status of 400")
    lines = ["  两 个  空格[MASK]", "", "", "<b>[MASK]</b> &amp; <img src=x onerror=alert(1)>", "末[MASK]\t行"]
    drop(page, "odd.txt", "\n".join(lines).encode())
    expect(page.locator("#fill-text")).to_have_value("\n".join(lines))
    expect_answer(page, *filter(None, lines))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_file_that_is_no_text_or_too_large_changes_nothing_and_says_so(open_page: Open, language: str) -> None:
    page = open_page(f"/?lang={language}", size=PHONE)
    page.locator("#fill-text").fill(AMBIGUOUS)
    page.locator("#fill-more summary").click()
    note = page.locator("#panel-fill .file-note")
    drop(page, "photo.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
    expect(note).to_contain_text({"en": "“photo.png” is not a text file", "zh": "“photo.png”不是"}[language])
    drop(page, "book.txt", b"a" * 200_001)
    expect(note).to_contain_text({"en": "has 201 kB; the page takes 200", "zh": "有 201 kB"}[language])
    expect(note).to_contain_text("bert-mlm")
    expect(page.locator("#fill-text")).to_have_value(AMBIGUOUS)
    expect_fits(page)
    assert violations(page) == []


def test_a_few_hundred_lines_of_a_file_are_answered(open_page: Open) -> None:
    page = open_page()
    drop(page, "many.txt", "\n".join(f"今天是[MASK]月{number}日。" for number in range(300)).encode())
    expect(page.locator("ol.batch > li")).to_have_count(300)
    expect(page.locator("#fill-hints li")).to_have_count(0)


def test_a_file_can_be_chosen_too(open_page: Open) -> None:
    page = open_page()
    page.locator("#fill-more summary").click()
    with page.expect_file_chooser() as chooser:
        page.locator("#fill-text-open").click()
    chooser.value.set_files({"name": "a.txt", "mimeType": "text/plain", "buffer": f"{SENTENCE}\n{VERSE}".encode()})
    expect_answer(page, SENTENCE, VERSE)
    expect(page.locator("#announcement")).to_contain_text("a.txt was read")


@pytest.fixture
def asked_of(open_page: Open, start: Start, serving_url: str) -> Any:
    """Open a page of a gateway that takes two lines at a time; return it and the requests' lines."""
    gateway = start(serving_url, "--max-batch=2")
    gateway.wait_until_ready()
    page = open_page(at=gateway, forgive="status of 4(00|13)")
    asked: list[list[str]] = []
    page.on("request", lambda request: note(request, asked))
    return page, asked


def note(request: Any, asked: list[list[str]]) -> None:
    if request.url.endswith("/v1/fill-mask") and "joint" not in request.post_data:
        asked.append(request.post_data_json["inputs"])


def test_more_lines_than_the_limit_are_asked_in_several_requests_with_progress(asked_of: Any) -> None:
    page, asked = asked_of
    ask(page, SENTENCE, VERSE, AMBIGUOUS)  # the gateway says how many it takes
    lines = (SENTENCE, VERSE, AMBIGUOUS, "中国的首都是[MASK]京。", "春来发几[MASK]？")
    held = Held(page, "fill-mask", lines[-1])
    asked.clear()
    page.locator("#fill-text").fill("\n".join(lines))
    held.expect()
    progress = page.locator("#panel-fill .progress")
    expect(progress).to_have_text("4 of 5 lines")
    expect(progress.get_by_role("progressbar", name="4 of 5 lines")).to_have_attribute("value", "4")
    held.send()
    expect_answer(page, *lines)
    expect(progress).to_be_hidden()
    expect(page.locator("ol.batch > li")).to_have_count(5)
    assert asked[-3:] == [list(lines[:2]), list(lines[2:4]), [lines[4]]]  # a browser writes line by line
    expect(page.locator("#fill-hints li")).to_have_count(0)


def test_a_line_that_is_refused_in_a_later_request_has_its_own_number(asked_of: Any) -> None:
    page, _ = asked_of
    lines = [SENTENCE, VERSE, AMBIGUOUS, "字" * 300 + "[MASK]"]
    page.locator("#fill-text").fill("\n".join(lines))
    expect(page.locator("#fill-hints li[data-kind='too-long']")).to_contain_text("Line 4:")
    expect_answer(page, *lines[:3])


def test_only_the_readers_words_are_candidates_and_a_link_keeps_them(open_page: Open, gateway: Gateway) -> None:
    text = "中国的首都是[MASK][MASK]。"
    targets = ["上海", "北京", "哈尔滨"]
    expected = gateway.answer("/v1/fill-mask", {"inputs": text, "parameters": {"targets": targets}})
    page = open_page()
    ask(page, text)
    page.locator("#fill-more summary").click()
    page.get_by_role("textbox", name="Choose only from these words").fill("上海，北京、哈尔滨 北京")
    found = answer(page)
    expect(found.locator("section.whole h2")).to_have_text("Your words")
    assert tokens(found) == [one["token_str"] for one in expected]
    expect(page.get_by_role("checkbox", name="No punctuation")).to_be_disabled()
    longer = [one["token_str"] for one in expected].index("哈尔滨")
    found.locator("ol.candidates button").nth(longer).click()
    expect(found.locator(".sentence")).to_have_text("中国的首都是哈尔滨。")
    expect(found).to_contain_text("A word that is longer or shorter than the gap is not explained.")
    page.wait_for_url("**targets=**")
    page.reload()
    expect(found.locator("section.whole h2")).to_have_text("Your words")
    expect(page.get_by_role("textbox", name="Choose only from these words")).to_be_visible()
    assert violations(page) == []


def test_punctuation_can_be_left_out(open_page: Open, gateway: Gateway) -> None:
    text = "今天天气真好[MASK]"
    expected = gateway.answer("/v1/fill-mask", {"inputs": text, "parameters": {"skip_punctuation": True}})
    page = open_page()
    assert "。" in tokens(ask(page, text))
    page.locator("#fill-more summary").click()
    page.get_by_role("checkbox", name="No punctuation among the candidates").check()
    expect(answer(page).locator("li .token")).to_have_text([one["token_str"] for one in expected])
    page.wait_for_url("**skip_punctuation=1**")
    page.reload()
    expect(answer(page).locator("li .token")).to_have_text([one["token_str"] for one in expected])
