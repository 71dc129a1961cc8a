"""The batchers that operations share statements by."""

from typing import NamedTuple

from service.batching.job_updates import JobUpdateBatcher
from service.batching.pipeline_lists import PipelineListBatcher


class Batches(NamedTuple):
    """The batchers of one process."""

    pipeline_lists: PipelineListBatcher
    job_updates: JobUpdateBatcher
