from pathlib import Path

import pytest

from schemas.settings import SettingsError, example, read_settings

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
