"""Which prompts the local engine processes next, and how many tokens of them before the next decoding step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from lorify.answering.plan import AnswerPlan, AnswerRequest
from lorify.base.decoding.prefill import Prefill
from lorify.serving.engines.local_jobs import QueuedJob
from lorify.serving.limits.sharing import FairQueue, Pace, owner_limit


@dataclass(eq=False)
class StartingJobs:
    """Jobs whose prompts are processed together: several short prompts, or a long one. Answers to one prompt share it.

    Attributes:
        requests: the prompts.
        jobs: each job and the index of its prompt.
        num_tokens: tokens of all prompts.
        plans: the adapters of each prompt; empty until they are chosen.
        prefill: what has been processed; None until it begins.
    """

    requests: list[AnswerRequest] = field(default_factory=list)
    jobs: list[tuple[QueuedJob, int]] = field(default_factory=list)
    num_tokens: int = 0
    plans: Sequence[AnswerPlan] = ()
    prefill: Prefill | None = None

    def __iter__(self) -> Iterator[QueuedJob]:
        """Iterate over the jobs."""
        return (queued for queued, _ in self.jobs)

    @property
    def prompts(self) -> list[int]:
        """For each job the index of its prompt."""
        return [prompt for _, prompt in self.jobs]

    @property
    def owners(self) -> list[str]:
        """The owner of each prompt that is still wanted."""
        owners = {prompt: queued.job.owner for queued, prompt in self.jobs}
        return [owners[prompt] for prompt in sorted(owners)]

    def new_tokens(self, queued: QueuedJob) -> int:
        """Return by how much a job would make the prompts longer."""
        return 0 if any(queued.job.request is request for request in self.requests) else queued.job.num_prompt_tokens

    def add(self, queued: QueuedJob) -> None:
        """Add a job; jobs of the same request share one prompt."""
        self.num_tokens += self.new_tokens(queued)
        known = [index for index, request in enumerate(self.requests) if request is queued.job.request]
        if not known:
            self.requests.append(queued.job.request)
        self.jobs.append((queued, known[0] if known else len(self.requests) - 1))

    def drop(self, jobs: Collection[QueuedJob]) -> None:
        """Drop jobs before their prompts are processed, and prompts that no job asks for any more."""
        self.jobs = [(queued, prompt) for queued, prompt in self.jobs if queued not in jobs]
        wanted = sorted(set(self.prompts))
        self.jobs = [(queued, wanted.index(prompt)) for queued, prompt in self.jobs]
        self.requests = [self.requests[prompt] for prompt in wanted]
        self.plans = [self.plans[prompt] for prompt in wanted]
        self.num_tokens = sum(len(request.prompt_ids) for request in self.requests)

    def apart(self) -> list[StartingJobs]:
        """Return each prompt with its jobs as a group of its own."""
        groups = [StartingJobs() for _ in self.requests]
        for queued, prompt in self.jobs:
            groups[prompt].add(queued)
        return [group for group in groups if group.jobs]


class PromptQueue:
    """Queued jobs and those whose prompts are being processed, shared out between owners. Not thread-safe.

    The owner who got fewest tokens so far, of prompts and of answers, is next. While answers of other owners are being
    generated, an owner's prompts take at most an equal share of the time.
    """

    def __init__(self, max_rows: int, max_cache_tokens: int, max_prefill_tokens: int, max_share: float) -> None:
        """Start empty; arguments as for `EngineLimits` and `LocalEngine`."""
        self._max_rows = max_rows
        self._max_cache_tokens = max_cache_tokens
        self._max_prefill_tokens = max_prefill_tokens
        self.max_owner_rows = owner_limit(max_rows, max_share)
        self._max_owner_tokens = owner_limit(max_cache_tokens, max_share)
        self.queue: FairQueue[QueuedJob] = FairQueue()
        self.starting: list[StartingJobs] = []
        self._pace = Pace()

    @property
    def num_starting(self) -> int:
        """Jobs whose prompts are being processed."""
        return sum(len(group.jobs) for group in self.starting)

    def jobs(self) -> Iterator[QueuedJob]:
        """Iterate over all jobs that have not started to answer."""
        yield from self.queue
        for group in self.starting:
            yield from group

    def discard(self, is_unwanted: Callable[[QueuedJob], bool]) -> None:
        """Drop the queued and starting jobs for which `is_unwanted` returns True."""
        self.queue.discard(is_unwanted)
        for group in self.starting:
            for queued in group:
                if is_unwanted(queued):
                    self.queue.end(queued.job.owner)
            group.jobs = [(queued, prompt) for queued, prompt in group.jobs if not is_unwanted(queued)]
        self.starting = [group for group in self.starting if group.jobs]

    def next(self, running: Sequence[QueuedJob]) -> StartingJobs | None:
        """Return whose prompts to process now; None if none may be.

        Args:
            running: the jobs whose answers are being generated.
        """
        begun = {group.owners[0]: group for group in self.starting}

        def may_start(owner: str) -> bool:
            return not any(queued.job.owner != owner for queued in running) or self._pace.may_start(owner)

        def may_begin(owner: str) -> bool:
            return owner not in begun and may_start(owner) and self._has_room(owner, running)

        going_on = list(filter(may_start, begun))
        owner = self.queue.least_served([*going_on, *filter(may_begin, self.queue.owners)])
        if owner is not None and owner not in begun:
            group = self._new_group(running, may_begin)
            if group.jobs:
                self.starting.append(group)
                return group
            owner = self.queue.least_served(going_on)
        if owner is None:
            return None
        self.queue.charge(owner, self._max_prefill_tokens)
        return begun[owner]

    def charge(self, group: StartingJobs, seconds: float) -> None:
        """Count the time that a part of a group's prompts took, for their owners alike."""
        owners = group.owners
        for owner in set(owners):
            share = owners.count(owner) / len(owners)
            self._pace.charge(owner, share * seconds, self.queue.num_owners)

    def _new_group(self, running: Sequence[QueuedJob], may_begin: Callable[[str], bool]) -> StartingJobs:
        """Take jobs out of the queue, in their order: with short prompts together, or a single long one."""
        group = StartingJobs()
        jobs = [*running, *(queued for other in self.starting for queued in other)]
        while (
            owner := self.queue.next_owner(lambda owner: may_begin(owner) and self._has_room(owner, jobs))
        ) is not None:
            num_tokens = group.new_tokens(self.queue.first(owner))
            # A job that does not fit yet is waited for: smaller ones would overtake it for ever.
            if not self._fits(owner, jobs) or (group.jobs and group.num_tokens + num_tokens > self._max_prefill_tokens):
                break
            self.queue.charge(owner, min(num_tokens, self._max_prefill_tokens))  # the first piece
            while True:  # together with the other answers to this prompt
                jobs.append(self.queue.take(owner))
                group.add(jobs[-1])
                if not (self.queue.num_queued(owner) and self._has_room(owner, jobs) and self._fits(owner, jobs)):
                    break
                if group.new_tokens(self.queue.first(owner)):
                    break
        return group

    def _fits(self, owner: str, jobs: Sequence[QueuedJob]) -> bool:
        """Whether the row of an owner's next job fits beside those of `jobs`."""
        return _within([*jobs, self.queue.first(owner)], self._max_rows, self._max_cache_tokens)

    def _has_room(self, owner: str, jobs: Sequence[QueuedJob]) -> bool:
        """Whether an owner may have the row of its next job beside its own ones among `jobs`."""
        own = [queued for queued in jobs if queued.job.owner == owner]
        return _within([*own, self.queue.first(owner)], self.max_owner_rows, self._max_owner_tokens)


def _within(jobs: Sequence[QueuedJob], max_rows: int, max_tokens: int) -> bool:
    """Whether rows keep the limits; a single row always does."""
    longest = max(queued.max_tokens for queued in jobs)
    return len(jobs) == 1 or (len(jobs) <= max_rows and len(jobs) * longest <= max_tokens)
