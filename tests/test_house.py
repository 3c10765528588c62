"""The house rules of the code that can be counted. They read the source; only `import superlens` is run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "superlens"

# From the bottom up: a module imports from its own layer and those before it. An entry covers all that lies inside it.
LAYERS = (
    ("message", "mention", "media", "video", "checks", "formats", "draw", "progress", "whole"),
    ("parts",),
    ("vision", "language", "links"),
    ("decoders",),
    ("processor", "reading", "batch", "lessons", "outputs", "saved", "model", "assemble", "published", "generation", "asking"),
    ("recipes", "data"),
    ("train",),
    ("evaluate",),
    ("serve", "demo", "gallery", "commands", "cli", "__main__"),
)
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}
PRINTING = ("cli", "commands")  # modules that may print
TENSOR_MAKERS = ("tensor", "zeros", "ones", "full", "empty", "arange", "linspace", "rand", "randn", "stack", "cat")
SEEDING = {"manual_seed", "manual_seed_all", "set_seed"}


@cache
def python_files() -> tuple[Path, ...]:
    folders = [ROOT / name for name in ("src", "tests", "tools", "benchmarks")]
    return tuple(sorted(path for folder in folders for path in folder.rglob("*.py")))


@cache
def package_files() -> tuple[Path, ...]:
    return tuple(path for path in python_files() if PACKAGE in path.parents)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf8"), filename=str(path))


def nodes(path: Path, *kinds: type) -> Iterator[ast.AST]:
    return (node for node in ast.walk(tree_of(path)) if isinstance(node, kinds))


def at(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def none_of(found: list[str], rule: str) -> None:
    assert not found, f"{rule}\n  " + "\n  ".join(found)


def module_name(path: Path) -> str:
    """`superlens.links.query` of src/superlens/links/query.py."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def dotted(node: ast.AST) -> str:
    """`torch.nn.Module` of the expression; "" when it is no plain dotted name."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def imports(path: Path) -> list[tuple[int, str]]:
    """(line, module) of every import, those inside functions included; relative ones written out."""
    found = []
    for node in nodes(path, ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names]
            continue
        base = node.module or ""
        if node.level:
            package = module_name(path).split(".")
            package = package if path.name == "__init__.py" else package[:-1]
            base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
        # `from superlens import draw` means the module superlens.draw.
        whole = [f"{base}.{name.name}" for name in node.names] if base == "superlens" else [base]
        found += [(node.lineno, name) for name in whole]
    return found


def test_functions_are_at_most_60_lines():
    found = [
        f"{at(path, node.lineno)} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path in python_files()
        for node in nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)
        if node.end_lineno - node.lineno + 1 > 60
    ]
    none_of(found, "Functions are at most 60 lines long: take out a step and name it.")


def test_files_are_at_most_500_lines():
    lengths = [(path, len(path.read_text(encoding="utf8").splitlines())) for path in python_files()]
    none_of([f"{at(path, 1)}: {length} lines" for path, length in lengths if length > 500], "Files: at most 500 lines.")
    model = dict(lengths)[PACKAGE / "model.py"]
    assert model <= 300, f"model.py is to be read in one sitting: at most 300 lines, it has {model}."


def test_constructors_take_at_most_12_arguments():
    found = []
    for path in python_files():
        for node in nodes(path, ast.ClassDef):
            counts = [
                len(item.args.posonlyargs) + len(item.args.args) + len(item.args.kwonlyargs) - 1
                for item in node.body
                if isinstance(item, ast.FunctionDef) and item.name == "__init__"
            ]
            if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
                counts.append(sum(isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item.annotation)
                                  and "init=False" not in ast.unparse(item) for item in node.body))
            found += [f"{at(path, node.lineno)} {node.name}: {count}" for count in counts if count > 12]
    none_of(found, "Constructors take at most 12 arguments.")


def test_only_the_command_line_prints():
    found = [
        at(path, node.lineno)
        for path in package_files()
        if (module_name(path).split(".") + [""])[1] not in PRINTING
        for node in nodes(path, ast.Call)
        if isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    none_of(found, "Only cli.py prints: return values, raise, warn, or take a progress argument.")


def test_no_star_imports_and_no_cuda_calls():
    found = []
    for path in python_files():
        found += [f"{at(path, node.lineno)} star import" for node in nodes(path, ast.ImportFrom)
                  if any(name.name == "*" for name in node.names)]
        found += [f"{at(path, node.lineno)} .cuda()" for node in nodes(path, ast.Call)
                  if isinstance(node.func, ast.Attribute) and node.func.attr == "cuda"]
    none_of(found, "No star imports; devices are passed, so .to(device), never .cuda().")


def is_code(comment: str) -> bool:
    """Whether the text of a comment can only be code: it parses, and no sentence parses like it."""
    text = comment.strip()
    try:
        body = ast.parse(f"{text}\n    pass" if re.match(r"(def|class) .*:$", text) else text).body
    except (SyntaxError, ValueError):
        return False
    if len(body) != 1:
        return False
    kind, value = body[0], getattr(body[0], "value", None)
    if isinstance(kind, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
        return True
    if isinstance(kind, ast.Expr):
        return isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)
    return isinstance(kind, (ast.Assign, ast.AugAssign, ast.Return)) and isinstance(value, ast.Call)


def test_no_commented_out_code():
    found = []
    for path in python_files():
        with tokenize.open(path) as file:
            for token in tokenize.generate_tokens(file.readline):
                alone = token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip()
                if alone and is_code(token.string.lstrip("#")):
                    found.append(f"{at(path, token.start[0])} {token.string}")
    none_of(found, "Code is deleted, not commented out: the history keeps it.")


@pytest.mark.parametrize("comment", ["import torch", "x = f(y)", "self.run(3)", "def run(self):", "return f(x)"])
def test_code_in_a_comment_is_seen(comment):
    assert is_code(comment)


@pytest.mark.parametrize("comment", ["type: ignore", "e^0.7 = 2", "v = 2", "focal(x)", "return nothing", "if so:"])
def test_words_in_a_comment_are_not_code(comment):
    assert not is_code(comment)


def test_every_module_has_a_layer():
    names = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in package_files()} - {"__init__"}
    assert names <= set(LEVELS), f"Give these a place in LAYERS: {', '.join(sorted(names - set(LEVELS)))}."


def test_imports_go_down():
    found = []
    for path in package_files():
        own = module_name(path).split(".")[1:2]
        for line, module in imports(path):
            parts = module.split(".")
            inside = own and parts[0] == "superlens" and len(parts) > 1 and parts[1] in LEVELS
            if inside and LEVELS[parts[1]] > LEVELS[own[0]]:
                found.append(f"{at(path, line)} {own[0]} imports {module}")
    none_of(found, "Imports go one way, from the upper layers to the lower ones.")


def test_torchvision_is_never_imported():
    found = [
        at(path, line)
        for path in python_files()
        for line, module in imports(path)
        if module.split(".")[0] in ("torchvision", "cv2")
    ]
    none_of(found, "Pictures are read and resized by Pillow and numpy: no torchvision, no OpenCV.")


def test_importing_superlens_is_light():
    heavy = ("torch", "transformers", "supervision", "scipy", "PIL", "pycocotools", "peft")
    script = f"import sys, superlens; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]", f"`import superlens` brings in {done.stdout.strip()}."


@cache
def module_classes() -> dict[str, tuple[Path, ast.ClassDef]]:
    """Classes of the package that are torch modules, by name: those whose bases lead to one."""
    classes = {node.name: (path, node) for path in package_files() for node in nodes(path, ast.ClassDef)}
    roots = ("nn.", "torch.nn.", "PreTrainedModel")

    def is_module(name: str, seen: tuple[str, ...] = ()) -> bool:
        bases = [dotted(base) for base in classes[name][1].bases]
        return any(base.startswith(roots) or (base in classes and base not in seen and is_module(base, (*seen, name)))
                   for base in bases)

    return {name: value for name, value in classes.items() if is_module(name)}


def test_modules_hold_parameters_and_persistent_buffers_only():
    assert {"Superlens", "QueryLink", "DenseDetector"} <= set(module_classes())
    found = []
    for path in package_files():
        for node in nodes(path, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr == "register_buffer":
                values = [word.value for word in node.keywords if word.arg == "persistent"] + node.args[2:]
                if any(not (isinstance(value, ast.Constant) and value.value is True) for value in values):
                    found.append(f"{at(path, node.lineno)} buffer that is not saved")
    for path, node in module_classes().values():
        for assign in (item for item in ast.walk(node) if isinstance(item, (ast.Assign, ast.AnnAssign))):
            targets = assign.targets if isinstance(assign, ast.Assign) else [assign.target]
            own = any(dotted(target).startswith("self.") for target in targets)
            maker = dotted(assign.value.func) if isinstance(assign.value, ast.Call) else ""
            if own and maker.startswith("torch.") and maker.removeprefix("torch.") in TENSOR_MAKERS:
                found.append(f"{at(path, assign.lineno)} tensor as a plain attribute")
    none_of(found, "from_pretrained loses such tensors: use a parameter or a persistent buffer.")


def test_constructors_set_no_global_seed():
    found = [
        at(path, call.lineno)
        for path in package_files()
        for node in nodes(path, ast.FunctionDef)
        if node.name in ("__init__", "__post_init__")
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and (dotted(call.func).split(".")[-1] in SEEDING
                                           or dotted(call.func) in ("random.seed", "np.random.seed"))
    ]
    none_of(found, "Seeds are passed, never set in a constructor.")


def test_no_path_of_a_machine():
    pattern = re.compile(r"[\"'`\s=(](/(?:home|root|Users|work|mnt)/\w+)")
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *PACKAGE.rglob("*.md"), *PACKAGE.rglob("*.yaml")]
    texts = [*package_files(), *pages, ROOT / "Makefile"]
    found = [f"{at(path, 1)} {match}" for path in texts for match in pattern.findall(path.read_text(encoding="utf8"))]
    none_of(found, "Paths are given by the user or found beside the package.")
