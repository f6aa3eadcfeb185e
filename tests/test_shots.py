import pytest

from finishkit.errors import FinishError
from finishkit.shots import natural_key, open_episode


def _clips(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def test_a_folder_of_clips_is_an_episode_in_natural_order(tmp_path):
    episode = open_episode(_clips(tmp_path / "ep", "s10.mp4", "s2.mp4", "s1.MOV", "notes.txt"))
    assert [s.id for s in episode] == ["s1", "s2", "s10"]
    assert [s.order for s in episode] == [0, 1, 2]
    assert {s.scene for s in episode} == {"1"}


def test_shot_list_with_bom_capitals_and_free_columns(tmp_path):
    folder = _clips(tmp_path / "ep", "b.mp4", "a.mp4")
    (folder / "shots.csv").write_text(
        "\ufeffShot, File ,SCENE,Characters,Prompt\nx,b.mp4,cafe,MIA; LIN,a kiss\ny,a.mp4,,,\n",
        encoding="utf-8",
    )
    (folder / "characters.csv").write_text("character,reference_images\nMIA,r/1.jpg;r/2.jpg\n")
    episode = open_episode(folder)
    first = episode["x"]
    assert (first.scene, first.characters, first.order) == ("cafe", ("MIA", "LIN"), 0)
    assert dict(first.notes) == {"prompt": "a kiss"}
    assert episode["y"].scene == "1"
    assert [p.name for p in episode.character("MIA").reference_images] == ["1.jpg", "2.jpg"]
    assert episode.character("LIN").reference_images == ()


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ("shot,scene\na,1\n", "bad_table"),
        ("shot,file\na,\n", "bad_table"),
        ("shot,file\na,../other/a.mp4\n", "outside_folder"),
        ("shot,file\na,/etc/passwd\n", "outside_folder"),
        ("shot,file\nA,a.mp4\na,b.mp4\n", "duplicate_shot"),
        ("shot,file\n///,a.mp4\n", "bad_name"),
        (f"shot,file\na,{'x' * 200_000}\n", "bad_table"),
        (f"shot,file,prompt\na,a.mp4,{'x' * 20_001}\n", "bad_table"),
        ("shot,file\na,a\0.mp4\n", "bad_table"),
        ("shot,file\na,ring.mp4\n", "bad_table"),
        ("shot,file,file\na,a.mp4,b.mp4\n", "bad_table"),
        ("shot,file,prompt\na,a.mp4,a kiss, at night\n", "bad_table"),
        ('shot,file\n"a,a.mp4\nb,b.mp4\n', "bad_table"),
        ("shot,file\n" + "a,a.mp4\n" * 10_001, "table_too_large"),
        ("shot,file" + ",x" * 200 + "\n", "table_too_large"),
    ],
)
def test_a_bad_shot_list_is_refused_with_its_reason(tmp_path, table, code):
    folder = _clips(tmp_path / "ep", "a.mp4", "b.mp4")
    (folder / "ring.mp4").symlink_to("ring.mp4")
    (folder / "shots.csv").write_text(table)
    with pytest.raises(FinishError) as caught:
        open_episode(folder)
    assert caught.value.code == code
    assert "line " in str(caught.value) or code == "duplicate_shot"


def test_a_line_is_named_as_an_editor_counts_it(tmp_path):
    folder = _clips(tmp_path / "ep", "a.mp4")
    (folder / "shots.csv").write_text('shot,file,prompt\na,a.mp4,"two\nlines"\n\nb,,\n')
    with pytest.raises(FinishError, match=r"shots\.csv, line 5: shot has no file"):
        open_episode(folder)


def test_formulas_are_text_and_long_names_fit_a_file_name(tmp_path):
    folder = _clips(tmp_path / "ep", "a.mp4")
    (folder / "shots.csv").write_text(
        f"shot,file,prompt\n{'漢' * 150},a.mp4,=1+1\n", encoding="utf-8"
    )
    (shot,) = open_episode(folder)
    assert shot.notes["prompt"] == "=1+1"
    assert len(shot.id.encode()) == 180


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    folder = _clips(tmp_path / "ep", "a.mp4")
    (tmp_path / "secret.mp4").write_bytes(b"x")
    (folder / "b.mp4").symlink_to(tmp_path / "secret.mp4")
    (folder / "shots.csv").write_text("shot,file\na,a.mp4\nb,b.mp4\n")
    with pytest.raises(FinishError, match="outside"):
        open_episode(folder)


def test_names_that_differ_by_case_or_unicode_form_alone_collide(tmp_path):
    folder = _clips(tmp_path / "ep", "1.mp4", "2.mp4")
    (folder / "shots.csv").write_text("shot,file\ncafe\u0301,1.mp4\nCaf\u00e9,2.mp4\n")
    with pytest.raises(FinishError) as caught:
        open_episode(folder)
    assert caught.value.code == "duplicate_shot"


def test_empty_and_missing_folders_say_what_to_do(tmp_path):
    with pytest.raises(FinishError, match="no clips"):
        open_episode(tmp_path)
    with pytest.raises(FinishError, match="not a folder"):
        open_episode(tmp_path / "nowhere")


def test_natural_key_sorts_numbers_as_numbers():
    assert sorted(["a10", "a9", "A1", "b"], key=natural_key) == ["A1", "a9", "a10", "b"]
