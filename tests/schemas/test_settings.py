from pathlib import Path

import pytest

from schemas.settings import SettingsError, example, misspelt, read_settings

ROOT = Path(__file__).parent.parent.parent


def test_a_wrong_value_is_refused_with_the_allowed_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE", "magic")
    with pytest.raises(SettingsError, match=r"ENGINE: .*'auto', 'qwen', 'preview', 'tiny' or 'replay'"):
        read_settings()


def test_every_wrong_setting_is_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_IMAGE_MB", "-1")
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    with pytest.raises(SettingsError, match="MAX_IMAGE_MB") as problem:
        read_settings()
    assert "LOG_LEVEL" in str(problem.value)
    assert "\n" not in str(problem.value)


def test_hosts_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_IMAGE_HOSTS", "cdn.shopify.com, *.MyShopify.com,")
    assert read_settings().allowed_image_hosts == ("cdn.shopify.com", "*.myshopify.com")


@pytest.mark.parametrize("host", ["https://cdn.shopify.com/", "cdn.shopify.com:443", "*", "*.*.com", "a b", "-a.com"])
def test_what_is_no_host_is_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_IMAGE_HOSTS", f"cdn.shopify.com,{host}")
    with pytest.raises(SettingsError, match=r"ALLOWED_IMAGE_HOSTS: .* is not a host like"):
        read_settings()


def test_no_secret_shows_when_the_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET_SECRET_ACCESS_KEY", "hunter2")
    assert "hunter2" not in repr(read_settings())


def test_the_example_lists_every_setting_with_its_default_and_its_line() -> None:
    assert (ROOT / ".env.example").read_text() == example(), "make fix writes it anew"


def test_a_setting_of_the_example_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("RESPONSE_LIMIT_MB=3\n")
    monkeypatch.chdir(tmp_path)
    assert read_settings().response_limit_mb == 3


@pytest.mark.parametrize("given", ["s3cret\n", " s3cret\r\n", '"s3cret"', "'s3cret'\n", '" s3cret "'])
def test_a_key_is_read_without_what_secrets_and_files_add_to_it(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", given)
    key = read_settings().api_key
    assert key is not None
    assert key.get_secret_value() == "s3cret"


@pytest.mark.parametrize("given", ["", " ", '""', "''", "\n", '" "'])
def test_an_empty_key_is_none(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", given)
    assert read_settings().api_key is None


def test_a_misspelt_setting_is_named_without_its_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("BUCKETNAME=shop\nAPI_KEY=s3cret\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APIKEY", "s3cret")
    assert misspelt() == [
        "APIKEY is not a setting; did you mean API_KEY?",
        "BUCKETNAME is not a setting; did you mean BUCKET_NAME?",
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_that_is_no_utf_8_is_said_in_a_sentence(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("BUCKET_PREFIX=schön\n", encoding=encoding)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"^Wrong settings: \.env is not UTF-8 text$"):
        read_settings()
    assert misspelt() == []


def test_a_file_that_cannot_be_read_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", ".env")

    (tmp_path / ".env").write_text("API_KEY=s3cret\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dotenv.main.open", denied, raising=False)
    with pytest.raises(SettingsError, match=r"^Wrong settings: \.env cannot be read: Permission denied$"):
        read_settings()


@pytest.mark.parametrize(("value", "shown"), [("80 80", "PORT: '80 80': "), ("x" * 99, f"PORT: '{'x' * 60}': ")])
def test_a_wrong_value_is_shown_in_quotes(value: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", value)
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert shown in str(refused.value)
