"""The page in a real browser, headless. Without one these tests are skipped, and say so."""

import time

import pytest

from myodrive.stream.curve import read_client_keys, read_server_keys
from myodrive.tools.keys import make_server


@pytest.fixture
def page(served, browser):
    """The page, opened."""
    browser.visit(served.url)
    assert browser.until("document.readyState == 'complete' && window.myodriveStats && myodriveStats().messages > 2")
    yield browser
    assert browser.run("myodriveStats().errors") == []
    assert browser.complaints == []


def pixels(page, selector, begin=0.0, end=1.0):
    """What a canvas shows, from one share of its width to another."""
    script = """((selector, begin, end) => {
        const canvas = document.querySelector(selector), part = document.createElement("canvas");
        [part.width, part.height] = [(end - begin) * canvas.width, canvas.height];
        part.getContext("2d").drawImage(canvas, -begin * canvas.width, 0);
        return part.toDataURL();
    })"""
    return page.run(f"{script}({selector!r}, {begin}, {end})")


# Dark or strongly coloured pixels of the pictures that are shifted; hatches are neither.
INK = """Object.fromEntries(["#raster", "#cst", "#command", "#rate"].map((panel) => {
    const canvas = document.querySelector(`${panel} canvas`), copy = new OffscreenCanvas(canvas.width, canvas.height);
    const pen = copy.getContext("2d", { willReadFrequently: true });
    pen.drawImage(canvas, 0, 0);
    const { data } = pen.getImageData(0, 0, copy.width, copy.height);
    let count = 0;
    for (let k = 0; k < data.length; k += 4) count += Math.min(data[k], data[k + 1], data[k + 2]) < 110;
    return [panel, count];
}))"""


def text(page, selector):
    return page.run(f"document.querySelector({selector!r}).textContent")


def test_it_says_that_there_is_no_pipeline(page, address):
    assert page.until("document.querySelector('#word').textContent == 'No pipeline'")
    assert address in text(page, "#sentence")
    assert text(page, "#validity") == "not valid"


def test_all_pictures_move_and_everything_comes_from_the_same_place(page, pipeline, served):
    pipeline()
    assert page.until(
        "myodriveStats().live && myodriveStats().spikes > 20 && myodriveStats().emg > 50 && myodriveStats().muap === 0"
    )
    page.run("document.querySelector('#span-choice').value = '12'")
    page.run("document.querySelector('#span-choice').dispatchEvent(new Event('change'))")
    time.sleep(0.3)
    canvases = ("#emg canvas", "#cst canvas", "#command canvas", "#rate canvas")
    before = [pixels(page, selector) for selector in canvases]
    discharges = pixels(page, "#raster canvas", 0.7, 0.85)  # without the rates on the right
    frames = page.run("myodriveStats().frames")
    time.sleep(0.7)
    assert all(pixels(page, selector) != one for selector, one in zip(canvases, before, strict=True))
    assert pixels(page, "#raster canvas", 0.7, 0.85) != discharges
    assert page.run("myodriveStats().frames") > frames
    assert text(page, "#word") == "Live"
    assert "5 motor units from 16 channels" in text(page, "#sentence")
    assert page.run("document.querySelectorAll('#rows tr').length") == 5
    assert page.until("document.querySelector('#rows tr').cells[4].textContent.includes('±')")
    assert text(page, "#validity") == "valid"
    assert float(text(page, "#command-now")) > 0
    here = (f"http://127.0.0.1:{served.port}/", f"ws://127.0.0.1:{served.port}/", "about:", "data:")
    assert all(url.startswith(here) for url in page.requested), page.requested


def test_a_stall_is_shown_and_ends(page, pipeline):
    running = pipeline()
    assert page.until("myodriveStats().live && myodriveStats().spikes > 5")
    running.state = "stalled"
    assert page.until("document.querySelector('#word').textContent == 'Stalled'")
    assert page.until("document.querySelector('#sentence').textContent.includes('since 2 s')")
    assert page.run("document.querySelector('#drive').classList.contains('invalid')")
    assert text(page, "#validity") == "not valid"
    assert "stalled" in text(page, "#log ol")
    running.state = "live"
    assert page.until("document.querySelector('#word').textContent == 'Live'")
    assert page.until("document.querySelector('#log ol').textContent.includes('samples come again')")


def test_it_survives_the_pipelines_restart(page, pipeline):
    first = pipeline()
    assert page.until("myodriveStats().live && myodriveStats().spikes > 5")
    first.end()
    assert page.until("document.querySelector('#word').textContent == 'No pipeline'")
    before = page.run("myodriveStats().spikes")
    pipeline()
    assert page.until("document.querySelector('#sentence').textContent.includes('restarted')")
    assert page.until(f"myodriveStats().live && myodriveStats().spikes > {before + 5}")
    assert "a new session" in text(page, "#log ol")


def test_faults_are_told_as_they_happen(page, pipeline):
    running = pipeline()
    assert page.until("myodriveStats().live")
    running.extra = {
        "gaps": 1,
        "samples_lost": 37,
        "bad_channels": [3],
        "bad_reasons": ["flat"],
        "masked_channels": [3],
    }
    assert page.until("document.querySelector('#log ol').textContent.includes('37 samples lost')")
    log = text(page, "#log ol")
    assert "channel 3 is bad: flat" in log
    assert "channel 3 left out of the filters" in log
    assert page.until("document.querySelector('#lost').textContent == '37'")
    assert text(page, "#sentence") == "Channel 3 left out of the filters."


def test_units_and_columns_are_chosen_with_the_keyboard(page, pipeline):
    pipeline()
    assert page.until("myodriveStats().live && myodriveStats().muap === 0")
    page.press("ArrowDown")
    page.press("ArrowDown")
    assert page.until("myodriveStats().unit === 2 && myodriveStats().muap === 2")
    assert page.run("document.querySelector('#rows tr[aria-selected=true]').cells[0].textContent") == "2"
    assert page.run("document.querySelector('#unit-choice').value") == "2"
    column = page.run("myodriveStats().column")
    page.press("ArrowLeft")
    assert page.until(f"myodriveStats().column === {column - 1}")
    reached = set()
    for _ in range(12):
        page.press("Tab")
        reached.add(page.run("document.activeElement.closest('section')?.id ?? ''"))
    assert {"raster", "unit", "quality", "emg", "log"} <= reached


def test_the_name_of_the_stream_is_shown(page, pipeline):
    assert text(page, "#stream") == ""
    pipeline()
    assert page.until("document.querySelector('#stream').textContent == 'load'")


def test_a_pipeline_that_takes_keys_only_is_shown_to_who_has_them(serve, pipeline, browser, tmp_path):
    make_server(tmp_path / "keys")
    pipeline(read_server_keys(tmp_path / "keys"))
    browser.visit(serve(read_client_keys(tmp_path / "keys")).url)
    assert browser.until("window.myodriveStats && myodriveStats().live && myodriveStats().spikes > 20")
    assert browser.until("myodriveStats().emg > 50 && myodriveStats().muap === 0")
    assert text(browser, "#word") == "Live"
    browser.visit(serve().url)  # without keys
    assert browser.until("window.myodriveStats && document.querySelector('#word').textContent == 'No pipeline'")
    assert "wants keys" in text(browser, "#sentence")
    assert browser.complaints == []


def test_a_page_whose_drawing_takes_long_asks_for_fewer_frames_and_says_so(page, pipeline):
    pipeline()
    assert page.until("myodriveStats().live && myodriveStats().rate === 30")
    assert not page.run("document.querySelector('#slowed').checkVisibility()")
    page.run("""window.busy = () => {
        requestAnimationFrame(window.busy);
        for (const end = performance.now() + window.long; performance.now() < end;);
    }, window.long = 60, window.busy(), 1""")
    assert page.until("myodriveStats().rate < 30", 30.0)
    assert page.until("document.querySelector('#slowed').checkVisibility()")
    assert page.until("/^(20|12|6) frames.s$/.test(document.querySelector('#slowed').textContent)")


def test_what_is_painted_piece_by_piece_is_what_is_painted_at_once(page, pipeline):
    """Another span of time and back begins the pictures anew, from all that is remembered."""
    running = pipeline()
    assert page.until("myodriveStats().live && myodriveStats().spikes > 300")
    running.state = "stalled"
    assert page.until("document.querySelector('#word').textContent == 'Stalled'")
    time.sleep(1.0)  # all that has come is in view
    before = page.run(INK)
    for span in ("12", "60"):
        page.run(f"document.querySelector('#span-choice').value = '{span}'")
        page.run("document.querySelector('#span-choice').dispatchEvent(new Event('change'))")
        time.sleep(0.5)
    after = page.run(INK)
    assert before.keys() == after.keys() == {"#raster", "#cst", "#command", "#rate"}
    for name, inked in before.items():
        assert inked > 50, name
        assert after[name] == pytest.approx(inked, rel=0.1), name


def test_a_foreign_page_cannot_read_it(served, browser):
    """A page of another origin, here a file's, in the same browser."""
    browser.visit("data:text/html,<title>elsewhere</title>")
    assert browser.until("document.title == 'elsewhere'")
    opened = f"""new Promise(done => {{
        const socket = new WebSocket("ws://127.0.0.1:{served.port}/socket");
        socket.onmessage = () => done("read");
        socket.onclose = () => done("refused");
    }})"""
    assert browser.run(opened) == "refused"
    fetched = f"fetch('http://127.0.0.1:{served.port}/').then(a => a.text()).then(() => 'read', () => 'refused')"
    assert browser.run(fetched) == "refused"


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080)])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_cut_off(page, pipeline, size, dark):
    pipeline()
    page.look(*size, dark=dark)
    try:
        assert page.until("myodriveStats().live && myodriveStats().emg > 10")
        script = """[...document.querySelectorAll(
            "section, header, h2, .readout, #figures, #sentence, .stage, .plot"
        )].filter(one => {
            const box = one.getBoundingClientRect();
            return box.left < 0 || box.top < 0 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1
                || box.width < 10 || box.height < 10 || (one.tagName == "H2" && one.scrollWidth > one.clientWidth + 1);
        }).map(one => one.id || one.className || one.textContent)"""
        assert page.run(script) == []
        assert page.run("document.documentElement.scrollHeight <= innerHeight")
    finally:
        page.look(1280, 800)
