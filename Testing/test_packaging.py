"""What makes the repository an extension of Slicer: build files and modules."""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "WristQC").glob("*.py"))
LIBRARY = sorted(p.relative_to(ROOT) for p in (ROOT / "WristQCLib").rglob("*.py"))
SLICER = {"slicer", "qt", "ctk", "vtk", "DICOMLib", "WristQCLib"}
"""What a module may import while Slicer starts: its own, and of Slicer."""

# As much of Slicer as the build files use: scripts and resources are put where they lie relative to
# the folder that the macro is called in.
STUB = """
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MY_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "unknown: ${MY_UNPARSED_ARGUMENTS}")
  endif()
  foreach(file IN LISTS MY_SCRIPTS MY_RESOURCES)
    if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
      message(FATAL_ERROR "missing: ${file}")
    endif()
    get_filename_component(folder ${file} DIRECTORY)
    install(FILES ${file} DESTINATION ./${folder})
  endforeach()
endfunction()
function(slicer_add_python_unittest)
  cmake_parse_arguments(MY "" "SCRIPT" "" ${ARGN})
  file(APPEND ${CMAKE_BINARY_DIR}/tests.txt "${CMAKE_CURRENT_SOURCE_DIR}/${MY_SCRIPT}\\n")
endfunction()
set(Slicer_USE_FILE ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
set(Slicer_EXTENSION_GENERATE_CONFIG ${CMAKE_CURRENT_LIST_DIR}/empty.cmake)
set(Slicer_EXTENSION_CPACK ${CMAKE_CURRENT_LIST_DIR}/cpack.cmake)
"""
METADATA = """
file(WRITE ${CMAKE_BINARY_DIR}/metadata.txt
  "${PROJECT_NAME}|${EXTENSION_CATEGORY}|${EXTENSION_DEPENDS}|${EXTENSION_HOMEPAGE}|\
${EXTENSION_LICENSE_FILE}|${EXTENSION_README_FILE}")
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """Build folder and installed tree of the extension, without a compiler."""
    cmake = shutil.which("cmake")
    if cmake is None:
        pytest.skip("cmake is not installed")
    here = tmp_path_factory.mktemp("extension")
    slicer = here / "Slicer"
    slicer.mkdir()
    (slicer / "SlicerConfig.cmake").write_text(STUB)
    (slicer / "empty.cmake").write_text("")
    (slicer / "cpack.cmake").write_text(METADATA)
    configure = [
        *("-S", ROOT, "-B", here / "build", f"-DCMAKE_INSTALL_PREFIX={here / 'installed'}"),
        *(f"-DSlicer_DIR={slicer}", "-DBUILD_TESTING=ON"),
        *(f"-DCMAKE_{language}_COMPILER_FORCED=ON" for language in ("C", "CXX")),
    ]
    for command in (configure, ["--install", here / "build"]):
        run = subprocess.run([cmake, *command], capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
    return here / "build", here / "installed"


def tracked(folder: str) -> set[Path]:
    """Files below a folder, without what Python and file managers leave there."""
    return {
        path.relative_to(ROOT)
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def installed(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


def test_the_installed_tree_has_modules_library_and_resources_side_by_side(built):
    _, tree = built
    resources = {p for p in tracked("Resources") if p.parts[1] != "Screenshots"}
    own = {Path(*path.parts[1:]) for path in tracked("WristQC/Resources")}
    modules = {Path(path.name) for path in MODULES}
    assert installed(tree) == modules | own | set(LIBRARY) | resources


def test_resources_of_module_and_library_do_not_overwrite_each_other():
    own = {Path(*path.parts[1:]) for path in tracked("WristQC/Resources")}
    assert not own & tracked("Resources")


def test_the_installed_library_finds_its_resources(built):
    _, tree = built
    code = (
        "import WristQCLib.resources as r, WristQCLib.protocol as p;"
        "print(r.__file__); print(r.RESOURCES); print(len(p.load_protocol().grades))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tree,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    module, resources, grades = run.stdout.split()
    assert Path(module) == tree / "WristQCLib" / "resources.py"
    assert Path(resources) == tree / "Resources"
    assert int(grades) > 1


def test_slicer_runs_tests_that_exist(built):
    build, _ = built
    scripts = [Path(line) for line in (build / "tests.txt").read_text().split()]
    assert {path.name for path in scripts} == {"WristQC.py", "DICOMInSlicerTest.py"}
    for script in scripts:
        classes = {
            n.name for n in ast.parse(script.read_text()).body if isinstance(n, ast.ClassDef)
        }
        assert f"{script.stem}Test" in classes or script.stem in classes


@pytest.fixture(scope="module")
def metadata(built) -> list[str]:
    """Name, category, extensions needed, home page, licence and readme, as CMake has them."""
    return (built[0] / "metadata.txt").read_text().split("|")


def test_the_extension_is_described_for_the_index(metadata):
    project, category, _, _, licence, readme = metadata
    assert project == "WristQC"
    assert category == "Quantification"  # one of the index's list
    assert Path(licence).is_file()
    assert Path(readme).is_file()


def test_the_entry_of_the_index_says_what_the_build_file_says(metadata):
    project, category, depends, home, *_ = metadata
    file = ROOT / f"{project}.json"  # the index's file is named as the project
    assert b"\r" not in file.read_bytes()  # refused by the index
    entry = json.loads(file.read_text())
    assert entry["category"] == category
    assert entry["build_dependencies"] == depends.split()
    assert entry["scm_url"].removesuffix(".git") == home
    # The index wants this of each repository and of no extension.
    assert entry["scm_url"].rsplit("/", 1)[1].startswith("Slicer")
    assert not project.startswith("Slicer")
    assert entry.keys() <= {
        "$schema", "category", "scm_url", "scm_revision", "scm_type", "build_dependencies",
        "build_subdirectory", "enabled", "tier",
    }  # fmt: skip


def test_what_slicer_is_asked_to_install_is_what_the_library_is_built_with():
    def lines(text: str) -> set[str]:
        return {line.split("#")[0].strip() for line in text.splitlines()} - {""}

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = set(project["dependencies"]).union(*project["optional-dependencies"].values())
    asked = lines((ROOT / "WristQC" / "Resources" / "requirements.txt").read_text())
    assert asked
    assert asked <= known


def test_commands_outside_of_the_library_are_in_the_package_that_offers_them():
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())
    offered = content["project"]["entry-points"]["wristqc.commands"]
    assert set(offered) == {"train"}
    packages = content["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    for value in offered.values():
        module, function = value.split(":")
        assert module.split(".")[0] in packages
        assert callable(getattr(importlib.import_module(module), function))


def test_pictures_that_the_index_shows_are_in_the_repository():
    text = (ROOT / "CMakeLists.txt").read_text()
    home = re.search(r'set\(EXTENSION_HOMEPAGE "([^"]+)"\)', text)[1]
    for name in ("ICONURL", "SCREENSHOTURLS"):
        urls = re.search(rf'set\(EXTENSION_{name} "([^"]+)"\)', text)[1].split()
        for url in urls:
            assert (ROOT / url.removeprefix(f"{home}/")).is_file(), url


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_every_python_file_beside_the_module_is_a_module(module):
    tree = ast.parse(module.read_text())
    (entry,) = (n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == module.stem)
    (start,) = (n for n in entry.body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
    assert [argument.arg for argument in start.args.args] == ["self", "parent"]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_module_imports_what_slicer_may_not_have_before_it_is_needed(module):
    imported = set()
    for node in _run_on_import(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported <= SLICER | set(sys.stdlib_module_names)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_no_module_installs_anything_while_slicer_starts(module):
    calls = [n for n in _run_on_import(ast.parse(module.read_text())) if isinstance(n, ast.Call)]
    for call in calls:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else ast.unparse(call.func)
        assert not re.search("pip|install|subprocess|system", name), ast.unparse(call)


def _run_on_import(node: ast.AST):
    """Everything that is executed when a file is imported: not the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _run_on_import(child)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_what_a_module_asks_of_its_resources_is_there(module):
    for call in ast.walk(ast.parse(module.read_text())):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "resourcePath"
            and isinstance(call.args[0], ast.Constant)
        ):
            assert (ROOT / "WristQC" / "Resources" / call.args[0].value).is_file()


def test_every_panel_is_named_as_slicer_looks_for_it_and_its_pictures_exist():
    names = {path.stem for path in MODULES}
    for panel in (ROOT / "WristQC" / "Resources" / "UI").glob("*.ui"):
        assert panel.stem in names
        for element in ElementTree.parse(panel).iter("iconset"):
            for picture in element.iter():
                file = (picture.text or "").strip()
                assert not file or file.startswith(":/") or (panel.parent / file).is_file()
