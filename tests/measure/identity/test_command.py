"""The backend as a user names it: on the command line, in the environment, in a template."""

import pytest

from finishkit.batch import RunParams, run_batch
from finishkit.cli import main
from finishkit.errors import FinishError
from finishkit.measure import measure
from finishkit.measure.identity.graph import read_graph
from finishkit.run import finish_episode
from finishkit.shots import open_episode
from finishkit.template import Draft
from tests import synth


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["finishkit", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr()


@pytest.fixture
def episode(tmp_path):
    synth.make_episode(tmp_path, shots=1, count=6, scenes=1)
    return tmp_path / "ep01"


@pytest.fixture
def sold(tmp_path):
    """A template of work that is sold."""
    look = Draft.from_genre("baseline")
    look.set("licence", "commercial")
    look.set("upscale.model", "lanczos")
    template = look.lock(hero="")
    template.save(tmp_path / "sold.toml")
    return template


def test_the_name_holds_the_digest_and_caches_never_mix_backends(episode, recogniser, tmp_path):
    cached = tmp_path / "cached"
    wanted = {"id_dist"}
    measured = measure(
        open_episode(episode),
        jobs=1,
        cache_dir=cached,
        only=wanted,
        backend=f"arcface:{recogniser}",
    )
    assert measured.backend == f"arcface:small@{read_graph(recogniser).sha256[:12]}+dlib"
    one = set(cached.glob("*.json"))
    assert one
    copy = tmp_path / "elsewhere" / recogniser.name
    copy.parent.mkdir()
    copy.write_bytes(recogniser.read_bytes())
    measure(open_episode(episode), jobs=1, cache_dir=cached, only=wanted, backend=f"arcface:{copy}")
    assert set(cached.glob("*.json")) == one, "all came from the cache"
    measure(open_episode(episode), jobs=1, cache_dir=cached, only=wanted, backend="dlib")
    assert set(cached.glob("*.json")) > one


@pytest.mark.parametrize(
    ("words", "verb"),
    [
        (("measure", "ep01"), "measure_episode"),
        (("lock", "ep01", "-o", "t.toml"), "measured_verdict"),
        (("finish", "ep01", "-t", "sold.toml"), "finish_episode"),
    ],
)
@pytest.mark.usefixtures("sold", "episode")
def test_every_verb_that_measures_takes_the_backend(words, verb, tmp_path, monkeypatch, capsys):
    def stop(*_args, faces, **_more):
        raise FinishError(f"asked for {faces}", "stopped")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(f"finishkit.run.{verb}", stop)
    code, said = run(monkeypatch, capsys, *words, "--faces", "arcface:some.onnx")
    assert (code, said.err) == (1, "finishkit: asked for arcface:some.onnx\n")
    monkeypatch.setenv("FINISHKIT_FACES", "insightface:somewhere")
    _, said = run(monkeypatch, capsys, *words)
    assert said.err == "finishkit: asked for insightface:somewhere\n"


@pytest.mark.usefixtures("faces_folder")
def test_an_unknown_backend_is_a_mistake_at_the_keyboard(episode, tmp_path, monkeypatch, capsys):
    code, said = run(monkeypatch, capsys, "measure", episode, "--faces", "facebook",
                     "--out", tmp_path / "out")  # fmt: skip
    assert code == 2
    assert "There is no face backend 'facebook'" in said.err
    assert said.out == ""


@pytest.mark.usefixtures("faces_folder")
def test_the_template_refuses_what_may_not_be_sold(
    episode, recogniser, sold, tmp_path, monkeypatch, capsys
):
    code, said = run(
        monkeypatch, capsys,
        "finish", episode, "--template", tmp_path / "sold.toml", "--out", tmp_path / "out",
        "--faces", f"arcface:{recogniser}",
    )  # fmt: skip
    assert code == 1
    assert "refused" in said.err
    assert "licence not stated" in said.err
    monkeypatch.setenv("FINISHKIT_FACES", f"arcface:{recogniser}")
    with pytest.raises(FinishError) as caught:
        finish_episode(open_episode(episode), sold, tmp_path / "out")
    assert caught.value.code == "licence"
    params = RunParams(
        episode=str(episode), template=str(tmp_path / "sold.toml"), out=str(tmp_path / "out")
    )
    with pytest.raises(FinishError) as caught:
        run_batch([params])
    assert caught.value.code == "licence"
    assert not (tmp_path / "out").exists(), "nothing was begun"
