"""The page in a real Chromium: nothing loaded, nothing broken, nothing cut off."""

import pytest

from finishkit.report import write_report

pytestmark = pytest.mark.browser

RAW = {"ep_shot_003": {"eff_px": 200.0}, "ep_shot_006": {"id_dist": 0.85}}
HOSTILE = "\"><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BROKEN = "[...document.images].filter(i => !(i.complete && i.naturalWidth > 0)).length"


@pytest.fixture(params=["", HOSTILE], ids=["plain", "hostile"])
def page_path(request, make, tmp_path):
    made = make(raw=RAW, finished={}, torn=True, words=request.param)
    return write_report(
        made.report,
        tmp_path,
        sources=made.sources,
        finished_files=made.finished,
        references=made.references,
    )


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_holds_in_browser(browser, page_path, width, scheme):
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True
    )
    try:
        page = context.new_page()
        problems, requests = [], []
        page.on("console", lambda m: problems.append(m.text))
        page.on("pageerror", lambda e: problems.append(str(e)))
        page.on("request", lambda r: requests.append(r.url))
        page.goto(page_path.as_uri())
        page.wait_for_load_state("load")
        assert problems == []
        assert [r for r in requests if not r.startswith("data:")] == [page_path.as_uri()]
        assert page.evaluate("document.images.length") >= 19
        assert page.evaluate(BROKEN) == 0
        assert page.evaluate(OVERFLOW) <= 0
        assert page.title().startswith("ep")
        for details in page.locator("summary").all():
            details.click()
        assert page.evaluate(OVERFLOW) <= 0
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 25, 31)")
        mat = page.locator(".strip .mat").first
        assert mat.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(128, 128, 128)"
    finally:
        context.close()


CONTRAST = """() => {
  const light = c => {
    const v = c / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  };
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
  };
  const words = 'h1,h2,h3,p,dt,dd,th,td,li,figcaption,small,strong,.badge,.hook,.no-picture,a';
  const weak = [];
  for (const e of document.querySelectorAll(words)) {
    if (!e.textContent.trim()) continue;
    const a = luminance(parse(getComputedStyle(e).color)), b = luminance(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push([e.tagName, e.className, ratio.toFixed(2)]);
  }
  return weak;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_have_enough_contrast(browser, make, tmp_path, scheme):
    made = make(raw=RAW, finished={}, torn=True)
    path = write_report(made.report, tmp_path, sources=made.sources, finished_files=made.finished)
    context = browser.new_context(color_scheme=scheme)
    try:
        page = context.new_page()
        page.goto(path.as_uri())
        assert page.evaluate(CONTRAST) == []
    finally:
        context.close()
