"""Published results are derived from stored records alone, byte for byte."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lagbench.claims import CLAIMS
from lagbench.contract import UserError
from lagbench.publish import folder
from lagbench.publish.folder import MAX_PAGE_BYTES, add, publish, regenerate


def contents(results: Any) -> Any:
    return {
        path.relative_to(results).as_posix(): path.read_bytes()
        for path in results.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def results(finished: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("published")
    assert publish([finished], path) == [path / "tiny"]
    return path


def test_it_holds_what_the_run_itself_reported(results: Any, finished: Any) -> None:
    for name in ("summary.csv", "trials.csv", "report.md", "report.html"):
        assert (results / "tiny" / name).read_bytes() == (finished / name).read_bytes()
    figures = {path.name for path in (finished / "figures").iterdir()}
    assert {path.name for path in (results / "tiny" / "figures").iterdir()} == figures


def test_all_is_derived_again_byte_for_byte(results: Any, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    shutil.copy(results / "tiny" / "records.jsonl.gz", tmp_path / "tiny")
    regenerate(tmp_path)
    assert contents(tmp_path) == contents(results)


def test_adding_a_run_again_changes_nothing(results: Any, finished: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    assert add(finished, copy) == copy / "tiny" / "records.jsonl.gz"
    assert contents(copy) == contents(results)


def test_the_page_says_who_leads_and_how_it_was_run(results: Any) -> None:
    page = (results / "README.md").read_text()
    assert "[tiny](tiny/report.md)" in page
    assert "| lagbench run | 2 |" in page
    assert "| gru |" not in page, "whoever stands alone has no place"
    assert page.count("| not run |") > 10


def test_an_own_entry_stands_beside_the_others(results: Any, finished: Any, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(finished, mine)
    for path in mine.glob("*/*/result.json"):
        record = json.loads(path.read_text())
        record |= {"cell": record["cell"] + "m", "trial": record["trial"] + "m"}
        record |= {"architecture": record["architecture"].replace("gru", "my_layer")}
        path.unlink()
        (moved := path.parent.with_name(record["trial"])).mkdir()
        (moved / "result.json").write_text(json.dumps(record))
    run = json.loads((mine / "run.json").read_text())
    run["cells"] = [key + "m" for key in run["cells"]]
    (mine / "run.json").write_text(json.dumps(run))
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    publish([mine], copy)
    for name in ("README.md", "tiny/summary.csv", "tiny/report.md"):
        text = (copy / name).read_text()
        assert "my_layer" in text or "my\\_layer" in text
        assert "gru" in text


def test_a_large_page_is_not_kept(
    results: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    page = copy / "tiny" / "report.html"
    for size, kept in ((MAX_PAGE_BYTES, True), (MAX_PAGE_BYTES + 1, False)):
        monkeypatch.setattr(folder, "write_report", lambda *_, n=size: page.write_bytes(bytes(n)))
        regenerate(copy)
        assert page.exists() is kept
        assert ("to explore" in (copy / "README.md").read_text()) is kept


def test_our_own_speed_stands_on_the_page(results: Any, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(results, copy)
    assert "Our own speed" not in (copy / "README.md").read_text()
    (copy / "speed").mkdir()
    (copy / "speed" / "machine.txt").write_text("a machine, torch 2\na product: 9 GFLOP/s\n")
    (copy / "speed" / "speed.csv").write_text(
        "case,against,ratio,low,high,target,share,met\n"
        "8 replicas: gru,8 fits,5.625,5.5,5.75,4.5,False,True\n"
        "engine: rnn,bare loop,1.08,1.01,1.1,1.05,True,False\n"
        '"sampling, copy T64",a step,0.002,0.001,0.003,0.025,True,True\n'
        '"sampling, listops T64",a step,0.04,0.03,0.05,0.025,True,False\n'
    )
    regenerate(copy)
    page = (copy / "README.md").read_text()
    assert "| 8 replicas: gru | 8 fits | 5.62 | 5.50 | 5.75 | ≥ 4.5 | yes |" in page
    assert "| engine: rnn | bare loop | 1.08 | 1.01 | 1.10 | ≤ 1.05 | no |" in page
    assert "a machine, torch 2; a product: 9 GFLOP/s" in page
    assert "1 of 2 tasks at a length keep to it" in page
    assert page.index("listops T64 (0.040)") < page.index("copy T64 (0.002)")


def test_claims_are_judged_again_by_the_records_of_their_experiments(
    finished: Any, tmp_path: Path
) -> None:
    claims, copy = tmp_path / "claims", tmp_path / "results"
    for name in ("memory", "space"):  # a run of their names, which has no cell that they ask for
        shutil.copytree(finished, claims / name)
        run = json.loads((finished / "run.json").read_text()) | {"suite": f"claims/{name}"}
        (claims / name / "run.json").write_text(json.dumps(run))
    (claims / "step_times.json").write_text('{"step_times": [], "other_cores": 0.25}')
    assert publish([finished, claims], copy) == [copy / "tiny", copy / "claims"]
    assert {path.name for path in (copy / "claims").iterdir()} == {
        "claim_parts.csv", "claims.csv", "memory", "step_times.json", "report.md", "space",
    }  # fmt: skip
    assert "claims/memory, claims/space" in (copy / "claims" / "report.md").read_text()
    page = (copy / "README.md").read_text()
    assert len(CLAIMS) == page.count("| undecided |") == 15
    assert "claims/space" not in page, "an experiment is no suite of the leaderboard"
    before = contents(copy)
    for path in copy.rglob("*.md"):
        path.unlink()
    regenerate(copy)
    assert contents(copy) == before


def test_what_is_no_finished_run_is_refused(finished: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished run"):
        add(tmp_path, tmp_path / "results")
    begun = tmp_path / "begun"
    begun.mkdir()
    run = json.loads((finished / "run.json").read_text()) | {"reported": False}
    (begun / "run.json").write_text(json.dumps(run))
    with pytest.raises(UserError, match="no finished run"):
        add(begun, tmp_path / "results")
    with pytest.raises(UserError, match="no published results"):
        regenerate(tmp_path)
    assert not (tmp_path / "results").exists()
