"""Reading: the same rows from every format, splits by their names, and mistakes in a sentence."""

import os

import datasets
import pytest

from lagbench.contract import Split, UserError
from lagbench.material.real.loading import (
    chord_column,
    label_column,
    read_dataset,
    signal_column,
    text_column,
)

REVIEWS = (("text", text_column), ("label", label_column))
TEXTS = ['wer, wie, "was"', "ö\tÄ", "None", "four\nfive"]
LABELS = [0, 1, 1, 0]
ROWS = list(zip(TEXTS, LABELS, strict=True))


def refused(place, columns=REVIEWS, subset=""):
    with pytest.raises(UserError) as caught:
        read_dataset(place, subset, columns)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))
    return sentence


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet"])
def test_every_format_gives_the_same_rows(write, name):
    actual = read_dataset(write(name, text=TEXTS, label=LABELS), "", REVIEWS)
    assert actual.rows == {Split.TRAIN: ROWS}
    assert (
        actual.digest
        == read_dataset(write("b.jsonl", text=TEXTS, label=LABELS), "", REVIEWS).digest
    )


def test_a_text_file_is_one_text(tmp_path):
    (tmp_path / "a.txt").write_text("One\n\ntwo \n", encoding="utf-8")
    actual = read_dataset(str(tmp_path / "a.txt"), "", (("text", text_column),))
    assert actual.rows == {Split.TRAIN: [("One\n\ntwo \n",)]}


def test_a_folder_has_the_splits_that_its_files_are_named_after(write, tmp_path):
    for at, name in enumerate(("train-00000-of-00001", "dev", "test.part")):
        write(f"data [x]/{name}.jsonl", text=[TEXTS[at]], label=[at])
    write("data [x]/.hidden.jsonl", other=[1])
    (tmp_path / "data [x]" / "README.md").write_text("# nothing")
    actual = read_dataset(str(tmp_path / "data [x]"), "", REVIEWS)
    assert actual.rows == {split: [(TEXTS[at], at)] for at, split in enumerate(Split)}


def test_a_folder_without_such_names_is_read_whole(write, tmp_path):
    write("data/one.csv", text=TEXTS[:2], label=LABELS[:2])
    write("data/more/two.csv", text=TEXTS[2:], label=LABELS[2:])
    assert sorted(read_dataset(str(tmp_path / "data"), "", REVIEWS).rows[Split.TRAIN]) == sorted(
        ROWS
    )


def test_records_within_records_are_columns(write):
    place = write("a.jsonl", translation=[{"en": "cat", "de": "Katze"}])
    columns = (("translation.en", text_column), ("translation.de", text_column))
    assert read_dataset(place, "", columns).rows == {Split.TRAIN: [("cat", "Katze")]}


def test_classes_go_by_the_names_that_a_data_set_has_for_them(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    named = datasets.Dataset.from_dict({"text": TEXTS, "label": LABELS}, features=features)
    named.to_parquet(tmp_path / "a.parquet")
    actual = read_dataset(str(tmp_path / "a.parquet"), "", REVIEWS)
    assert [label for _, label in actual.rows[Split.TRAIN]] == ["bad", "good", "good", "bad"]
    named = datasets.Dataset.from_dict({"text": TEXTS, "label": [0, 1, 1, -1]}, features=features)
    named.to_parquet(tmp_path / "b.parquet")
    assert "has nothing in row 3" in refused(str(tmp_path / "b.parquet"))


def test_the_digest_moves_with_what_is_read_and_with_nothing_else(write):
    place = write("a.jsonl", text=TEXTS, label=LABELS, other=[1, 2, 3, 4])
    digest = read_dataset(place, "", REVIEWS).digest
    os.utime(place, (1, 1))
    write("a.jsonl", text=TEXTS, label=LABELS, other=[4, 3, 2, 1])
    read_dataset.cache_clear()
    assert read_dataset(place, "", REVIEWS).digest == digest
    os.utime(place, (2, 2))
    write("a.jsonl", text=TEXTS, label=LABELS[::-1], other=[4, 3, 2, 1])
    read_dataset.cache_clear()
    assert read_dataset(place, "", REVIEWS).digest == digest  # a palindrome
    write("a.jsonl", text=TEXTS, label=[1, 1, 1, 0], other=[4, 3, 2, 1])
    os.utime(place, (3, 3))
    read_dataset.cache_clear()
    changed = read_dataset(place, "", REVIEWS)
    assert changed.digest != digest
    assert [label for _, label in changed.rows[Split.TRAIN]] == [1, 1, 1, 0]


def test_nothing_is_read_twice_in_a_process(write, monkeypatch):
    place = write("a.csv", text=TEXTS, label=LABELS)
    first = read_dataset(place, "", REVIEWS)
    monkeypatch.setattr(datasets, "load_dataset", None)
    assert read_dataset(place, "", REVIEWS) is first


class Hub(dict):
    """Stands for `load_dataset`, and remembers what it was asked for."""

    def __call__(self, path, **options):
        self.applies = (path, options)
        return self


def test_a_name_is_asked_of_the_hub(monkeypatch):
    part = datasets.Dataset.from_dict({"text": TEXTS, "label": LABELS})
    hub = Hub(train=part, test=part, unsupervised=part)
    monkeypatch.setattr(datasets, "load_dataset", hub)
    assert read_dataset("someone/reviews", "plain", REVIEWS).rows == {
        Split.TRAIN: ROWS,
        Split.TEST: ROWS,
    }
    assert hub.applies == ("someone/reviews", {"name": "plain"})
    monkeypatch.setattr(datasets, "load_dataset", Hub(test=part))
    assert refused("other") == "other has no training split; there are: test."


def test_a_hub_out_of_reach_is_said_at_once():
    sentence = refused("someone/reviews")
    assert sentence.startswith("There is no file or folder someone/reviews, and the Hub cannot be")
    assert "Couldn't reach 'someone/reviews' on the Hub" in sentence


@pytest.mark.parametrize("place", ["nowhere.csv", "./nowhere", "a/b/c", "~nobody"])
def test_what_can_only_be_a_path_is_not_asked_of_the_hub(place, monkeypatch):
    monkeypatch.setattr(datasets, "load_dataset", None)
    assert refused(place) == f"There is no file or folder {place}."


def test_mistakes_of_columns(write):
    place = write("a.csv", text=TEXTS, label=LABELS)
    missing = refused(place, (("txt", text_column),))
    assert missing == f"{place} has no column 'txt'; did you mean 'text'?"
    assert "'label' of" in refused(place, (("label", text_column),))
    assert refused(place, (("label", text_column),)).endswith(
        "holds a whole number in row 0, not text."
    )
    gap = write("b.jsonl", text=["one", None], label=[0, 1])
    assert refused(gap).endswith("has nothing in row 1.")
    gap = write("b.csv", text=["one", ""], label=[0, 1])
    assert refused(gap).endswith("has nothing in row 1.")
    fractions = write("c.jsonl", text=["one", "two"], label=[0.5, 1.0])
    assert refused(fractions).endswith("holds a fraction: classes are texts or whole numbers.")


def test_lists_do_not_survive_a_csv(write):
    place = write("a.csv", signal=["[0.5, 1.5]"], label=[1])
    for check in (signal_column, chord_column):
        sentence = refused(place, (("signal", check),))
        assert "holds text, not lists: a CSV cannot hold lists" in sentence


def test_mistakes_in_lists(write):
    place = write("a.jsonl", flat=[1], gap=[[1.0, None]], high=[[60, 128]], text=[["a"]])
    assert refused(place, (("flat", signal_column),)).endswith(
        "holds a whole number in row 0, not a list."
    )
    assert refused(place, (("gap", signal_column),)).endswith(
        "holds None in row 0, not a finite number."
    )
    assert refused(place, (("high", chord_column),)).endswith(
        "pitches are whole numbers from 0 to 127."
    )
    assert "holds 'a' in row 0" in refused(place, (("text", chord_column),))


def test_mistakes_of_files(write, tmp_path):
    for name, content in {
        "bytes.txt": b"gr\xfc\xdfe",
        "bytes.csv": b"text,label\ngr\xfc\xdfe,1\n",
        "bytes.jsonl": b'{"text": "gr\xfc\xdfe", "label": 1}\n',
    }.items():
        (tmp_path / name).write_bytes(content)
        sentence = refused(str(tmp_path / name), (("text", text_column),))
        assert sentence == f"{tmp_path / name} is not UTF-8 text: save it in that encoding."
    for name, content in {"empty.csv": "", "head.csv": "text,label\n"}.items():
        (tmp_path / name).write_text(content)
        assert refused(str(tmp_path / name)) == f"{tmp_path / name} is empty."
    for name in ("broken.jsonl", "broken.parquet"):
        (tmp_path / name).write_text('{"text": "a", "label": 1}\n{"text":')
        assert refused(str(tmp_path / name)).startswith(f"{tmp_path / name} cannot be read: ")


def test_mistakes_of_folders(write, tmp_path):
    (tmp_path / "none").mkdir()
    assert "has no data that can be read: no .txt, .csv" in refused(str(tmp_path / "none"))
    write("two/a.csv", text=TEXTS, label=LABELS)
    write("two/b.jsonl", text=TEXTS, label=LABELS)
    assert "files of several formats (.csv, .jsonl)" in refused(str(tmp_path / "two"))
    write("odd/train.csv", text=TEXTS, label=LABELS)
    write("odd/extra.csv", text=TEXTS, label=LABELS)
    assert refused(str(tmp_path / "odd")).endswith("extra.csv belongs to none.")
    write("late/test.csv", text=TEXTS, label=LABELS)
    assert refused(str(tmp_path / "late")).endswith("has no training split; there are: test.")
    assert "has no subset 'x'" in refused(write("a.csv", text=TEXTS, label=LABELS), subset="x")
