"""Settings of command-line programs."""

import sys

import pytest

from jaxnoise import process

pytestmark = pytest.mark.fast


def test_the_cache_folder_is_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for platform, usual in (("linux", ".cache"), ("darwin", "Library/Caches")):
        monkeypatch.setattr(sys, "platform", platform)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert process.cache_folder() == tmp_path / "jaxnoise"
        for ignored in ("", "relative/folder"):
            monkeypatch.setenv("XDG_CACHE_HOME", ignored)
            assert process.cache_folder() == tmp_path / "home" / usual / "jaxnoise"


def test_memory_is_kept_where_glibc_is_and_nothing_happens_elsewhere(monkeypatch):
    process.keep_freed_memory()
    monkeypatch.setattr(process.platform, "libc_ver", lambda: ("musl", "1.2"))
    monkeypatch.setattr(process.ctypes, "CDLL", pytest.fail)
    process.keep_freed_memory()
