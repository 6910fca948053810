"""README and docs: tables agree with the schemas, links lead somewhere, and every block of code is run or checked."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from docs.reference import PAGE, page
from handlers.parse import parse
from models.checkpoints import plan
from models.preview import Preview
from schemas.answers import ErrorAnswer, PictureAnswer
from schemas.errors import ErrorCode
from schemas.jobs import EditJob, GenerateJob
from schemas.version import VERSION
from testing.live import Live, serving
from testing.shop import answer, door
from tests.commands import BUILD_ARGUMENTS, LOCAL, check, is_setting, run

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    file
    for file in (
        *ROOT.glob("*.md"),
        *ROOT.glob(".runpod/*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("examples/**/*.md"),
    )
    if "node_modules" not in file.parts
]
READMES: dict[str, dict[str, str]] = {"README.md": {}, "README.zh.md": {"required": "必填", "none": "无"}}
"""Each with its words for a field without a default."""


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield Block(page, text[: found.start()].count("\n") + 2, found[1], found[2])


BLOCKS = [block for file in PAGES for block in blocks_of(file)]
RUN_ELSEWHERE = {("python", ROOT / "examples/python/README.md")}
"""Blocks that need an endpoint; tests/examples/test_python_client.py runs them."""


def of(*languages: str) -> pytest.MarkDecorator:
    found = [each for each in BLOCKS if each.language in languages and (each.language, each.page) not in RUN_ELSEWHERE]
    return pytest.mark.parametrize("block", found, ids=str)


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with serving(Preview) as server:
        yield server


class TestTables:
    @pytest.mark.parametrize("readme", READMES)
    @pytest.mark.parametrize("job", [EditJob, GenerateJob])
    def test_a_readme_tells_of_every_required_field_and_each_default(
        self, job: type[EditJob | GenerateJob], readme: str
    ) -> None:
        text = (ROOT / readme).read_text()
        section = text[text.index(f"\n## `{job.model_fields['action'].annotation.__args__[0]}`") :]
        rows = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section[: section.index("\n## ", 1)], re.MULTILINE))
        required = {name for name, field in job.model_fields.items() if field.is_required() and name != "action"}
        assert required <= rows.keys()
        for name, told in rows.items():
            default = _default(job, name)
            assert told.strip("`") == READMES[readme].get(default, default), name

    def test_the_chinese_readme_tells_what_the_english_one_does(self) -> None:
        english, chinese = ((ROOT / name).read_text() for name in READMES)
        assert set(re.findall(r"^\| (`\w+`) \|", chinese, re.MULTILINE)) == set(
            re.findall(r"^\| (`\w+`) \|", english, re.MULTILINE)
        )
        assert {*_links(chinese)} - {"README.md"} <= {*_links(english)}
        commands = [
            [_without_comments(block.text) for block in blocks_of(ROOT / name) if block.language == "sh"]
            for name in READMES
        ]
        assert commands[0] == commands[1]

    def test_the_reference_is_made_of_the_schemas_as_they_are(self) -> None:
        assert PAGE.read_text() == page(), "python docs/reference.py"

    def test_every_error_code_is_explained(self) -> None:
        explained = re.findall(r"^### `(\w+)`$", (ROOT / "docs/troubleshooting.md").read_text(), re.MULTILINE)
        assert explained == [code.value for code in ErrorCode]

    @pytest.mark.parametrize(
        "file", [file for file in PAGES if "examples" not in file.parts], ids=lambda file: file.name
    )
    def test_every_setting_that_a_page_names_exists(self, file: Path) -> None:
        told = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)(?:=[^`]*)?`", file.read_text()))
        assert {name for name in told - set(ErrorCode) - BUILD_ARGUMENTS if not is_setting(name)} == set()

    def test_the_plans_are_those_that_are_made(self, capsys: pytest.CaptureFixture[str]) -> None:
        [told] = [block.text for block in blocks_of(ROOT / "docs/engines.md")]
        plan.main()
        assert capsys.readouterr().out == told

    def test_the_answer_is_that_of_the_job_that_lies_here(self) -> None:
        [told] = [
            json.loads(block.text) for block in blocks_of(ROOT / "docs/jobs.md") if "placement_info" in block.text
        ]
        job = json.loads((ROOT / "test_input.json").read_text())["input"] | {"seed": 7}
        made = answer(door(), job)["placement_info"]
        for name in told["placement_info"].keys() - {"checks", "processing_time"}:
            assert made[name] == told["placement_info"][name], name

    def test_the_changelog_begins_with_this_version(self) -> None:
        assert re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == VERSION


class TestLinks:
    @pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
    def test_every_link_inside_the_repository_resolves(self, file: Path) -> None:
        for link in _links(file.read_text()):
            path, _, anchor = link.partition("#")
            if "://" in path:
                continue
            target = (file.parent / path).resolve() if path else file
            assert target.exists(), path
            assert not anchor or anchor in _anchors(target), f"{path}#{anchor}"

    @pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
    def test_every_test_that_a_page_names_exists(self, file: Path) -> None:
        for test in re.findall(r"`(tests/[\w/.]+)`", file.read_text()):
            assert (ROOT / test).exists(), test

    def test_contributing_names_what_is_there(self) -> None:
        [tree] = [block.text for block in blocks_of(ROOT / "CONTRIBUTING.md") if block.language == "text"]
        folder = ROOT
        for line in tree.splitlines():
            names = re.split(r"\s{2,}", line.strip())[0].split()
            if not line.startswith(" "):
                folder = ROOT / names[0] if names[0].endswith("/") else ROOT
            for name in names:
                assert name == "..." or (folder / name).exists() or (ROOT / name).exists(), name


class TestCode:
    def test_every_block_says_what_it_is(self) -> None:
        known = {"sh", "python", "json", "js", "ts", "text", "console"}
        unknown = [str(block) for block in BLOCKS if block.language not in known]
        assert not unknown

    @of("json")
    def test_json_is_a_job_or_an_answer(self, block: Block) -> None:
        told = json.loads(block.text)
        if "input" in told:
            parse(told["input"])
        elif told.get("success") is True:
            PictureAnswer.model_validate(told)
        else:
            ErrorAnswer.model_validate(told)

    @of("python")
    def test_python_runs(self, block: Block, live: Live, tmp_path: Path) -> None:
        script = tmp_path / "block.py"
        script.write_text(block.text.replace(LOCAL, live.url))
        done = run(sys.executable, script, PYTHONPATH=str(ROOT))
        assert done.returncode == 0, done.stderr

    @of("sh")
    def test_every_command_exists_and_takes_its_options(self, block: Block, live: Live) -> None:
        check(block.text, block.page.parent, live.url)


def _default(job: type[EditJob | GenerateJob], name: str) -> str:
    field = job.model_fields[name]
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    return field.default if isinstance(field.default, str) and field.default else json.dumps(field.default)


def _links(text: str) -> list[str]:
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return ["".join(found) for found in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", prose)]


def _without_comments(commands: str) -> list[str]:
    return [re.sub(r"\s+#.*", "", line) for line in commands.splitlines()]


def _anchors(file: Path) -> set[str]:
    """Return the anchors that GitHub makes from headings."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
