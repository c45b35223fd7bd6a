"""`wristqc labels` as its users call it: files and stores in, sentences and an exit status out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from label_pictures import labelme, picture
from store_samples import json_of, reading
from typer.testing import CliRunner

from WristQCLib.cli import app
from WristQCLib.cli_labels import LabelFormat
from WristQCLib.labels import LabelStore
from WristQCLib.labels.exchange import Form

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def wristqc(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["labels", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three labels with their images."""
    for number in range(3):
        picture(tmp_path / "images" / f"{number}.png", number)
        labelme(tmp_path / "in" / f"{number}.json", f"{number}.png")
    return tmp_path / "in"


@pytest.fixture
def store(tmp_path: Path) -> LabelStore:
    """Two images, one of them read by two who disagree."""
    store = LabelStore.open(tmp_path / "store")
    store.accept(reading(0, "Dr Li"))
    store.accept(reading(0, "Dr Ada", (180.0, 200.0), minute=1))
    store.accept(reading(1, "Dr Li [b]"))
    return store


def test_labels_are_imported_once(folder: Path, tmp_path: Path) -> None:
    arguments = ("import", tmp_path / "store", folder, "--reader", "Dr Li", "--images",
                 tmp_path / "images")  # fmt: skip
    first = wristqc(*arguments)
    assert (first.exit_code, first.stdout) == (0, "3 labels imported.\n"), first.stderr
    again = wristqc(*arguments)
    assert (again.exit_code, again.stdout) == (0, "0 labels imported, 3 were there already.\n")
    store = LabelStore.open(tmp_path / "store")
    assert store.readers() == ["Dr Li"]
    assert all(stored.image_path for stored in store)


def test_pixels_are_left_where_they_are_if_so_wanted(folder: Path, tmp_path: Path) -> None:
    done = wristqc(
        "import", tmp_path / "store", folder, "--images", tmp_path / "images", "--no-images"
    )
    assert done.exit_code == 0
    store = LabelStore.open(tmp_path / "store")
    assert store.readers() == ["unnamed"]
    assert not any(stored.image_path for stored in store)


def test_what_cannot_be_imported_is_told_and_the_rest_goes_on(folder: Path, tmp_path: Path) -> None:
    (folder / "0.json").write_text("[/red]")
    (folder / "other.json").write_text("{}")
    done = wristqc("import", tmp_path / "store", folder, "--images", tmp_path / "images")
    assert done.exit_code == 0
    assert done.stdout == "2 labels imported.\n"
    assert f"Not imported: The label file {folder / '0.json'} is not JSON in UTF-8" in done.stderr
    assert "1 files that hold no labels were left out." in done.stderr


def test_nothing_imported_is_an_exit_status(folder: Path, tmp_path: Path) -> None:
    done = wristqc("import", tmp_path / "store", folder, tmp_path / "nowhere")
    assert done.exit_code == 1
    assert "nowhere does not exist; check the path." in done.stderr
    assert done.stderr.count("its image was not found; give the folder that holds it.") == 3
    assert "Traceback" not in done.output


@pytest.mark.parametrize("form", Form)
def test_every_form_is_exported_and_imported(folder: Path, tmp_path: Path, form: Form) -> None:
    wristqc("import", tmp_path / "store", folder, "--images", tmp_path / "images")
    done = wristqc("export", tmp_path / "store", "--out", tmp_path / "out", "--format", form)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"3 images in {tmp_path / 'out'}")
    assert wristqc("import", tmp_path / "other", tmp_path / "out").stdout == "3 labels imported.\n"


def test_the_formats_of_the_command_are_those_of_the_library() -> None:
    assert list(LabelFormat) == [str(form) for form in Form]


def test_pictures_lie_in_labelme_files_alone(folder: Path, tmp_path: Path) -> None:
    wristqc("import", tmp_path / "store", folder, "--images", tmp_path / "images")
    arguments = ("export", tmp_path / "store", "--out", tmp_path / "out", "--embed", "--format")
    assert wristqc(*arguments, "labelme").exit_code == 0
    assert json.loads((tmp_path / "out" / "1.json").read_text())["imageData"]
    refused = wristqc(*arguments, "coco")
    assert refused.exit_code == 2
    assert "Pictures cannot be put into coco files; let these refer to them." in refused.stderr


def test_images_in_conflict_are_not_exported_but_told(store: LabelStore, tmp_path: Path) -> None:
    arguments = ("export", store.folder, "--format", "csv", "--out")
    done = wristqc(*arguments, tmp_path / "out")
    assert done.exit_code == 0
    assert "Dr Li and Dr Ada place the radial styloid 8.0 mm apart" in done.stderr
    assert done.stdout == f"1 images in {tmp_path / 'out' / 'labels.csv'}\n"
    own = wristqc(*arguments, tmp_path / "ada", "--reader", "Dr Ada")
    assert (own.exit_code, own.stdout.split()[0]) == (0, "1")
    nobody = wristqc(*arguments, tmp_path / "nobody", "--reader", "Nobody")
    assert nobody.exit_code == 1


def test_the_list_tells_who_read_what(store: LabelStore) -> None:
    told = wristqc("list", store.folder)
    assert told.exit_code == 0
    for word in ("wrist0.dcm", "Dr Li, Dr Ada", "Dr Li [b]", "in conflict", "frontal"):
        assert word in told.stdout
    assert told.stdout.endswith("2 images, 0 corrected, 1 in conflict\n")


def test_conflicts_are_told_in_one_sentence_each(store: LabelStore, tmp_path: Path) -> None:
    told = wristqc("conflicts", store.folder)
    assert (told.exit_code, told.stdout.count("\n")) == (0, 1)
    assert told.stdout.startswith("wrist0.dcm: Dr Li and Dr Ada place the radial styloid")
    LabelStore.open(tmp_path / "empty")
    assert wristqc("conflicts", tmp_path / "empty").stdout == "No reading contradicts another.\n"


def test_the_index_is_made_anew(store: LabelStore) -> None:
    (store.folder / "index.sqlite").write_bytes(b"damaged")
    told = wristqc("rebuild", store.folder)
    assert (told.exit_code, told.stdout.split()[0]) == (0, "2")


def test_damaged_labels_are_told_and_the_rest_goes_on(store: LabelStore) -> None:
    json_of(store.folder, 1).write_text("{")
    told = wristqc("rebuild", store.folder)
    assert told.exit_code == 0
    assert told.stdout.startswith("1 images in the index")
    assert "is damaged" in told.stderr


def test_agreement_is_written(store: LabelStore, tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="jinja2 is not installed")
    told = wristqc("agreement", store.folder, "--out", tmp_path / "out")
    assert told.exit_code == 0, told.stderr
    assert told.stdout.split() == [
        str(tmp_path / "out" / name)
        for name in ("agreement.html", "agreement.csv", "agreement_cases.csv")
    ]
    assert (tmp_path / "out" / "agreement.html").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "{}"),
        ("conflicts", "{}"),
        ("rebuild", "{}"),
        ("export", "{}", "--out", "out", "--format", "csv"),
        ("agreement", "{}", "--out", "out"),
    ],
)
def test_a_folder_without_a_store_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    told = wristqc(*(argument.format(tmp_path) for argument in arguments))
    assert told.exit_code == 2
    assert f"The folder {tmp_path} holds no label store" in told.stderr.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_written_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    told = wristqc("import", tmp_path / "store", folder)
    assert told.exit_code == 2
    assert "No label store can be made in" in told.stderr


@pytest.mark.parametrize("command", ["import", "export", "list"])
def test_wrong_usage_is_told(command: str) -> None:
    assert wristqc(command).exit_code == 2


def test_an_interrupted_import_is_whole_and_goes_on(tmp_path: Path) -> None:
    for number in range(600):
        picture(tmp_path / "in" / f"{number}.png", number)
        labelme(tmp_path / "in" / f"{number}.json", f"{number}.png")
    command = [sys.executable, "-m", "WristQCLib.cli", "labels", "import",
               str(tmp_path / "store"), str(tmp_path / "in")]  # fmt: skip
    process = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"COLUMNS": "200"},
        # A shell lets what runs in its background ignore Ctrl-C, this test among it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    labels = tmp_path / "store" / "labels"
    while process.poll() is None and sum(1 for _ in labels.glob("*.json")) < 20:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Stopped: what was imported is in the store; run it again to go on." in stderr
    assert "Traceback" not in stderr
    count = int(stdout.split()[0])
    assert 0 < len(LabelStore.open(tmp_path / "store")) < 600
    assert abs(len(LabelStore.open(tmp_path / "store")) - count) <= 1
    done = wristqc("import", tmp_path / "store", tmp_path / "in")
    assert done.exit_code == 0
    assert len(LabelStore.open(tmp_path / "store")) == 600
