"""A file is replaced whole or not at all, whatever interrupts it."""

import os
import stat

import pytest

from gateway.runtime.whole_file import replace_file


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_is_made_and_replaced_and_is_its_owners_alone(tmp_path):
    path = tmp_path / "f"
    for data in (b"one", b"", b"three" * 10_000):
        replace_file(path, data)
        assert path.read_bytes() == data
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert names(tmp_path) == ["f"]


def test_a_link_stays_a_link_and_the_file_behind_it_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "f", tmp_path / "f"
    real.write_bytes(b"old")
    link.symlink_to(real)
    replace_file(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"
    assert names(tmp_path / "real") == ["f"]


def test_what_a_killed_process_of_the_same_number_left_is_in_nobodys_way(tmp_path):
    (tmp_path / f".f.{os.getpid()}").write_bytes(b"half")
    replace_file(tmp_path / "f", b"whole")
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_step_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    path = tmp_path / "f"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(28, "no space")

    monkeypatch.setattr(*(("os.fsync", full) if step == "fsync" else ("pathlib.Path.replace", full)))
    with pytest.raises(OSError, match="no space"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "gone" / "f", b"new")
