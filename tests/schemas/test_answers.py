import re
from typing import Any

import pytest

from service.schemas.answers import AnswerSchema, answer_of, answers, dump_nothing
from service.schemas.pages import Page
from service.schemas.pipelines import AccessiblePipeline, PipelineListSchema, dump_pipeline_list


def test_answer_of_a_type_is_the_function_that_takes_it() -> None:
    assert answer_of(Page[AccessiblePipeline]) == (PipelineListSchema, dump_pipeline_list)
    assert answer_of(type(None)) == (AnswerSchema, dump_nothing)


def test_answer_of_an_unknown_type_names_the_way_out() -> None:
    with pytest.raises(TypeError, match=re.escape("decorate that with @answers(its schema)")):
        answer_of(Page[int])


def test_answers_takes_one_function_a_type() -> None:
    def dump_again(_: Page[AccessiblePipeline]) -> dict[str, Any]:
        return {}

    with pytest.raises(TypeError, match="is answered by dump_pipeline_list already"):
        answers(PipelineListSchema)(dump_again)
