"""Processor time to list the wrist radiographs of a large DICOM database of Slicer.

python Testing/benchmarks/dicom_database.py [--instances 10000] [--slices 100000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from slicer_database import NOW, CtkDatabase, Slicer

from WristQCLib.dicom_database import DatabaseFile, SlicerDatabase, wrist_studies
from WristQCLib.dicom_database.headers import CACHED_TAGS, file_header
from WristQCLib.resources import RESOURCES

IMAGES_OF_A_STUDY = 4
SAMPLE = RESOURCES / "SampleData" / "frontal_good.dcm"


def fill(slicer: Slicer, instances: int, slices: int, body_part: str, cached: bool) -> None:
    """Studies of four radiographs, each its own series and all the same file, and CT beside."""
    header = file_header(SAMPLE)
    cache = [
        (tag, str(header.get(word, "") or "__TAG_NOT_IN_INSTANCE__"))
        for tag, word in CACHED_TAGS.items()
    ]
    rows = range(instances)
    studies = range(instances // IMAGES_OF_A_STUDY)
    many, study_of = slicer.database.executemany, lambda i: f"1.{i // IMAGES_OF_A_STUDY}"
    many(
        "INSERT INTO Patients (UID, PatientsName, PatientID, InsertTimestamp) VALUES (?, ?, ?, ?)",
        ((i + 1, f"Doe^{i}", str(i), NOW) for i in studies),
    )
    many(
        "INSERT INTO Studies (StudyInstanceUID, PatientsUID, StudyDate, StudyDescription,"
        " InsertTimestamp) VALUES (?, ?, '2026-01-02', '', ?)",
        ((f"1.{i}", i + 1, NOW) for i in studies),
    )
    many(
        "INSERT INTO Series (SeriesInstanceUID, StudyInstanceUID, SeriesNumber, SeriesDescription,"
        " Modality, BodyPartExamined, InsertTimestamp) VALUES (?, ?, ?, 'PA', 'DX', ?, ?)",
        ((f"2.{i}", study_of(i), i % 4, body_part, NOW) for i in rows),
    )
    image = "INSERT INTO Images (SOPInstanceUID, Filename, SeriesInstanceUID, InsertTimestamp)"
    many(f"{image} VALUES (?, ?, ?, ?)", ((f"3.{i}", str(SAMPLE), f"2.{i}", NOW) for i in rows))
    many(
        "INSERT INTO Series (SeriesInstanceUID, StudyInstanceUID, Modality, InsertTimestamp)"
        " VALUES (?, ?, 'CT', ?)",
        ((f"4.{i}", f"1.{i % len(studies)}", NOW) for i in range(slices // 500)),
    )
    many(
        f"{image} VALUES (?, 'ct.dcm', ?, ?)",
        ((f"5.{i}", f"4.{i // 500}", NOW) for i in range(slices)),
    )
    slicer.database.commit()
    if cached:
        slicer.tag_cache.executemany(
            "INSERT INTO TagCache VALUES (?, ?, ?)",
            ((f"3.{i}", *pair) for i in rows for pair in cache),
        )
        slicer.tag_cache.commit()


def timed(what: str, task: Callable[[], int]) -> None:
    start = time.process_time()
    count = task()
    print(f"{time.process_time() - start:7.2f} s  {what}: {count}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instances", type=int, default=10_000)
    parser.add_argument("--slices", type=int, default=100_000, help="CT images beside")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for where, body_part, cached in (
            ("the database's columns", "WRIST", True),
            ("the tag cache", "", True),
            ("each file", "", False),
        ):
            slicer = Slicer(Path(folder, where))
            fill(slicer, options.instances, options.slices, body_part, cached)
            print(f"Body part told by {where}")
            for name, database in (
                ("file", DatabaseFile(slicer.folder)),
                ("stand-in for Slicer", SlicerDatabase(CtkDatabase(slicer))),
            ):
                timed(
                    f"{name}, list",
                    lambda d=database: sum(len(s.images + s.others) for s in wrist_studies(d)),
                )
                timed(
                    f"{name}, list with view and side of each",
                    lambda d=database: sum(
                        image.view.known and image.side.known
                        for study in wrist_studies(d)
                        for image in study.images
                    ),
                )


if __name__ == "__main__":
    main()
