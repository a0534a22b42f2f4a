# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs for farms: every command that they compile to is one that batch.py takes, and the farm's own checker takes the job."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from facelift_blender import batch

FARM = Path(batch.__file__).parent.parent / "farm"
FLAMENCO_SETTING = {"key", "type", "subtype", "choices", "propargs", "description", "default", "eval", "evalInfo", "visible", "required",
                    "editable", "label"}  # fmt: skip
FLAMENCO_TYPES = {"string", "int32", "float", "bool"}
FLAMENCO_SUBTYPES = {None, "file_path", "dir_path", "file_name", "hashed_file_path"}

MANAGER = """
const tasks = [];
const author = {
    Task: (name, type) => ({ name, type, commands: [], needs: [],
        addCommand(command) { this.commands.push(command); }, addDependency(task) { this.needs.push(task.name); } }),
    Command: (name, parameters) => ({ name, parameters }),
};
"""


def compiled(settings: dict[str, Any]) -> dict[str, Any]:
    """What Flamenco's Manager would get out of the job type."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    job = f"const job = {{ settings: {json.dumps(settings)}, addTask: (task) => tasks.push(task) }};\ncompileJob(job);\n"
    source = MANAGER + (FARM / "facelift.flamenco.js").read_text(encoding="utf-8") + job + "console.log(JSON.stringify({JOB_TYPE, tasks}));"
    done = subprocess.run([node, "-e", source], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


SETTINGS = {"shots": "/s/list.csv", "output": "/s/out", "last_shot": 2, "parts": 3, "exports": "csv,fbx", "facelift": "/f/batch.py"}


def test_flamenco_job_type_is_of_its_schema() -> None:
    told = compiled(SETTINGS)["JOB_TYPE"]
    assert set(told) <= {"label", "description", "settings"}
    for setting in told["settings"]:
        assert set(setting) <= FLAMENCO_SETTING
        assert setting["type"] in FLAMENCO_TYPES
        assert setting.get("subtype") in FLAMENCO_SUBTYPES
        assert setting["visible"] in ("visible", "hidden", "submission", "web")
        assert re.fullmatch(r"[a-z_]+", setting["key"])


def test_flamenco_tasks_are_commands_that_batch_takes() -> None:
    tasks = compiled(SETTINGS)["tasks"]
    shots = [[*(f"shot-{shot}-range-{part}" for part in (1, 2, 3)), f"shot-{shot}"] for shot in (1, 2)]
    assert [task["name"] for task in tasks] == [*shots[0], *shots[1], "report"]
    assert tasks[3]["needs"] == [f"shot-1-range-{part}" for part in (1, 2, 3)]
    assert tasks[-1]["needs"] == ["shot-1", "shot-2"]
    for task in tasks:
        (command,) = task["commands"]
        assert (command["name"], command["parameters"]["exe"]) == ("exec", "{blender}")
        options = parsed(command["parameters"]["args"])
        assert (options.shots, str(options.output)) == ("/s/list.csv", "/s/out")
    assert parsed(tasks[1]["commands"][0]["parameters"]["args"]).part == 2
    assert parsed(tasks[-1]["commands"][0]["parameters"]["args"]).report


def parsed(arguments: list[str]) -> Any:
    assert arguments[:2] == ["-b", "-P"]
    return batch.parser().parse_args(batch.script_arguments(arguments))


def test_openjd_commands_are_ones_that_batch_takes() -> None:
    text = (FARM / "facelift.openjd.yaml").read_text(encoding="utf-8")
    values = {
        "Shots": "l.csv",
        "Output": "o",
        "Exports": "csv",
        "Parts": "3",
        "Program": "blender",
        "FaceLift": "b.py",
        "Shot": "2",
        "Part": "1",
    }
    commands = re.findall(r"args: \[(.*?)\]", text, re.DOTALL)
    assert len(commands) == 3
    told = []
    for command in commands:
        filled = re.sub(r"\{\{(?:Task\.)?Param\.(\w+)\}\}", lambda match: values[match[1]], command)
        told.append(parsed([part.strip().strip('"') for part in filled.split(",") if part.strip()]))
    assert [(one.part, one.number, one.report) for one in told] == [(1, range(2, 3), False), (None, range(2, 3), False), (None, None, True)]


def test_openjd_checks_the_template() -> None:
    openjd = shutil.which("openjd")
    if openjd is None:
        pytest.skip("openjd-cli is not installed")
    done = subprocess.run([openjd, "check", str(FARM / "facelift.openjd.yaml")], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
