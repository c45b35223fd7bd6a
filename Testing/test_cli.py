"""The command as its users call it: real files in, reports and an exit status out."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pydicom
import pytest
from slicer_database import Slicer

from WristQCLib.resources import RESOURCES

SAMPLES = RESOURCES / "SampleData"
SAMPLE = SAMPLES / "frontal_good.dcm"


def wristqc(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "WristQCLib.cli", *map(str, arguments)]
    environment = os.environ | {"COLUMNS": "200", "PYTHONPATH": str(Path(__file__).parents[1])}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )


@pytest.fixture(scope="module")
def samples_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("samples")
    return wristqc("assess", SAMPLES, "--out", out), out


def records(out: Path) -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text()) for path in (out / "json").glob("*.json")}


def test_the_samples_are_assessed_and_all_reports_written(samples_run):
    result, out = samples_run
    assert result.returncode == 0, result.stderr
    names = {path.stem for path in SAMPLES.glob("*.dcm")}
    assert set(records(out)) == names
    with (out / "wristqc.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(names)
    assert (out / "index.html").is_file()


def test_good_samples_score_better_than_bad_ones(samples_run):
    total = {name: record["total"] for name, record in records(samples_run[1]).items()}
    assert total["frontal_good"] >= 90
    assert total["lateral_good"] >= 90
    assert total["frontal_bad"] < 60
    assert total["lateral_bad"] < 60


def test_views_of_the_samples_are_right(samples_run):
    for name, record in records(samples_run[1]).items():
        if name.startswith(("frontal", "lateral")):
            assert record["view"]["value"] == name.partition("_")[0]


def test_bad_files_get_a_sentence_each_and_the_others_are_done(tmp_path):
    (tmp_path / "note.txt").write_text("not an image")
    (tmp_path / "cut.dcm").write_bytes(SAMPLE.read_bytes()[:5000])
    result = wristqc(
        "assess", tmp_path / "note.txt", tmp_path / "cut.dcm", tmp_path / "none.dcm", SAMPLE,
        "--out", tmp_path / "out", "--no-models",
    )  # fmt: skip
    assert result.returncode == 0
    complaints = [line for line in result.stderr.splitlines() if "Not assessed" in line]
    assert len(complaints) == 3
    for name in ("note.txt", "cut.dcm", "none.dcm"):
        assert any(name in line for line in complaints)
    assert "Traceback" not in result.stderr
    assert len(records(tmp_path / "out")) == 1


def test_the_exit_status_says_when_nothing_could_be_assessed(tmp_path):
    (tmp_path / "empty").mkdir()
    result = wristqc("assess", tmp_path / "empty", "--out", tmp_path / "out", "--no-models")
    assert result.returncode == 1
    assert "holds no image" in result.stderr


def test_without_models_points_are_left_open(tmp_path):
    result = wristqc("assess", SAMPLE, "--out", tmp_path, "--no-models", "--format", "json")
    assert result.returncode == 0
    (record,) = records(tmp_path).values()
    assert record["complete"] is False
    assert record["artefact"]["finding"] == "not assessable"
    assert record["models"] == {}
    assert not (tmp_path / "index.html").exists()


def test_the_users_view_and_side_go_before_dicoms(tmp_path):
    wristqc(
        "assess", SAMPLE, "--out", tmp_path, "--no-models", "--format", "json",
        "--view", "lateral", "--side", "l",
    )  # fmt: skip
    (record,) = records(tmp_path).values()
    assert (record["view"]["value"], record["view"]["source"]) == ("lateral", "user")
    assert (record["side"]["value"], record["side"]["source"]) == ("L", "user")


def test_the_wrists_of_a_slicer_database_are_assessed(tmp_path):
    slicer = Slicer(tmp_path / "database").insert(SAMPLE)
    result = wristqc(
        "assess", slicer.folder / "ctkDICOM.sql",
        "--out", tmp_path / "out", "--no-models", "--format", "json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (record,) = records(tmp_path / "out").values()
    uid = pydicom.dcmread(SAMPLE, stop_before_pixels=True).SOPInstanceUID
    assert record["image"]["sop_instance_uid"] == uid


def test_a_zip_is_read_without_being_unpacked(tmp_path):
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(SAMPLE, "a/image.dcm")
    out = tmp_path / "out"
    assert wristqc("assess", archive, "--out", out, "--no-models").returncode == 0
    assert len(records(out)) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "study.zip"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--protocol", "none.toml"), "none.toml cannot be read"),
        (("--device", "abacus"), "Unknown device 'abacus'"),
        (("--models", "nowhere"), "nowhere"),
        (("--view", "skyline"), "skyline"),
    ],
)
def test_a_wrong_option_is_refused_in_one_sentence(tmp_path, arguments, message):
    result = wristqc("assess", SAMPLE, "--out", tmp_path, *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_the_patients_identity_is_left_out_unless_asked_for(tmp_path):
    from pydicom import dcmread

    patient = str(dcmread(SAMPLE).PatientName)
    for options, expected in (((), False), (("--identity",), True)):
        out = tmp_path / str(expected)
        result = wristqc("assess", SAMPLE, "--out", out, "--no-models", *options)
        written = "".join(
            path.read_text(encoding="utf-8") for path in out.rglob("*") if path.is_file()
        )
        assert (patient in written) is expected
        assert patient not in result.stdout + result.stderr


def test_importing_the_library_loads_no_heavy_package():
    code = (
        "import sys, WristQCLib.assessor, WristQCLib.model_set, WristQCLib.radiograph;"
        "print([m for m in ('torch', 'monai', 'scipy', 'jinja2', 'matplotlib')"
        " if m in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert result.stdout.strip() == "[]"
