"""What the documents show, runs."""

import re
import shlex

import typer

from lissome.cli.app import app

ROOT_PAGES = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"]
SHELLS = ("", "bash", "sh", "console", "shell")


def _pages(root):
    return [root / name for name in ROOT_PAGES] + sorted((root / "docs").glob("*.md"))


def pytest_generate_tests(metafunc):
    if "page" in metafunc.fixturenames:
        root = metafunc.config.rootpath
        metafunc.parametrize("page", _pages(root), ids=lambda page: str(page.relative_to(root)))


def _blocks(page, *languages):
    """Yield each fenced block of a language: the line it begins on, and its text."""
    text = page.read_text(encoding="utf-8")
    # Every fence is matched with its end, whatever its language, lest an end be taken for a beginning.
    for match in re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if match[1] in languages:
            yield text.count("\n", 0, match.start(2)) + 1, match[2]


def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for line, source in _blocks(page, "python"):
        # Blocks of one page follow each other, as they are read; empty lines make errors name the page's own line.
        code = compile("\n" * (line - 1) + source, str(page), "exec")
        exec(code, namespace)


def _commands(page):
    for line, source in _blocks(page, *SHELLS):
        for row in source.replace("\\\n", " ").splitlines():
            words = shlex.split(row.removeprefix("$ "), comments=True)
            if words:
                yield line, words


def test_the_commands_of_a_page_exist(page, root):
    group = typer.main.get_command(app)
    targets = set(re.findall(r"^([a-z]+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line, words in _commands(page):
        place = f"{page.name}:{line} {shlex.join(words)}"
        if words[0] == "make":
            named = {one for one in words[1:] if "=" not in one and not one.startswith("-")}
            assert named <= targets, place
        if words[0] in ("lissome", ".venv/bin/lissome"):
            with typer.Context(group, info_name="lissome") as context:
                name, command, rest = group.resolve_command(context, words[1:])
                # Reads the options and refuses what it does not know; does not run the command.
                command.make_context(name, list(rest), parent=context)


def test_links_lead_somewhere(page, root):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)", text)
    broken = [one for one in links if "://" not in one and not (page.parent / one).exists()]
    assert broken == []


def test_the_readme_is_short_and_shows_code_early(root):
    lines = (root / "README.md").read_text(encoding="utf-8").splitlines()
    assert 60 <= len(lines) <= 120
    first = next(number for number, line in enumerate(lines, start=1) if line.startswith("```python"))
    assert first <= 30
    assert {"make demo", "make test"} <= {" ".join(words[:2]) for _, words in _commands(root / "README.md")}


def test_every_page_is_in_the_site(root):
    pages = {page.name for page in (root / "docs").glob("*.md")}
    assert set(re.findall(r"[\w-]+\.md", (root / "mkdocs.yml").read_text(encoding="utf-8"))) == pages
