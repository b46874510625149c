"""A copy of Oxford-IIIT Pet on the Hub of the box, read by the unmodified `datasets` library and prepared."""

from __future__ import annotations

import json
from pathlib import Path

from cloudbox.hub.accounts import tokens
from tests.running_box import REPOSITORY, running_box

SCRIPT = Path(__file__).with_name("pets_of_the_hub.py")


def test_a_copy_on_the_hub_is_prepared_as_the_configuration_shows(tmp_path: Path) -> None:
    with running_box(tmp_path / "home", "hub") as box:
        token = tokens(box.box.home)["write"]
        run = f"""
            import runpy, sys
            sys.path.insert(0, {str(REPOSITORY)!r})
            sys.argv = ["", {str(tmp_path)!r}, {token!r}]
            runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
        """
        seen = json.loads(box.client(run).splitlines()[-1])
        assert box.status()["refusals"] == 0
    assert seen["origin"].startswith("evergreen/oxford-pets (train, test) at ")
    assert seen["written"] == [1, 0]
    train, test = (
        {f"{split}:{number}": split for number in range(1, count + 1)} for split, count in (("train", 8), ("test", 4))
    )
    assert seen["splits"] == train | test
    assert set(map(tuple, seen["classes"].values())) == {(0, 1, 2)}
    assert seen["sizes"] == [[64, 64]]
    assert "column 'image' missing" in seen["wrong column"]
    assert "prepare.origin.columns.image" in seen["wrong column"]
    assert "evergreen/nothing" in seen["wrong name"]
    assert "prepare.origin.name" in seen["wrong name"]
