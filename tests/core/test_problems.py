"""Problems are read in the order of the file, and suggest the word that was probably meant."""

from gateway.core.problems import Problem, Problems, did_you_mean


def test_a_problem_reads_as_file_line_column_sentence_and_mend() -> None:
    assert str(Problem("a.yaml", 3, 7, "This is wrong.", "Mend it.")) == "a.yaml:3:7: This is wrong. Mend it."
    assert str(Problem("a.yaml", 3, 7, "This is wrong.")) == "a.yaml:3:7: This is wrong."
    assert str(Problem("a.yaml", 0, 0, "The file is empty.")) == "a.yaml: The file is empty."


def test_problems_come_in_the_order_in_which_a_reader_meets_them() -> None:
    problems = [Problem("b", 1, 1, "x"), Problem("a", 10, 1, "x"), Problem("a", 2, 9, "x"), Problem("a", 2, 1, "x")]
    raised = Problems(problems)
    assert [(p.file, p.line, p.column) for p in raised.problems] == [
        ("a", 2, 1),
        ("a", 2, 9),
        ("a", 10, 1),
        ("b", 1, 1),
    ]
    assert str(raised).splitlines() == [str(problem) for problem in raised.problems]


def test_the_closest_known_word_is_offered_or_a_few_or_nothing() -> None:
    assert did_you_mean("gpu-larg", ["gpu-large", "burst"]) == "Did you mean `gpu-large`?"
    assert did_you_mean("zzz", ["gpu-large", "burst"]) == "Known: burst, gpu-large."
    assert did_you_mean("zzz", [f"p{n:02}" for n in range(30)]).count(",") == 11
    assert did_you_mean("zzz", []) == ""


def test_a_mend_names_a_likely_word_if_it_is_close_and_else_the_closest():
    known = ["label", "labels", "routes"]
    assert did_you_mean("labelz", known) == "Did you mean `label`?"
    assert did_you_mean("labelz", known, ["labels", "routes"]) == "Did you mean `labels`?"
    assert did_you_mean("labelz", known, ["routes"]) == "Did you mean `label`?"
