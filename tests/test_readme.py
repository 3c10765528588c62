"""What the README and docs/ say is true: paths exist, commands and options are real, examples are valid."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from superlens.evaluate import report
from superlens.evaluate.metrics import METRICS, metric_class
from superlens.formats import PART_TYPES, from_json
from superlens.parts import BUILT_IN
from superlens.recipes.build import NANO
from superlens.recipes.reading import parse_yaml
from superlens.recipes.schema import Recipe, read_recipe, recipe_text

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "superlens"
README = ROOT / "README.md"
PAGES = (README, *sorted((ROOT / "docs").glob("*.md")))
OTHER_COMMANDS = ("source", "accelerate", ".venv/bin/python")  # allowed in examples, not looked into
SECTIONS = tuple(Recipe.model_fields)


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf8")


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(page), flags=re.MULTILINE | re.DOTALL)


def shell_lines() -> list[tuple[str, list[str]]]:
    """(page's name, words of the command) of every line in a bash block; `NAME=value` and `> FILE` dropped."""
    found = []
    for page in PAGES:
        for line in "".join(blocks(page, "bash")).replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and re.match(r"[A-Z_]+=", words[0]):
                words = words[1:]
            if words:
                found.append((page.name, words[: words.index(">")] if ">" in words else words))
    return found


def all_blocks(language: str) -> list[tuple[str, str]]:
    return [(page.name, block) for page in PAGES for block in blocks(page, language)]


def test_the_pages_are_there():
    names = {page.name for page in PAGES}
    assert names >= {"README.md", "concepts.md", "data-format.md", "training.md", "evaluation.md", "extending.md"}
    assert len(shell_lines()) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page):
    words = re.sub(r"^```.*?^```", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", words) if "://" not in link]
    missing = [link for link in links if link and not (page.parent / link).exists()]
    named = re.findall(r"`((?:src|tests|docs|tools|benchmarks|\.ci)/[^`\s]*)`", words)
    missing += [path for path in named if not (ROOT / path).exists()]
    assert not missing, f"{page.name} names what is not there: {missing}"


def test_commands_are_real():
    wrong = []
    for page, words in shell_lines():
        line = " ".join(words)
        if words[0] == "superlens":
            problem = misread(words[1:])
            wrong += [f"{page}: {line}: {problem}"] if problem else []
        elif words[0] == "make":
            targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
            wrong += [f"{page}: {line}" for target in words[1:] if "=" not in target and target not in targets]
        elif words[0] == "python" and words[1].endswith(".py"):  # a script of ours, and options that it knows
            script = ROOT / words[1]
            options = [word for word in words[2:] if word.startswith("--")]
            known = script.is_file() and all(f'"{option}"' in script.read_text() for option in options)
            wrong += [] if known else [f"{page}: {line}: no such script, or not its options"]
        elif words[0] not in OTHER_COMMANDS:
            wrong.append(f"{page}: {line}: not a command of ours")
    assert not wrong, "\n".join(wrong)


@cache
def command_line():
    import typer.main

    from superlens.cli import app

    return typer.main.get_command(app)


def misread(words: list[str]) -> str:
    """Why the command line would not understand these words, or "". Nothing is run, no file is looked for."""
    command, path = command_line(), "superlens"
    context = command.context_class(command, info_name=path)
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            return f"'{path}' has no command '{words[0] if words else ''}'"
        command, path = command.commands[words[0]], f"{path} {words[0]}"
        context = command.context_class(command, info_name=words[0], parent=context)
        words = words[1:]
    try:
        values, left, _ = command.make_parser(context).parse_args(list(words))
    except Exception as error:  # its class depends on Typer's version
        return getattr(error, "message", "") or repr(error)
    lacking = [option.name for option in command.params if option.required and values.get(option.name) is None]
    return f"lacks {lacking}" if lacking else f"does not take {left}" if left else ""


@pytest.mark.parametrize("words", ["predic nano x", "predict nano x --imag a.jpg", "recipes a b", "predict", "data"])
def test_wrong_commands_would_be_seen(words):
    assert misread(words.split())


def test_metrics_and_parts_in_commands_exist():
    for page, words in shell_lines():
        if words[:2] == ["superlens", "evaluate"]:
            part = words[words.index("--part") + 1]
            assert part in METRICS, f"{page}: {part}"
            if "--metric" in words:
                assert metric_class(part, words[words.index("--metric") + 1]), f"{page}: {' '.join(words)}"


def test_settings_in_commands_exist(tmp_path):
    for _, words in shell_lines():
        settings = [words[at + 1] for at, word in enumerate(words) if word == "--set"]
        if settings:
            own = any("lm4lv" in word for word in words)
            read_recipe("lm4lv" if own else "nano", [*(["scale=nano"] if own else []), *settings])


@pytest.mark.parametrize(("page", "code"), all_blocks("python"))
def test_python_examples_name_what_exists(page, code):
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("superlens"):
            module = importlib.import_module(node.module)
            missing = [name.name for name in node.names if not hasattr(module, name.name)]
            assert not missing, f"{page}: {node.module} has no {missing}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "superlens":
            assert hasattr(importlib.import_module("superlens"), node.attr), f"{page}: superlens.{node.attr}"


@pytest.mark.parametrize(
    ("page", "code"), [entry for entry in all_blocks("python") if entry[0] in ("concepts.md", "data-format.md")]
)
def test_python_examples_of_messages_run(page, code):
    exec(compile(code, page, "exec"), {})


@pytest.mark.parametrize(("page", "text"), all_blocks("json"))
def test_json_examples_are_messages(page, text):
    data = json.loads(text)
    assert from_json(from_json(data, strict=False).to_json(), strict=False) == from_json(data, strict=False)


@pytest.mark.parametrize(("page", "text"), all_blocks("yaml"))
def test_yaml_examples_are_recipes(page, text):
    """A whole recipe, or sections that take the place of nano's."""
    values = parse_yaml(text, page)
    assert set(values) <= set(SECTIONS)
    read_recipe({**parse_yaml(recipe_text("nano"), "nano"), **values})


def test_tables_are_complete():
    names = ("evaluation", "data-format", "concepts")
    evaluation, formats, concepts = (text_of(ROOT / "docs" / f"{name}.md") for name in names)
    for part, metrics in METRICS.items():
        for metric in metrics:
            rows = rf"^\| (?:{part}|any) \| `{metric}` \|"
            assert re.search(rows, evaluation, flags=re.MULTILINE), f"evaluation.md lacks {part} {metric}"
    lacking = [name for name in PART_TYPES if f"| `{name}` |" not in formats]
    assert not lacking, f"data-format.md lacks {lacking}"
    types = [*BUILT_IN["links"], *BUILT_IN["decoders"]]
    lacking = [name for name in types if f"| `{name}` |" not in concepts]
    assert not lacking, f"concepts.md lacks {lacking}"


def test_the_map_names_every_file_of_the_package():
    entries = [path for path in PACKAGE.iterdir() if path.suffix == ".py" or list(path.glob("[!_]*.py"))]
    names = [path.name for path in entries if not path.name.startswith("_")]
    missing = [name for name in names if f"](src/superlens/{name})" not in text_of(README)]
    assert not missing, f"the README's map lacks {missing}"


def test_the_readme_names_the_commands_of_the_makefile():
    commands = [" ".join(words) for page, words in shell_lines() if page == "README.md"]
    assert "make demo" in commands and "make test" in commands
    script = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"^make check$", script, re.MULTILINE) and re.search(r"^make test$", script, re.MULTILINE)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_wants_a_new_enough_python(tmp_path):
    def make(python: Path) -> subprocess.CompletedProcess:
        command = ["make", "--silent", "-C", str(ROOT), "python", f"PYTHON={python}"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    for name, code in (("old", 1), ("new", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    refused = make(tmp_path / "old")
    assert refused.returncode != 0 and "Python 3.11" in refused.stderr
    assert make(tmp_path / "new").stdout.strip() == str(tmp_path / "new")


@pytest.mark.skipif(not (NANO / "model.safetensors").is_file(), reason="the embedded weights are not here")
def test_the_readmes_examples_run(tmp_path, monkeypatch, capsys):
    """The Python blocks one after another, then `predict` and `recipes`, in a folder with drawn pictures."""
    import numpy as np

    from superlens.cli import main
    from superlens.data.world import World

    monkeypatch.chdir(tmp_path)
    world = World("val", turns=(1, 1))
    for index, name in enumerate(("blood.jpg", "street1.jpg", "street2.jpg", "scene.png")):
        world.conversation(index, np.random.default_rng(index)).images[0].pil().save(name)
    content = [{"type": "image", "image": "blood.jpg"}, {"type": "text", "text": "Find dogs."}]
    Path("questions.jsonl").write_text(json.dumps({"messages": [{"role": "user", "content": content}]}) + "\n")
    names: dict = {}
    for code in blocks(README, "python"):
        exec(compile(code, "README.md", "exec"), names)
    assert Path("answer.png").is_file() and len(names["answers"]) == 2
    for page, words in shell_lines():
        if page == "README.md" and words[0] == "superlens" and words[1:3] in (["predict", "nano"], ["recipes", "nano"]):
            assert main([*words[1:], *(["--device", "cpu"] if words[1] == "predict" else [])]) == 0, words
    assert json.loads(Path("answers.jsonl").read_text())["role"] == "assistant"
    assert Path("answers/picture.png").is_file()


@pytest.mark.parametrize("folder", sorted((ROOT / "benchmarks" / "comparison").iterdir()), ids=lambda folder: folder.name)
def test_tables_of_comparisons_are_those_of_their_results(folder):
    """Every row that `superlens compare` would print from what is kept."""
    part, arms = report.kept(folder)
    rows = report.table(arms, part, report.kept_references(folder)).splitlines()
    missing = [row for row in rows if row not in text_of(ROOT / "docs" / "comparison.md")]
    assert arms and not missing, "\n".join(missing)
