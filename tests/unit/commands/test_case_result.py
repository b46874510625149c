from commands.case import Result


def test_a_message_that_names_half_a_character_can_be_printed() -> None:
    result = Result(case="a\udce9", exit=2, message="no file '/tmp/\ud83d.csv'")
    assert result.message == "no file '/tmp/\\ud83d.csv'"
    assert Result.model_validate_json(result.model_dump_json()) == result
