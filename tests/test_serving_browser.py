"""The page in a real browser: what somebody sees who tries a model.

Needs a Chromium; skipped where there is none.
"""

import ast
import asyncio
import json
import re
import shlex
import shutil
import socket
import threading
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
import serving_models
import tensorflow as tf
import uvicorn
from browsing import IN_A_BROWSER, PATIENCE, running_browser
from playwright.sync_api import Page, expect

import kerasnn
from kerasnn import saving
from kerasnn.datasets import Column, Schema, Target, checked_table
from kerasnn.preprocessing import Preprocessor
from kerasnn.serving.app import make_app
from kerasnn.serving.inference.scheduler import Scheduler
from kerasnn.serving.metrics import Metrics
from kerasnn.serving.models.registry import ModelRegistry
from kerasnn.serving.models.sources import folder_sources
from kerasnn.serving.options import Limits
from kerasnn.serving.service import Service

pytestmark = IN_A_BROWSER
ROOT = Path(__file__).parents[1]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
# Strokes of a digit, in shares of the pad's side.
THREE = [
    (0.28, 0.1),
    (0.6, 0.07),
    (0.68, 0.25),
    (0.45, 0.46),
    (0.7, 0.65),
    (0.6, 0.9),
    (0.28, 0.9),
]

# --- a table network, without training --------------------------------------------------

SCHEMA = Schema(
    (
        Column("age", "numeric", low=17.0, high=91.0),
        Column("price of ticket", "numeric", low=-1.5, high=0.5),
        Column(
            "city", "categorical", levels=("Lyon", "Zürich", "<b>Oslo"), counts=(3, 9, 1)
        ),
        Column("member", "boolean", levels=("no", "yes"), counts=(5, 4)),
        Column(
            "since", "datetime", first="2001-05-03T00:00:00", last="2020-01-31T00:00:00"
        ),
    ),
    target=Target("bought", "classification", classes=("no", "yes", "<i>perhaps")),
)


def export_table(folder):
    n = 60
    rng = np.random.default_rng(0)
    rows = {
        "age": rng.normal(40, 10, n),
        "price of ticket": rng.uniform(-1.5, 0.5, n),
        "city": rng.choice(np.array(["Lyon", "Zürich", "<b>Oslo"], object), n),
        "member": rng.choice(np.array(["no", "yes"], object), n),
        "since": np.datetime64("2001-05-03", "s") + rng.integers(5 * 10**8, size=n),
    }
    preprocessor = Preprocessor.fit(checked_table(rows, SCHEMA), SCHEMA)
    network = serving_models.RandomLayer(preprocessor.n_in, 3)
    metrics = {"accuracy": 0.75, "error": 0.25, "log_loss": 0.5}
    saving.export_table(
        network,
        preprocessor,
        SCHEMA,
        folder,
        answers=network,
        metadata={"metrics": metrics, "measured_on": "test rows"},
        signatures={"explain": saving.TableSignature(lambda rows: reasons(network, rows))},
    )


def reasons(network, rows):
    """Return contributions that grow from column to column, to the answer of age."""
    sizes = np.array([1, -2, 3, -4, 5], np.float32)[:, np.newaxis] / 10
    age = rows.x[:, :1]
    return {
        **network(rows.x, rows.codes),
        "contributions": (age * 3)[..., tf.newaxis] * (sizes * np.ones(3, np.float32)),
        "base": tf.ones_like(age) * np.array([0.5, 1, 1.5], np.float32),
    }


# --- server and browser -----------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in ("digits", "iris"):
        shutil.copytree(ROOT / "saved_models" / name, folder / name)
    export_table(folder / "shop")
    serving_models.make_picture(folder / "photo")
    serving_models.make_table(folder / "many", cities=20)
    serving_models.make_columns(folder / "columns & <b>")
    serving_models.make_classifier(folder / "classifier")
    serving_models.make_broken(folder / "broken")
    return folder


@pytest.fixture(scope="module")
def models(folder):
    models = ModelRegistry(folder_sources(folder, latest=1, versions=()))
    models.refresh()
    yield models
    models.stop()


@pytest.fixture(scope="module")
def server(models):
    """The address of a running server, on a port of its own."""
    inference = Scheduler()
    service = Service(models, inference, Metrics(), Limits())
    app = make_app(service, stopping=lambda: False, access_log=None, grpc="127.0.0.1:8500")
    config = uvicorn.Config(app, log_level="warning", ws="none", lifespan="off")
    running = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))

    async def serve():
        inference.start()
        await running.serve(sockets=[listening])
        await inference.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    running.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser():
    with running_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser, server):
    """Opens views of the page; whatever the browser complains of fails the test."""
    complaints, pages = [], []

    @contextmanager
    def use_model(hash_="", viewport=DESKTOP, errors=(), **options):
        context = browser.new_context(viewport=viewport, base_url=server, **options)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        told = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: told.append(message.text))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(f"{server}/") or complaints.append(request.url)
            ),
        )
        page.goto(f"/{hash_}")
        pages.append(page)
        yield page
        complaints.extend(text for text in told if text not in errors)
        context.close()

    yield use_model
    assert complaints == []


def draw(page: Page, points):
    """One stroke with the mouse; the last point is where the button goes up."""
    box = page.locator(".pad").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=4)
    page.mouse.up()


def pixels(page: Page):
    """What stands on the pad, [1, 64]."""
    inks = page.locator(".cell").evaluate_all("cells => cells.map(c => c.dataset.ink)")
    return np.array([inks], np.float32)


def probabilities(page: Page):
    """What the bars show, in full."""
    titles = page.locator(".bars li").evaluate_all("items => items.map(i => i.title)")
    return np.array([float(title.rpartition(": ")[2]) for title in titles])


def wait_until(page: Page, holds):
    """Until something of this process holds, while the browser goes on."""
    for _ in range(PATIENCE // 10):
        if holds():
            return
        page.wait_for_timeout(10)
    raise AssertionError("it did not come true")


def wait_for_probabilities(page: Page, expected):
    """Until the bars show what is expected, to the digits of the server's answer."""
    page.wait_for_function(
        """expected => {
            const shown = [...document.querySelectorAll(".bars li")];
            const value = item => Number(item.title.split(": ").at(-1));
            const near = (item, i) => Math.abs(value(item) - expected[i]) < 1e-5;
            return shown.length === expected.length && shown.every(near);
        }""",
        arg=[float(one) for one in np.ravel(expected)],
    )


# --- pages of others --------------------------------------------------------------------

BAD_REQUEST = (
    "Failed to load resource: the server responded with a status of 400 (Bad Request)"
)
ASK = """async url => {
    const request = {method: "POST", mode: "no-cors", body: '{"instances": [[1, 1]]}'};
    const answer = await fetch(url, request);
    return [answer.type, answer.status];
}"""


def test_a_page_of_another_site_gets_nothing_computed(browser, server):
    page = browser.new_page()
    answered = []
    page.on("response", lambda r: answered.append(r.status) if server in r.url else None)
    page.route("http://evil.example/", lambda route: route.fulfill(body="<p>Hello"))
    page.goto("http://evil.example/")
    answer = page.evaluate(ASK, f"{server}/v1/models/iris:predict")
    assert answer == ["opaque", 0]
    assert answered == [403]
    page.close()


def test_a_site_that_points_its_name_at_this_machine_gets_nothing(browser, server):
    site = server.replace("127.0.0.1", "evil.example")
    page = browser.new_page()
    answer = page.goto(f"{site}/page/models")
    assert answer.status == 403
    assert "--allow-host evil.example" in answer.text()
    assert page.evaluate(ASK, "/v1/models/iris:predict")[1] == 403
    page.close()


# --- the list ---------------------------------------------------------------------------


def test_the_models_are_listed_and_why_one_failed(open_page, folder):
    with open_page() as page:
        links = page.get_by_role("navigation", name="Models").get_by_role("link")
        expect(links).to_have_text(
            [
                "broken",
                "classifier",
                "columns & <b>",
                "digits",
                "iris",
                "many",
                "photo",
                "shop",
            ]
        )
        broken = page.get_by_role("listitem").filter(has=page.get_by_text("broken"))
        expect(broken).to_contain_text(
            f"version 1 failed{folder}/broken/1/saved_model.pb cannot be read: Error"
            " parsing message with type 'tensorflow.SavedModel': Wire format was corrupt"
        )
        links.filter(has_text="broken").click()
        expect(page.get_by_role("main")).to_contain_text("No version of it can answer now.")
        page.goto("/#nobody")
        expect(page.get_by_role("main")).to_contain_text(
            "The server has no model of this name."
        )


def test_a_link_leads_to_a_version_and_back(open_page):
    with open_page("#iris/1") as page:
        expect(page).to_have_title("iris - kerasnn")
        expect(page.get_by_role("heading", level=1)).to_have_text("iris")
        page.get_by_role("link", name="digits").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("digits")
        expect(page.get_by_role("heading", level=1)).to_be_focused()
        page.go_back()
        expect(page.get_by_label("X0")).to_have_value("0")


# --- the pad ----------------------------------------------------------------------------


def test_a_digit_drawn_by_mouse_is_recognised_while_it_is_drawn(open_page, folder):
    network = kerasnn.load(folder / "digits")
    with open_page("#digits") as page:
        expect(page.locator(".answer")).to_have_text(
            "Draw on the pad: the probabilities move as you draw."
        )
        draw(page, THREE[:2])
        half = network.predict(pixels(page))["probabilities"]
        wait_for_probabilities(page, half)
        draw(page, THREE[1:])
        whole = network.predict(pixels(page))["probabilities"]
        wait_for_probabilities(page, whole)
        expect(page.locator(".headline strong")).to_have_text("3")
        assert probabilities(page).sum() == pytest.approx(1, abs=1e-5)
        assert np.abs(whole - half).max() > 0.1
        page.get_by_role("button", name="Clear").click()
        expect(page.locator(".bars")).to_have_count(0)
        assert pixels(page).sum() == 0


def test_drawings_are_like_the_digits_until_they_are_erased(open_page):
    with open_page("#digits") as page:
        draw(page, THREE)
        # Those it learned from have 312 in the mean, of pixels that count 0 to 16.
        assert 250 < pixels(page).sum() < 400
        assert set(np.unique(pixels(page))) <= set(range(17))
        assert len(np.unique(pixels(page))) > 5  # soft edges
        page.get_by_role("button", name="Erase").click()
        draw(page, THREE)
        assert pixels(page).sum() == 0
        expect(page.locator(".bars")).to_have_count(0)


def test_one_request_is_under_way_and_the_last_drawing_is_answered(open_page, folder):
    with open_page("#digits") as page:
        held = []
        page.route("**/v1/**", lambda route: held.append(route))
        draw(page, THREE)
        wait_until(page, lambda: held)
        page.wait_for_timeout(100)
        assert len(held) == 1
        with page.expect_request("**/v1/**"):
            held[0].continue_()
        wait_until(page, lambda: len(held) == 2)
        held[1].continue_()
        network = kerasnn.load(folder / "digits")
        wait_for_probabilities(page, network.predict(pixels(page))["probabilities"])
        assert len(held) == 2


def test_a_digit_is_drawn_by_keyboard_only(open_page, folder):
    network = kerasnn.load(folder / "digits")

    def tab_to(page, selector):
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"Tab does not reach {selector}")

    with open_page() as page:
        page.get_by_role("link", name="digits").wait_for()
        tab_to(page, "nav a[href='#digits']")
        page.keyboard.press("Enter")
        page.locator(".cell").first.wait_for()
        tab_to(page, ".cell")
        for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowRight"):
            page.keyboard.press(key)
        for key in ("9", "ArrowRight", "5", "ArrowRight", "Space", "ArrowUp", "Space"):
            page.keyboard.press(key)
        page.keyboard.press("Space")
        expected = np.zeros((8, 8))
        expected[1, 2:5] = 16, 9, 16
        np.testing.assert_array_equal(pixels(page).reshape(8, 8), expected)
        expect(page.locator(":focus")).to_have_attribute(
            "aria-label", "row 1, column 5: ink 0 of 16"
        )
        for _ in range(7):
            page.keyboard.press("Shift+ArrowDown")
        assert (pixels(page).reshape(8, 8)[:, 4] == 16).all()
        wait_for_probabilities(page, network.predict(pixels(page))["probabilities"])
        tab_to(page, "button")
        page.keyboard.press("Enter")
        assert pixels(page).sum() == 0


def test_a_finger_draws_and_does_not_scroll(open_page):
    with open_page("#digits", PHONE, has_touch=True, is_mobile=True) as page:
        page.locator(".cell").nth(27).tap()
        page.locator(".bars").wait_for()
        assert pixels(page)[0, 27] == 16
        style = page.locator(".pad").evaluate("pad => getComputedStyle(pad).touchAction")
        assert style == "none"


# --- forms ------------------------------------------------------------------------------


def test_the_form_of_a_table_gives_the_network_s_answers(open_page, folder):
    network = kerasnn.load(folder / "shop")

    def answer(**changed):
        row = {
            "age": 54.0,
            "price of ticket": -0.5,
            "city": "Zürich",
            "member": "no",
            "since": "2020-01-31",
        }
        return network.predict(pd.DataFrame([{**row, **changed}]))

    with open_page("#shop") as page:
        first = answer()
        wait_for_probabilities(page, first["probabilities"])
        expect(page.locator(".headline")).to_contain_text(f"bought{first['class'][0]}")
        expect(page.locator(".bars .label")).to_have_text(["no", "yes", "<i>perhaps"])
        page.get_by_label("age", exact=True).fill("20.5")
        wait_for_probabilities(page, answer(age=20.5)["probabilities"])
        page.get_by_label("age", exact=True).fill("")
        page.get_by_label("city", exact=True).select_option(label="<b>Oslo")
        page.get_by_label("since").fill("2003-04-05")
        expected = answer(age=np.nan, city="<b>Oslo", since="2003-04-05")
        wait_for_probabilities(page, expected["probabilities"])
        expect(page.locator(".curl")).to_contain_text('"age": NaN, "price_of_ticket": -0.5')
        page.get_by_label("city", exact=True).select_option(label="another value…")
        page.get_by_label("city: another value").fill("never seen")
        page.get_by_label("member", exact=True).select_option(label="missing")
        page.get_by_label("since").fill("")
        unusual = answer(age=np.nan, city="never seen", member=None, since=None)
        wait_for_probabilities(page, unusual["probabilities"])
        page.get_by_role("button", name="Back to the first values").click()
        wait_for_probabilities(page, first["probabilities"])


def test_reasons_move_while_the_fields_are_edited(open_page):
    with open_page("#shop") as page:
        bars = page.locator(".reasons li")
        expect(bars).to_have_count(5)
        # The largest one first.
        expect(bars.locator(".label")).to_have_text(
            ["since", "member", "city", "price of ticket", "age"]
        )
        shown = bars.first.locator(".share").text_content()
        expect(page.locator(".reasons .against")).to_have_count(2)
        page.get_by_label("age", exact=True).fill("20")
        expect(bars.first.locator(".share")).not_to_have_text(shown)
        expect(page.locator(".reasons .against")).to_have_count(3)
        expect(page.get_by_text("From the mean")).to_contain_text(
            "logarithm of the probability of"
        )


def test_a_model_without_reasons_shows_none(open_page):
    with open_page("#many") as page:
        expect(page.locator(".headline")).to_be_visible()
        expect(page.get_by_role("heading", name="Reasons")).to_have_count(0)


def test_a_slider_moves_within_the_range_that_was_seen(open_page, folder):
    with open_page("#shop") as page:
        slider = page.locator("input[type=range]").first
        slider.fill("91")
        expect(page.get_by_label("age", exact=True)).to_have_value("91")
        page.get_by_label("age", exact=True).fill("300")  # may be sent all the same
        expect(page.locator(".curl")).to_contain_text('"age": 300,')
        expect(slider).to_have_value("91")


def test_a_missing_number_has_a_box_and_no_slider(open_page):
    with open_page("#shop") as page:
        slider = page.locator('.field:has(label:text-is("age")) input[type="range"]')
        box = page.get_by_label("age is missing")
        page.get_by_label("age", exact=True).fill("20")
        box.check()
        expect(page.get_by_label("age", exact=True)).to_have_value("")
        expect(slider).to_be_hidden()
        expect(page.locator(".curl")).to_contain_text('"age": NaN')
        box.uncheck()
        expect(page.get_by_label("age", exact=True)).to_have_value("20")
        expect(slider).to_be_visible()


def test_values_outside_the_training_are_marked_beside_the_field_and_in_the_answer(
    open_page,
):
    with open_page("#shop") as page:
        answer = page.get_by_role("region", name="Answer")
        expect(answer).not_to_contain_text("Believe this less")
        page.get_by_label("age", exact=True).fill("300")
        expect(
            page.get_by_text("outside 17 to 91, the range of the training").first
        ).to_be_visible()
        expect(answer).to_contain_text("Believe this less. age: outside 17 to 91")
        page.get_by_label("city", exact=True).select_option(label="another value…")
        page.get_by_label("city: another value").fill("Rome")
        expect(answer).to_contain_text("city: no training row had this")
        page.get_by_role("button", name="Back to the first values").click()
        expect(answer).not_to_contain_text("Believe this less")


def test_a_level_among_many_is_found_by_typing(open_page, folder):
    with open_page("#many") as page:
        city = page.get_by_label("city", exact=True)
        expect(city).to_have_value("city 7")  # the most frequent
        options = page.locator("datalist option").evaluate_all(
            "all => all.map(o => o.value)"
        )
        assert options == [f"city {i}" for i in range(20)]
        city.fill("city 11")
        expect(page.locator(".curl")).to_contain_text("city 11")


def test_a_pasted_table_is_answered_row_by_row(open_page, folder):
    rows = {"age": [30, 41], "price of ticket": [0.5, 0.25], "city": ["Lyon", None]}
    rows |= {"member": ["yes", "no"], "since": ["2005-01-02", "2010-04-03"]}
    expected = kerasnn.load(folder / "shop").predict(rows)
    pasted = (
        "id;city;age;member;since;price of ticket\n"
        '1;"Lyon";30;True;2005-01-02;0,5\r\n2;;41;0;2010-04-03;0,25\n'
    )
    with open_page("#shop", errors=[BAD_REQUEST]) as page:
        page.get_by_text("Ask for several rows").click()
        area = page.get_by_label("Rows with their header")
        ask = page.get_by_role("button", name="Ask for these rows")
        area.fill(pasted)
        ask.click()
        cells = page.get_by_role("group", name="Answers").get_by_role("cell")
        expect(cells).to_have_count(6)
        assert [cells.nth(i).text_content() for i in (1, 4)] == [*expected["class"]]
        area.fill(pasted.replace("41", "old"))
        ask.click()
        answer = page.get_by_role("region", name="Answer")
        expect(answer.get_by_role("alert")).to_contain_text("'old' is not a number")
        area.fill("age;city\n3")
        ask.click()
        expect(page.get_by_text("Row 1 has 1 cells, and the header has 2.")).to_be_visible()


def test_a_picture_is_drawn_to_the_size_that_the_model_takes(open_page, folder, tmp_path):
    png = tf.io.encode_png(tf.fill([40, 20, 3], tf.constant(128, tf.uint8)))
    (tmp_path / "grey.png").write_bytes(png.numpy())
    with open_page("#photo") as page:
        page.get_by_text("Write the request yourself").click()
        expect(page.get_by_text("is too long to show here")).to_be_visible()
        page.get_by_label("A picture").set_input_files(tmp_path / "grey.png")
        answer = page.get_by_role("region", name="Answer")
        expect(answer).to_contain_text("384")  # three channels of 128
        page.get_by_label("Its values").select_option("0 to 1")
        expect(answer).to_contain_text("1.5")
        expect(page.locator(".curl")).to_contain_text("@request.json")
        with page.expect_download() as saved:
            page.get_by_role("button", name="Save request.json").click()
        (row,) = json.loads(saved.value.path().read_text())["instances"]
        assert np.shape(row) == (32, 32, 3)


def test_the_python_program_gets_the_same_answer(open_page, capsys):
    with open_page("#shop") as page:
        page.get_by_label("city", exact=True).select_option(label="another value…")
        page.get_by_label("city: another value").fill('"quoted" \\ \'é')
        page.get_by_label("Python", exact=True).check()
        expect(page.locator(".curl")).to_contain_text("quoted")
        exec(page.locator(".curl").text_content(), {})
        share = ast.literal_eval(capsys.readouterr().out)["predictions"][0]["probabilities"]
        wait_for_probabilities(page, share)


def test_the_start_shows_where_and_how_the_server_is_asked(open_page, server):
    with open_page() as page:
        addresses = page.get_by_role("region", name="Addresses")
        expect(addresses).to_contain_text(f"{server}/v1/models/NAME:predict")
        expect(addresses).to_contain_text("127.0.0.1:8500")
        page.get_by_text("POST /v1/models/shop:predict").click()
        example = page.get_by_label("Example").filter(visible=True)
        request = json.loads(example.text_content())
        answer = httpx.post(f"{server}/v1/models/shop:predict", json=request)
        assert answer.status_code == 200, answer.text


def test_what_is_no_number_is_told_beside_it_and_not_sent(open_page, folder):
    value = kerasnn.load(folder / "iris").predict(np.array([[5.5, 1.0]]))["value"]
    with open_page("#iris") as page:
        page.locator(".headline").wait_for()
        page.get_by_label("X0").fill("5,5")
        page.get_by_label("X1").fill("")
        problems = page.locator(".field .problem")
        expect(problems).to_have_text(
            [
                "“5,5” is not a number. The decimal sign is a point.",
                "A number is needed here.",
            ]
        )
        expect(page.get_by_label("X0")).to_have_attribute("aria-invalid", "true")
        expect(page.locator(".note")).to_have_text("This answers what you asked before.")
        page.get_by_label("X0").fill("5.5")
        page.get_by_label("X1").fill("1")
        expect(problems).to_have_text(["", ""])
        expect(page.locator(".headline strong")).to_have_text(f"{value.item():.5g}")


def test_a_model_of_others_is_asked_in_json(open_page):
    with open_page("#columns%20%26%20%3Cb%3E") as page:
        area = page.get_by_label("Request, as JSON")
        expect(area).to_have_value(
            '{"instances": [\n  {"age": 0.0, "city": "", "count": 0}\n]}'
        )
        area.fill(
            '{"instances": [{"age": 1.5, "city": "<u>x", "count": 9007199254740993}]}'
        )
        page.get_by_role("button", name="Ask").click()
        shown = page.get_by_label("Answer as JSON")
        expect(shown).to_contain_text('"label": "<u>x 9007199254740993"')


def test_each_signature_has_an_example_in_its_own_form(open_page, folder):
    with open_page("#classifier") as page:
        area = page.get_by_label("Request, as JSON")
        choice = page.get_by_label("Signature", exact=True)
        choice.select_option("regress")
        expect(area).to_have_value(
            '{"signature_name": "regress", "examples": [{"feature": 0.0}]}'
        )
        choice.select_option("classify")
        area.fill('{"signature_name": "classify", "examples": [{"x": [1.0, 3.0]}]}')
        page.get_by_role("button", name="Ask").click()
        wait_for_probabilities(page, tf.nn.softmax([1.0, 3.0]))
        expect(page.locator(".bars .label")).to_have_text(["low", "high"])
        expect(page.locator(".headline strong")).to_have_text("high")
        choice.select_option("regress")
        area.fill('{"signature_name": "regress", "examples": [{"x": [1.0, 3.0]}]}')
        area.press("Control+Enter")
        expect(page.get_by_label("Answer as JSON")).to_have_text('{"results": [4]}')


@pytest.mark.parametrize("name", ["digits", "shop"])
def test_the_example_for_classify_is_one_that_an_export_takes(open_page, folder, name):
    network = kerasnn.load(folder / name)
    if name == "digits":
        expected = network.predict(np.zeros((1, 64)))
    else:
        row = {
            "age": 0.0,
            "price of ticket": 0.0,
            "city": None,
            "member": None,
            "since": None,
        }
        expected = network.predict(pd.DataFrame([row]))
    with open_page(f"#{name}") as page:
        page.get_by_text("Write the request yourself").click()
        page.get_by_label("Signature", exact=True).select_option("classify")
        page.get_by_role("button", name="Ask").click()
        wait_for_probabilities(page, expected["probabilities"])
        expect(page.locator(".curl")).to_contain_text(":classify")


def test_an_error_of_the_server_is_told_in_words(open_page):
    refused = (
        "Failed to load resource: the server responded with a status of 400 (Bad Request)"
    )
    with open_page("#columns%20%26%20%3Cb%3E", errors=[refused]) as page:
        area = page.get_by_label("Request, as JSON")
        area.fill('{"instances": [{"age": "x", "city": "", "count": 0}]}')
        area.press("Control+Enter")
        expect(page.get_by_role("alert")).to_have_text(
            "The server refuses this request (400): Failed to process element: 0 key: age"
            " of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: \"x\" Type: String"
            " is not of expected type: float"
        )


def test_a_server_that_is_gone_is_told_in_words(open_page):
    failed = "Failed to load resource: net::ERR_FAILED"
    with open_page("#iris", errors=[failed]) as page:
        page.locator(".headline").wait_for()
        page.route("**/*", lambda route: route.abort())
        page.get_by_label("X0").fill("1")
        text = "The server gives no answer. Is it still running?"
        expect(page.get_by_role("alert")).to_have_text(text)
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.locator("#connection")).to_have_text(text)
        page.unroute("**/*")
        page.get_by_label("X0").fill("2")
        expect(page.get_by_role("alert")).to_be_empty()


def test_the_curl_line_gets_the_same_answer(open_page, folder):
    with open_page("#shop") as page:
        page.get_by_label("city", exact=True).select_option(label="another value…")
        page.get_by_label("city: another value").fill("it's $HOME `x` \\")
        expect(page.locator(".curl")).to_contain_text("$HOME")
        command, *switches, body, url = shlex.split(page.locator(".curl").text_content())
        assert (command, switches) == ("curl", ["-s", "-d"])
        (prediction,) = httpx.post(url, content=body).json()["predictions"]
        wait_for_probabilities(page, prediction["probabilities"])


# --- what is told of a model ------------------------------------------------------------


def test_metrics_and_signatures_are_readable(open_page):
    with open_page("#shop") as page:
        metrics = page.get_by_role("region", name="Metrics")
        expect(metrics).to_contain_text("On test rows.")
        expect(metrics.get_by_role("row")).to_have_text(["accuracy0.75", "log loss0.5"])
        rows = page.get_by_role("region", name="Signatures").get_by_role("row")
        expect(rows.filter(has_text="price")).to_have_text(
            "inprice_of_ticketfloat64 [rows]: the column “price of ticket”"
        )
        expect(rows.filter(has_text="probabilities")).to_have_text(
            "outprobabilitiesfloat32 [rows, 3]"
        )


def test_the_report_is_shown_in_a_frame_that_runs_nothing(open_page):
    with open_page("#digits") as page:
        page.get_by_text("Show it here").click()
        frame = page.frame_locator("iframe")
        expect(frame.get_by_role("heading", level=1)).to_have_text(
            "digits: a 64-30-10 network"
        )
        expect(page.locator("iframe")).to_have_attribute("sandbox", "")
        # Nothing can be evaluated in it; a picture that is refused is a complaint.
        expect(frame.get_by_role("img").first).to_be_visible()


def test_a_new_version_is_told_and_disturbs_nothing(open_page, folder, models):
    with open_page("#iris") as page:
        page.locator(".headline").wait_for()
        with page.expect_response("**/v1/**"):
            page.get_by_label("X0").fill("5")
        shutil.copytree(folder / "iris" / "1", folder / "iris" / "2")
        models.refresh()
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        notice = page.locator(".notice")
        expect(notice).to_contain_text("Version 1 does not answer any more.")
        expect(page.get_by_label("X0")).to_have_value("5")
        expect(page.get_by_label("X0")).to_be_focused()
        notice.get_by_role("button", name="Use version 2").click()
        expect(page.get_by_role("main")).to_contain_text("Version 2 · regression")
        expect(page.locator(".curl")).to_contain_text("/v1/models/iris/versions/2:predict")


# --- screens ----------------------------------------------------------------------------


def test_nothing_is_wider_than_a_phone(open_page):
    views = ["", "#digits", "#shop", "#columns%20%26%20%3Cb%3E", "#broken"]
    with open_page("", PHONE) as page:
        for view in views:
            page.goto(f"/{view}")
            shown = "#models li" if not view else "main section, main .version"
            page.locator(shown).first.wait_for()
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width == PHONE["width"], view


# Text on its ground, and the least contrast that WCAG 2.2 asks for, or more.
CONTRASTS = [
    ("ink-colour", "paper", 7),
    ("ink-colour", "raised", 7),
    ("soft", "paper", 4.5),
    ("soft", "raised", 4.5),
    ("accent", "paper", 4.5),
    ("accent", "raised", 4.5),
    ("bad", "paper", 4.5),
    ("on-accent", "accent", 4.5),
    ("edge", "paper", 3),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(open_page, scheme):
    with open_page("#shop", color_scheme=scheme) as page:
        colours = page.evaluate(
            """names => {
                const style = getComputedStyle(document.documentElement);
                const value = name => style.getPropertyValue(`--${name}`).trim();
                return Object.fromEntries(names.map(name => [name, value(name)]));
            }""",
            sorted({name for *pair, _ in CONTRASTS for name in pair}),
        )
    for text, ground, ratio in CONTRASTS:
        assert contrast(colours[text], colours[ground]) >= ratio, (text, ground)


def contrast(one, other):
    """Of two colours like #1c2530, as WCAG 2.2 counts it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour):
    shares = np.array([int(pair, 16) for pair in re.findall("[0-9a-f]{2}", colour)]) / 255
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]
