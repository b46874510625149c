from __future__ import annotations

from evergreen.core.training import Incumbent, Start

EARLIER = {"version": "3fa41c02be17", "artifact": "7"}


def test_an_incumbent_without_engines_is_written_as_earlier_releases_did() -> None:
    incumbent = Incumbent.model_validate(EARLIER)
    assert incumbent.model_dump(mode="json") == EARLIER, "another value is another key of the cache"
    assert Start(pretrained="p", champion=incumbent).model_dump(mode="json")["champion"] == EARLIER
    assert Incumbent().model_dump(mode="json") == {"version": None, "artifact": None}


def test_an_incumbents_engines_are_kept() -> None:
    incumbent = Incumbent(version="3fa41c02be17", artifact="7", engines="8", report="9")
    assert Incumbent.model_validate_json(incumbent.model_dump_json()) == incumbent
