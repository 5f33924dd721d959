"""`kerasnn learn` in a real browser: what a reader sees and does.

Needs a Chromium; skipped where there is none.
"""

import contextlib
import io
import re
import socket
import threading

import numpy as np
import pytest
import uvicorn
from browsing import IN_A_BROWSER, PATIENCE, running_browser
from playwright.sync_api import expect

from kerasnn.learn import app as app_module
from kerasnn.learn.settings import BREAKS

pytestmark = IN_A_BROWSER
BREAK_EPOCHS = 3
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def server():
    """The address of a running server, and its trainings."""
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_module, "BREAK_EPOCHS", BREAK_EPOCHS)
        patch.setattr(
            app_module,
            "Sessions",
            lambda make=app_module.Sessions: made.append(make()) or made[0],
        )
        app = app_module.make_learn_app()
        config = uvicorn.Config(app, log_level="warning", ws="none", lifespan="off")
        running = uvicorn.Server(config)
        listening = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", made[0]
        running.should_exit = running.force_exit = True
        thread.join()


@pytest.fixture(scope="module")
def browser():
    with running_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser, server):
    """Opens pages; whatever the browser complains of fails the test."""
    complaints, contexts = [], []

    def opened(**options):
        context = browser.new_context(base_url=server[0], **{"locale": "en-GB"} | options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(server[0]) or complaints.append(request.url)
            ),
        )
        page.goto("/")
        page.wait_for_selector("body[data-ready]")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def text(page, name):
    return page.inner_text(f"#{name}")


def numbers(text):
    return [float(number) for number in re.findall(r"\d[\d.]*(?:e-\d+)?", text)]


def run_program(page):
    """Run what the page shows; return the losses that it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text(page, "program"), "page.py", "exec"), {})
    return numbers(out.getvalue())


def choose(page, data):
    with page.expect_response("**/learn/sessions"):
        page.locator(f"[name=data][value={data}]").check(force=True)
    expect(page.locator("#now-epoch")).to_have_text(re.compile("^0"))


def test_steps_epochs_and_play_give_the_losses_of_the_program(open_page):
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    page.click("#step")
    expect(page.locator("#now-epoch")).to_have_text("0 + 1/23")
    page.click("#epoch")
    expect(page.locator("#now-epoch")).to_have_text("1 + 0/23")
    page.click("#play")
    expect(page.locator("#play")).to_have_text("Pause")
    page.wait_for_function(
        "() => parseInt(document.getElementById('now-epoch').textContent) > 2"
    )
    page.click("#play")
    expect(page.locator("#play")).to_have_text("Train")
    expect(page.locator("#program")).not_to_contain_text("epochs=1,")
    epochs = int(text(page, "now-epoch").split()[0])
    losses = run_program(page)
    page.click("#copy")
    expect(page.locator("#copy")).to_have_text("Copied")
    assert page.evaluate("() => navigator.clipboard.readText()") == text(page, "program")
    assert len(losses) == epochs >= 3
    assert text(page, "now-trained") == f"{losses[-1]:.4f}"
    assert numbers(text(page, "now-loss"))[0] < 2.3
    n_wrong, of = numbers(text(page, "wrong-title"))
    assert of == 360
    assert page.locator("#wrong li").count() == min(n_wrong, 12)
    assert page.locator("#layers tbody tr").count() == 2


def test_every_setting_starts_a_new_training_with_it(open_page):
    page = open_page()
    choose(page, "iris")
    page.select_option("#speed", "50")
    for name, value, in_program in (
        ("width", "4", "(2, (4,), 1"),
        ("batch_size", "150", "batch_size=150"),
        ("seed", "7", "seed=7"),
        ("learning_rate", "0,25", '"sgd", 0.25'),
        ("optimizer", "momentum", '"momentum", 0.25'),
    ):
        if name == "optimizer":
            page.select_option("#optimizer", value)
        else:
            page.fill(f"#{name}", value)
            page.press(f"#{name}", "Tab")
        expect(page.locator("#program")).to_contain_text(in_program)
    for value, words in (
        ("0", "above 0 and at most 1000"),
        ("abc", "Learning rate|above 0"),
    ):
        page.fill("#learning_rate", value)
        page.press("#learning_rate", "Tab")
        expect(page.locator("#problem")).to_have_text(re.compile(words))
    page.fill("#learning_rate", "0.1")
    page.press("#learning_rate", "Tab")
    expect(page.locator("#problem")).to_be_empty()
    page.click("#epoch")
    assert run_program(page)[-1] == pytest.approx(
        numbers(text(page, "now-trained"))[0], abs=1e-4
    )
    page.click("#anew")
    expect(page.locator("#now-epoch")).to_have_text("0")


def test_each_break_asks_breaks_explains_and_is_mended(open_page):
    page = open_page()
    page.select_option("#speed", "50")
    for name in BREAKS:
        page.click(f"#break-{name}")
        assert page.locator("#guesses input").count() == 3
        assert text(page, "question-text").endswith("?")
        page.locator("#guesses input").nth(1).check()
        page.click("#break-it")
        right = name in ("new-adam", "signed-labels")
        told = page.locator(f"#explanation p.{'right' if right else 'miss'}")
        expect(told).to_be_visible()
        assert "\N{EN DASH}" not in text(page, "explanation")
        assert page.evaluate("document.querySelectorAll('#legend li').length") >= 3
        expect(page.locator("#play")).to_have_text("Train")
    page.click("#mend")
    expect(page.locator("#question")).to_be_hidden()
    expect(page.locator("#program")).to_contain_text('"adam", 0.002')


def test_a_table_is_learned_and_a_bad_one_explained(open_page, tmp_path):
    rng = np.random.default_rng(0)
    sizes = rng.normal(0, 1, (40, 2))
    lines = [f"{a:.2f},{b:.2f},{'big' if a + b > 0 else '<b>small'}" for a, b in sizes]
    (tmp_path / "good.csv").write_text("\n".join(["left,right,kind", *lines]))
    (tmp_path / "bad.csv").write_text("a,b\n" + "1,2\n" * 20)
    page = open_page()
    page.locator("[name=data][value=csv]").check(force=True)
    expect(page.locator("#play")).to_be_disabled()
    page.set_input_files("#file", tmp_path / "bad.csv")
    expect(page.locator("#problem")).to_contain_text("the target 'b' is constant")
    page.set_input_files("#file", tmp_path / "good.csv")
    expect(page.locator("#program")).to_contain_text(
        "learn.csv_rows('good.csv', target='kind')"
    )
    expect(page.locator("#problem")).to_be_empty()
    page.click("#epoch")
    expect(page.locator("#now-epoch")).to_have_text("1")
    page.select_option("#target", "left")
    expect(page.locator("#label-score")).to_have_text("R squared")


def test_by_keyboard_in_chinese_on_a_dark_phone(open_page):
    page = open_page(viewport=PHONE, color_scheme="dark", locale="zh-CN")
    assert page.evaluate("document.documentElement.lang") == "zh"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "epoch":
            break
    page.keyboard.press("Enter")
    expect(page.locator("#said")).to_contain_text("第 1 轮")
    page.locator(".cell").nth(2).focus()
    for _ in range(6):
        page.keyboard.press("Shift+ArrowDown")
    expect(page.locator("#answer .best .share")).to_contain_text("%")
    assert page.get_attribute(".cell >> nth=0", "aria-label").startswith("第 1 行第 1 列")
    assert "响应最强的单元" in page.get_attribute("#units", "aria-label")
    page.click(".drawing button >> nth=1")
    assert page.get_attribute(".drawing button >> nth=1", "aria-pressed") == "true"
    page.click(".drawing button >> nth=0")
    expect(page.locator("#answer .best")).to_have_count(0)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= PHONE["width"]
    page.click("#language")
    expect(page.locator("#play")).to_have_text("Train")
    assert page.inner_text(".drawing button >> nth=0") == "Clear"


def test_a_closed_tab_ends_its_training_and_no_other(open_page, server):
    _, sessions = server
    first, second = open_page(), open_page()
    for page in (first, second):
        page.click("#play")
        page.wait_for_function(
            "() => parseInt(document.getElementById('now-epoch').textContent) > 0"
        )
    running = [one for one in sessions._sessions.values() if one.stream is not None]
    assert len(running) == 2
    first.close()
    for _ in range(PATIENCE // 50):
        if sum(one.stream is not None for one in running) == 1:
            break
        second.wait_for_timeout(50)
    assert sum(one.stream is not None for one in running) == 1
    epoch = int(text(second, "now-epoch").split()[0])
    second.wait_for_function(
        f"() => parseInt(document.getElementById('now-epoch').textContent) > {epoch}"
    )
    mine = next(one for one in running if one.stream is not None)
    second.click("#play")
    expect(second.locator("#play")).to_have_text("Train")
    sessions.close(next(key for key, one in sessions._sessions.items() if one is mine))
    second.click("#step")
    expect(second.locator("#problem")).to_contain_text("This training is gone")
    second.click("#anew")
    expect(second.locator("#problem")).to_be_empty()
