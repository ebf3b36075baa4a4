"""The page in a real browser, headless. Without one these tests are skipped, and say so."""

import time

import pytest

from myodrive.stream.curve import read_client_keys, read_server_keys
from myodrive.stream.messages import SignalEntry
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
INK = """Object.fromEntries(["#raster", "#cst", "#command", "#signal", "#rate"].map((panel) => {
    const canvas = document.querySelector(`${panel} canvas`), copy = new OffscreenCanvas(canvas.width, canvas.height);
    const pen = copy.getContext("2d", { willReadFrequently: true });
    pen.drawImage(canvas, 0, 0);
    const { data } = pen.getImageData(0, 0, copy.width, copy.height);
    let count = 0;
    for (let k = 0; k < data.length; k += 4) count += Math.min(data[k], data[k + 1], data[k + 2]) < 110;
    return [panel, count];
}))"""


def entry(name, state="on", unit="N", fs_hz=1000.0, reason=""):
    return SignalEntry(name=name, state=state, unit=unit, fs_hz=fs_hz, reason=reason)


LANE = "document.querySelector('#signal').checkVisibility()"


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


def test_without_a_signal_its_lane_takes_no_room_and_with_one_it_moves(page, pipeline):
    running = pipeline()
    assert page.until("myodriveStats().live && myodriveStats().spikes > 20")
    assert not page.run(LANE)
    assert not page.run("document.querySelector('#signals').checkVisibility()")
    alone = page.run("document.querySelector('#command').clientHeight")
    running.signals = (entry("cell"),)
    assert page.until(f"{LANE} && myodriveStats().signal > 20")
    assert page.until(f"document.querySelector('#command').clientHeight < {alone}")
    assert page.until("/^−?\\d+(\\.\\d+)?$/.test(document.querySelector('#signal-now').textContent)")
    assert abs(float(text(page, "#signal-now").replace("−", "-"))) < 11
    assert text(page, "#signal-name") == "cell"
    assert text(page, "#signal-unit") == "N"
    assert not page.run("document.querySelector('#signals').checkVisibility()")
    before = pixels(page, "#signal canvas", 0.0, 0.85)
    time.sleep(0.7)
    assert pixels(page, "#signal canvas", 0.0, 0.85) != before
    running.signals = ()
    assert page.until(f"!({LANE})")
    assert page.until(f"document.querySelector('#command').clientHeight == {alone}")


def test_a_signal_that_is_lost_is_said_and_comes_again(page, pipeline):
    running = pipeline()
    running.signals = (entry("cell", fs_hz=10_000.0),)
    assert page.until("myodriveStats().signal > 20 && document.querySelector('#signal-unit').textContent == 'N'")
    running.signals = (entry("cell", "lost", reason="the cable is out"),)
    assert page.until("document.querySelector('#signal-unit').textContent == 'lost'")
    assert text(page, "#signal-now") == "–"
    assert page.until(
        "document.querySelector('#log ol').textContent.includes('signal \"cell\" is lost: the cable is out')"
    )
    assert page.run("document.querySelector('#signal-name').parentElement.title") == "the cable is out"
    assert text(page, "#word") == "Live"
    running.signals = (entry("cell"),)
    assert page.until("document.querySelector('#signal-unit').textContent == 'N'")
    assert page.until("document.querySelector('#log ol').textContent.includes('signal \"cell\" comes again')")


def test_one_of_several_signals_is_chosen(page, pipeline):
    running = pipeline()
    running.signals = (entry("7", "waiting"), entry("angle", unit="deg", fs_hz=25.0))
    assert page.until("document.querySelector('#signals').checkVisibility()")
    assert page.until("document.querySelector('#signal-unit').textContent == 'waiting'")
    assert text(page, "#signal-name") == "channel 7"
    page.run("document.querySelector('#signal-choice').selectedIndex = 1")
    page.run("document.querySelector('#signal-choice').dispatchEvent(new Event('change'))")
    assert page.until("myodriveStats().signalShown === 1 && myodriveStats().signal > 20")
    assert page.until("document.querySelector('#signal-unit').textContent == 'deg'")
    assert text(page, "#signal-name") == "angle"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 9.0, [0, 5, 10]),
        (-0.02, 9.0, [0, 5, 10]),
        (-3.0, 9.0, [-10, 0, 10]),
        (-1.0, 9.0, [-5, 0, 10]),
        (-4.0, -3.0, [-4, -3.5, -3]),
        (0.0, 0.0, [-1, 0, 1]),
        (8e6, 8e6 + 100, [8e6, 8e6 + 1000]),
        (2e-7, 3e-6, [0, 2e-6, 4e-6]),
        (-1e30, 1e30, [-1e30, 0, 1e30]),
    ],
)
def test_the_scale_of_a_signal_holds_it_in_few_steps(page, low, high, expected):
    found = page.run(f"import('/scale.js').then(({{ bounds, marks }}) => marks(bounds({low}, {high})))")
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_the_scale_of_a_signal_moves_seldom(page):
    script = """import('/scale.js').then(({ settled }) => {
        let scale = null;
        return [9, 6, 10.1, 5.5, 12, 11, 6, 4].map((high) => (scale = settled(scale, 0, high)).high);
    })"""
    assert page.run(script) == [10, 10, 10, 10, 20, 20, 10, 4]


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
    running.signals = (entry("cell"),)
    assert page.until("myodriveStats().live && myodriveStats().spikes > 300 && myodriveStats().signal > 60")
    running.signals = (entry("cell", "lost"),)
    running.state = "stalled"
    assert page.until("document.querySelector('#word').textContent == 'Stalled'")
    time.sleep(1.0)  # all that has come is in view
    before = page.run(INK)
    for span in ("12", "60"):
        page.run(f"document.querySelector('#span-choice').value = '{span}'")
        page.run("document.querySelector('#span-choice').dispatchEvent(new Event('change'))")
        time.sleep(0.5)
    after = page.run(INK)
    assert before.keys() == after.keys() == {"#raster", "#cst", "#command", "#signal", "#rate"}
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
@pytest.mark.parametrize("signals", [0, 2])
def test_nothing_is_cut_off(page, pipeline, size, dark, signals):
    pipeline().signals = tuple(entry(200 * "long " + str(number), unit=40 * "N") for number in range(signals))
    page.look(*size, dark=dark)
    try:
        assert page.until("myodriveStats().live && myodriveStats().emg > 10")
        assert page.until(f"{LANE} == {str(signals > 0).lower()}")
        script = """[...document.querySelectorAll(
            "section, header, h2, .readout, #figures, #sentence, .stage, .plot"
        )].filter(one => one.checkVisibility()).filter(one => {
            const box = one.getBoundingClientRect();
            return box.left < 0 || box.top < 0 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1
                || box.width < 10 || box.height < 10 || (one.tagName == "H2" && one.scrollWidth > one.clientWidth + 1);
        }).map(one => one.id || one.className || one.textContent)"""
        assert page.run(script) == []
        assert page.run("document.documentElement.scrollHeight <= innerHeight")
    finally:
        page.look(1280, 800)
