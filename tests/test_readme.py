"""The README's tables say what the schemas say."""

import json
import re
from pathlib import Path

import pytest

from schemas.errors import ErrorCode
from schemas.jobs import EditJob, GenerateJob, Job
from schemas.version import VERSION

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
FIELDS = README[: README.index("### The answer")]
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", FIELDS, re.MULTILINE))


@pytest.mark.parametrize("job", [EditJob, GenerateJob])
def test_every_field_stands_in_a_table_with_its_default(job: type[Job]) -> None:
    for name, field in job.model_fields.items():
        assert name in ROWS
        if field.is_required():
            assert ROWS[name] in ("required", "`edit`")
        elif field.default is not None:
            default = field.default if isinstance(field.default, str) and field.default else json.dumps(field.default)
            assert ROWS[name].strip("`") == default


def test_no_row_names_a_field_that_does_not_exist() -> None:
    assert ROWS.keys() == EditJob.model_fields.keys() | GenerateJob.model_fields.keys()


def test_every_error_code_is_named() -> None:
    assert not [code for code in ErrorCode if f"`{code}`" not in README]


def test_every_link_inside_the_repository_resolves() -> None:
    for page in ROOT.glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert "://" in link or (ROOT / link).exists(), f"{page.name}: {link}"


def test_the_version_is_the_same_everywhere() -> None:
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()
    assert f"## {VERSION}" in (ROOT / "CHANGELOG.md").read_text()
