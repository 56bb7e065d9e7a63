"""Fixed splits as files, as others read them; and the push, to a Hub that is not there."""

import datasets
import huggingface_hub
import pytest
import torch
import yaml
from typer.testing import CliRunner

from lagbench import registry
from lagbench.cli import app
from lagbench.contract import Split, UserError
from lagbench.data import export as files
from lagbench.data.overview import overview
from lagbench.data.splits import fixed_split
from lagbench.data.streams import tensors

COUNTS = {Split.VALIDATION: 7, Split.TEST: 9}
CASES = [("recall:symbols=4", 8), ("translation", 8), ("adding", 8), ("frame_labels", 4)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    cache = tmp_path_factory.mktemp("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)


def exported(name, length, folder):
    named = registry.task(name)
    files.export(named, length, files.splits(named, length, COUNTS), folder)
    return named


@pytest.mark.parametrize(("name", "length"), CASES)
def test_what_is_read_back_is_the_fixed_split(name, length, tmp_path):
    named = exported(name, length, tmp_path / "out")
    read = datasets.load_dataset(str(tmp_path / "out"))  # as its card says
    assert set(read) == {"validation", "test"}
    for split, count in COUNTS.items():
        batch = fixed_split(named, length, split, count)
        dataset = read[split.value].with_format("numpy")
        assert set(dataset.column_names) == set(tensors(batch))
        for column, tensor in tensors(batch).items():
            plain = torch.tensor(read[split.value][column][:], dtype=tensor.dtype)
            assert torch.equal(plain, tensor)
        assert "float16" not in str(dataset.features)  # which not every program can read


def test_the_card_says_what_it_is(tmp_path):
    exported("recall:symbols=4", 8, tmp_path / "out")
    card = huggingface_hub.DatasetCard.load(tmp_path / "out" / "README.md")
    assert card.data.pretty_name == "LagBench: recall at length 8"
    header = yaml.safe_load((tmp_path / "out" / "README.md").read_text().split("---\n")[1])
    found = {file["split"]: file["path"] for file in header["configs"][0]["data_files"]}
    for split, pattern in found.items():
        assert len(list((tmp_path / "out").glob(pattern))) == 1, split
    for sentence in ("c f *a b h c e ?", "| symbols | 4 |", "| chance | 0.25 |",
                     "| test examples here | 9 |",
                     "`lagbench data recall:symbols=4 --length 8 --export DIR`"):  # fmt: skip
        assert sentence in card.text


def test_a_folder_with_files_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for folder in (tmp_path, tmp_path / "mine.txt"):
        with pytest.raises(UserError, match="is there already, and is not an empty folder"):
            exported("recall", 8, folder)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_splits_and_card_are_pushed(monkeypatch):
    pushed = {}

    def push(self, name, **options):
        pushed[type(self).__name__] = (self, name, options)

    monkeypatch.setattr(datasets.DatasetDict, "push_to_hub", push)
    monkeypatch.setattr(huggingface_hub.DatasetCard, "push_to_hub", push)
    named = registry.task("recall")
    fixed = files.splits(named, 8, COUNTS)
    assert files.push(named, 8, fixed, "me/recall") == "https://huggingface.co/datasets/me/recall"
    splits, name, _ = pushed["DatasetDict"]
    assert name == "me/recall"
    assert splits["test"]["source"][:] == fixed[Split.TEST].source.tolist()
    card, name, options = pushed["DatasetCard"]
    assert (name, options) == ("me/recall", {"repo_type": "dataset"})
    assert "# recall at length 8" in card.text


def test_a_hub_that_cannot_be_reached_is_one_sentence():
    named = registry.task("recall")
    with pytest.raises(UserError, match=r"could not be pushed to the Hub as 'me/recall': .*\.$"):
        files.push(named, 8, files.splits(named, 8, COUNTS), "me/recall")


def test_the_overview_counts_repeats():
    few = overview(registry.task("parity"), 4)
    assert few["test sources drawn for training"] == "2048 of 2048"  # of sixteen strings
    assert few["source"] == "2 symbols, 4 steps"
    assert few["test examples"] == "any number"
    many = overview(registry.task("parity:shortest=0.5"), 64)
    assert many["test sources drawn for training"] == "0 of 2048"
    assert many["source"] == "2 symbols, up to 64 steps"
    finite = overview(registry.task("digits"), 64)
    assert finite["train examples"] == registry.task("digits").value.num_examples(64, Split.TRAIN)
    assert finite["test sources drawn for training"].startswith("0 of")


def run(*arguments):
    return CliRunner().invoke(app, ["data", *arguments], catch_exceptions=False)


def test_the_command_shows_and_exports(tmp_path):
    done = run("agreement", "--length", "12", "--show", "2", "--export", str(tmp_path / "out"),
               "--test-examples", "5")  # fmt: skip
    assert done.exit_code == 0
    assert done.output.count(" ,\n  target  w") == 2
    assert "any number" in done.output
    assert len(datasets.load_dataset(str(tmp_path / "out"), split="test")) == 5


def test_the_command_refuses_what_cannot_be():
    with pytest.raises(UserError, match="agreement needs a length of at least 6, not 3"):
        run("agreement", "--length", "3")
