"""The end of a trace: what a person would have to read to know why a job failed."""

from ao_plugins._gitlab.logs import tail

TRACE = (
    "\x1b[0KRunning with gitlab-runner 17.0.0 (b92ee590)\x1b[0;m\n"
    "section_start:1700000000:prepare_executor\r\x1b[0K\x1b[0K\x1b[36;1mPreparing\x1b[0;m\x1b[0;m\n"
    "section_end:1700000001:prepare_executor\r\x1b[0K\n"
    "section_start:1700000002:step_script\r\x1b[0K\x1b[36;1mExecuting\x1b[0;m\n"
    "\x1b[32;1m$ make test\x1b[0;m\n"
    "  1%\r 50%\r100% done\n"
    "E   assert 1 == 2\n"
    "section_end:1700000003:step_script\r\x1b[0K\n"
    "section_start:1700000004:after_script\r\x1b[0K\x1b[36;1mRunning after_script\x1b[0;m\n"
    "thousands of lines\n"
    "section_end:1700000005:after_script\r\x1b[0K\n"
    "section_start:1700000006:cleanup_file_variables\r\x1b[0K\x1b[36;1mCleaning up\x1b[0;m\n"
    "section_end:1700000007:cleanup_file_variables\r\x1b[0K\n"
    "\x1b[31;1mERROR: Job failed: exit code 1\n\x1b[0;m\n"
)


def test_it_reads_as_on_a_screen_and_without_what_came_afterwards() -> None:
    assert tail(TRACE) == [
        "Running with gitlab-runner 17.0.0 (b92ee590)",
        "Preparing",
        "Executing",
        "$ make test",
        "100% done",
        "E   assert 1 == 2",
        "ERROR: Job failed: exit code 1",
    ]


def test_stamps_of_newer_runners_are_no_part_of_it() -> None:
    stamped = (
        "2026-01-01T10:00:00.123456Z 00O $ make\n"
        "2026-01-01T10:00:01.123456Z 01E make: *** [all] Error 2\n"
        "2026-01-01T10:00:01.223456Z 01E+more of it\n"
        "2026-01-01T10:00:02.123456Z 00O ERROR: Job failed: exit status 2\n"
    )
    assert tail(stamped) == [
        "$ make", "make: *** [all] Error 2", "more of it", "ERROR: Job failed: exit status 2",
    ]  # fmt: skip


def test_what_a_script_calls_an_error_is_not_the_end() -> None:
    trace = "ERROR: one test failed\nand why\nERROR: Job failed: exit code 1\nUploading\n"
    assert tail(trace)[-1] == "ERROR: Job failed: exit code 1"
    assert "and why" in tail(trace)


def test_a_trace_without_an_error_ends_with_its_last_lines() -> None:
    lines = [f"line {n}" for n in range(100)]
    assert tail("\n".join(lines)) == lines[-40:]


def test_long_lines_leave_room_for_fewer() -> None:
    kept = tail("\n".join(["x" * 5_000] * 40))
    assert len("\n".join(kept)) <= 3_000
    assert kept
    assert all(len(line) <= 300 for line in kept)


def test_nothing_in_it_is_obeyed_by_a_terminal() -> None:
    assert tail("\x1b]0;title\x07a\u202eb\x08\n") == ["ab"]
