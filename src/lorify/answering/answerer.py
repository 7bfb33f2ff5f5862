"""Answer questions: build prompts, choose adapters, decode."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from weakref import WeakKeyDictionary

from lorify.adapters import Adapter, AdapterStack, build_lora_batch
from lorify.answering.calibration.confidence import ConfidenceModel
from lorify.answering.calibration.fitted import FittedModel
from lorify.answering.calibration.stated import StatedModel
from lorify.answering.follow_ups import rewrite_follow_ups
from lorify.answering.json_fields import JsonFieldPlanner
from lorify.answering.plan import AnswerPlan, AnswerRequest, Query
from lorify.answering.questions import last_question, turns_of_follow_up
from lorify.answering.quote_planner import QuotePlanner
from lorify.answering.quotes import Quote
from lorify.answering.signals import AnswerSignals
from lorify.answering.sources import Source
from lorify.answering.text import AnswerText
from lorify.answering.two_passes import Draft, Trials, TwoPasses, split_documents_and_tasks
from lorify.base.chat.prompts import Message, PromptBuilder
from lorify.base.chat.published_chats import find_published_template
from lorify.base.chat.turns import without_system
from lorify.base.constraints import Constraint
from lorify.base.decoding.generation import answer_limit, generate_batch, stream_tokens
from lorify.base.decoding.sampling import GenerationOptions
from lorify.base.model import BaseLM
from lorify.errors import ContextError
from lorify.extraction.extractor import Extractor
from lorify.hypernets.evidence import PreparedAdapter, TokenEvidence
from lorify.hypernets.internalizer import DocumentInternalizer

CUT_SLACK_TOKENS = 2


@dataclass(frozen=True)
class Answer:
    """An answer and how it came about.

    Attributes:
        text: the answer, without white space at its ends.
        adapter_on: whether an adapter was on.
        confidence: probability that the answer is right; None if it was not requested or cannot be estimated.
        withheld: the answer that `text` replaces because the documents do not state it; empty if none was generated
            because the question is unrelated to the documents; None if nothing was replaced.
        signals: what confidence, source and `withheld` are derived from; measurements are cached.
    """

    text: str
    adapter_on: bool
    confidence: float | None = None
    withheld: str | None = None
    signals: AnswerSignals | None = field(default=None, repr=False, compare=False)

    @property
    def source(self) -> Source | None:
        """The sentence of the documents that the answer was taken from; None if that is unknown."""
        return None if self.signals is None else self.signals.source


class Answerer:
    """Answers questions with a base and the adapters of its document hypernetwork.

    All callers go through it and share its prompts, plans and checks. It is thread-safe: between calls it keeps only
    the answers of tasks that were tried on common words.
    """

    def __init__(
        self,
        base: BaseLM,
        internalizer: DocumentInternalizer | None = None,
        confidence_model: ConfidenceModel | None = None,
        stated_model: StatedModel | None = None,
        load_follow_up_writer: Callable[[], Adapter | None] = lambda: None,
        load_extractor: Callable[[], Extractor | None] = lambda: None,
    ) -> None:
        """Join a base with its hypernetwork.

        Args:
            base: the base.
            internalizer: chooses and focuses the adapters that it made; None leaves every adapter unchanged.
            confidence_model: estimates confidence; None leaves it unknown.
            stated_model: estimates whether the documents state an answer; None treats every answer as stated.
            load_follow_up_writer: loads the adapter that rewrites follow-ups; called when a chat first contains one.
            load_extractor: loads the extractor; called at the first question that a quote may answer.
        """
        self.base = base
        self.internalizer = internalizer
        self.confidence_model = confidence_model
        self.stated_model = stated_model
        self._load_follow_up_writer = load_follow_up_writer
        self.quotes = QuotePlanner(base, internalizer, load_extractor)
        self.prompts = PromptBuilder(base.tokenizer, internalizer is not None and internalizer.system_turn)
        self.stop_ids = base.stop_ids
        self._task_trials: Trials = WeakKeyDictionary()

    @cached_property
    def follow_up_writer(self) -> Adapter | None:
        """The adapter that makes the base rewrite follow-ups; None if there is none."""
        return self._load_follow_up_writer()

    def request(self, query: Query) -> AnswerRequest:
        """Build the prompt of a query."""
        asked = [*query.turns, Message(role="user", content=query.question)]
        prompts = self.prompts_for(query.adapters)
        if query.chat_template is not None:
            prompts = replace(prompts, template=query.chat_template)
        return AnswerRequest(
            prompt_ids=prompts.chat_ids(_chat(query.messages, query.adapters), query.answer_prefix),
            adapters=query.adapters,
            question=last_question(asked),
            only_if_relevant=query.only_if_relevant,
            focus=query.focus,
            is_continued=bool(query.answer_prefix),
            may_quote=query.may_quote,
            not_stated=query.not_stated,
            grounded=query.grounded,
            two_passes=query.two_passes,
            turns=turns_of_follow_up(asked),
            schema=query.schema,
        )

    def prompts_for(self, adapters: AdapterStack) -> PromptBuilder:
        """Return the prompt builder for adapters: with Text-to-LoRA's chat format if they were trained with it."""
        if not adapters.has_published_chat or adapters.needs_default_system_message:
            return self.prompts
        return replace(self.prompts, system_turn=True, template=find_published_template(self.base.tokenizer))

    def chat_request(
        self, messages: Sequence[Message], adapters: AdapterStack, *, not_stated: str | None = None
    ) -> AnswerRequest:
        """Build the prompt of a chat. Its last question decides which adapters are on.

        Args:
            messages: the chat so far, each turn with `role` and `content`.
            adapters: the adapters to answer with.
            not_stated: as for `Query`.
        """
        ids = self.prompts_for(adapters).chat_ids(_chat(messages, adapters))
        return AnswerRequest(
            ids, adapters, last_question(messages), not_stated=not_stated, turns=turns_of_follow_up(messages)
        )

    def plan(self, requests: Sequence[AnswerRequest]) -> list[AnswerPlan]:
        """Decide which adapters each request is answered with.

        Follow-ups are rewritten first. An adapter that occurs several times with the same question is prepared once.
        With documents and a task, the documents' answer is generated here, and the plan does the task on it (see
        `lorify.answering.two_passes`).

        Raises:
            ContextError: if a prompt leaves no room for an answer in the base's window.
        """
        self._check_prompts(requests)
        if self.internalizer is not None and any(request.turns for request in requests) and self.follow_up_writer:
            requests = rewrite_follow_ups(self.base, self.follow_up_writer, requests)
        prepared = self._prepare_requests(requests)
        missed = {
            i: _evidence(_prepared_of(request, prepared))
            for i, request in enumerate(requests)
            if request.only_if_relevant and _prepared_stack(request, prepared).is_empty
        }
        answered = self.quotes.are_answered([requests[i] for i in missed], list(missed.values()))
        found = {i for i, is_answered in zip(missed, answered, strict=True) if is_answered}
        if found:
            requests = [
                replace(each, only_if_relevant=False) if i in found else each for i, each in enumerate(requests)
            ]
            prepared |= self._prepare_requests([requests[i] for i in sorted(found)])
        plans = [
            AnswerPlan(
                request.prompt_ids,
                _prepared_stack(request, prepared),
                request.is_continued,
                request,
                tuple(own.evidence for own in _prepared_of(request, prepared)),
            )
            for request in requests
        ]
        evidence = [
            _evidence(own for own in _prepared_of(request, prepared) if own.adapter is not None) for request in requests
        ]
        plans = self.quotes.with_quotes(plans, evidence)
        plans = [self._grounded(plan) for plan in plans]
        passes = TwoPasses(self._write_drafts, self.prompts.question_ids, self.base.encode_text, self._task_trials)
        return self._with_fields(passes.plan(plans))

    def _grounded(self, plan: AnswerPlan) -> AnswerPlan:
        """Decline the question if the plan must be grounded and none of its documents is about the question."""
        documents, _ = split_documents_and_tasks(plan.adapters)
        is_wanted = plan.request is not None and plan.request.grounded and not plan.is_continued
        reply = plan.reply_if_not_stated
        if not is_wanted or reply is None or not documents.is_empty:
            return plan
        ids = tuple(self.base.encode_text(reply))
        return replace(plan, adapters=AdapterStack(), quote=Quote(reply, None), quote_ids=ids, is_declined=True)

    def _with_fields(self, plans: Sequence[AnswerPlan]) -> list[AnswerPlan]:
        """Fill the plans' JSON schemas with values from the documents."""
        if self.internalizer is None:
            return list(plans)
        planner = JsonFieldPlanner(
            self.base, self.internalizer, self.quotes, self.prompts.question_ids, self._write_answers
        )
        return [planner.with_fields(plan) for plan in plans]

    def _write_answers(self, requests: Sequence[AnswerRequest], max_new_tokens: int) -> list[str]:
        return [answer.text for answer in self.answer(self.plan(requests), GenerationOptions(max_new_tokens))]

    def _check_prompts(self, requests: Sequence[AnswerRequest]) -> None:
        # Beyond its window a base takes minutes to write nonsense.
        longest = max((len(request.prompt_ids) for request in requests), default=0)
        if longest >= self.base.window_tokens:
            raise ContextError(
                f"the prompt has {longest:,} tokens, and the context window of base {self.base.name} is "
                f"{self.base.window_tokens:,} tokens; shorten the question, or internalize its text as a document"
            )

    def _prepare_requests(self, requests: Sequence[AnswerRequest]) -> dict[_Key, PreparedAdapter]:
        """Prepare the adapters of requests, each once per question."""
        prepared: dict[_Key, PreparedAdapter] = {}
        for flags in dict.fromkeys((request.only_if_relevant, request.focus) for request in requests):
            wanted = {
                _key(adapter, request): adapter
                for request in requests
                if (request.only_if_relevant, request.focus) == flags
                for adapter in request.adapters.adapters
            }
            prepared |= zip(wanted, self._prepare(wanted, *flags), strict=True)
        return prepared

    def _write_drafts(self, plans: Sequence[AnswerPlan], max_new_tokens: int) -> list[Draft]:
        return [Draft(answer.text, answer.withheld) for answer in self.answer(plans, GenerationOptions(max_new_tokens))]

    def plan_query(self, query: Query) -> AnswerPlan:
        """Plan how to answer one query: its prompt, and the adapters that are on for it."""
        return self.plan([self.request(query)])[0]

    def answer(
        self, plans: Sequence[AnswerPlan], options: GenerationOptions, *, with_confidence: bool = False
    ) -> list[Answer]:
        """Answer several plans in one batch, each with its own prompt and adapters.

        Args:
            plans: what `plan` decided for each question: prompt, adapters, whether they are on.
            options: length limit and sampling.
            with_confidence: also estimate the confidence, which takes one more forward pass per answer.
        """
        quoted = [plan.quoted_ids(options) for plan in plans]
        written = [plan for plan, ids in zip(plans, quoted, strict=True) if ids is None]
        generated = iter(self._decode(written, options))
        answers = [next(generated) if ids is None else ids for ids in quoted]
        texts = [plan.clean(self.base.decode_text(ids)) for plan, ids in zip(plans, answers, strict=True)]
        measured = [self.signals(plan, text) for plan, text in zip(plans, texts, strict=True)]
        return [self._checked(signals, with_confidence=with_confidence) for signals in measured]

    def _decode(self, plans: Sequence[AnswerPlan], options: GenerationOptions) -> list[Sequence[int]]:
        """Generate the tokens of answers. Answers with the same constraint share a batch."""
        batches: dict[Constraint | None, list[int]] = {}
        for i, plan in enumerate(plans):
            batches.setdefault(plan.constraint, []).append(i)
        generated: dict[int, Sequence[int]] = {}
        for indices in batches.values():
            batch = [plans[i] for i in indices]
            answers = generate_batch(
                self.base,
                [plan.prompt_ids for plan in batch],
                batch[0].narrowed(options),
                lora=build_lora_batch([plan.adapters for plan in batch], self.base),
                stop_ids=self.stop_ids,
            )
            generated |= zip(indices, answers, strict=True)
        return [generated[i] for i in range(len(plans))]

    def stream_ids(self, plan: AnswerPlan, options: GenerationOptions) -> Iterator[int]:
        """Yield the tokens of an answer as they are sampled."""
        quoted = plan.quoted_ids(options)
        if quoted is not None:
            return iter(quoted)
        lora = build_lora_batch([plan.adapters], self.base)
        return stream_tokens(self.base, plan.prompt_ids, plan.narrowed(options), lora=lora, stop_ids=self.stop_ids)

    def stream(self, plan: AnswerPlan, options: GenerationOptions) -> Iterator[str]:
        """Yield the text of an answer piece by piece, without white space at its ends.

        An answer that may yet be replaced because the documents do not state it comes in one piece.
        """
        if self.stated_model is not None and plan.is_on and plan.reply_if_not_stated:
            yield self.answer([plan], options)[0].text
            return
        text = AnswerText(self.base.decode_text, trim=True)
        for token in self.stream_ids(plan, options):
            text.add(token)
            if piece := text.take():
                yield piece
        if piece := text.take(last=True):
            yield piece

    def is_cut_by_window(self, plan: AnswerPlan, text: str, options: GenerationOptions) -> bool:
        """Return whether an answer ended because the base's window was full, not by itself or at its length limit.

        Args:
            plan: the plan that was answered.
            text: the answer.
            options: the options it was answered with.
        """
        room = answer_limit(self.base, len(plan.prompt_ids), options.max_new_tokens)
        if room == options.max_new_tokens or plan.quoted_ids(options) is not None:
            return False
        # Tokenizing a text that was cut off may give slightly different tokens than were generated.
        return len(self.base.encode_text(text)) >= room - CUT_SLACK_TOKENS

    def signals(self, plan: AnswerPlan, text: str) -> AnswerSignals:
        """Return the signals of an answer, without measuring any yet.

        Args:
            plan: the plan that was answered.
            text: the answer.
        """
        return AnswerSignals(
            plan, text, base=self.base, internalizer=self.internalizer, find_spans=self.quotes.find_spans
        )

    def confidence(self, signals: AnswerSignals) -> float | None:
        """Estimate the probability that an answer is right: a pass each of base, reader and extractor.

        Returns:
            The probability; None if there is no confidence model, no adapter is on, an adapter is from another
            hypernetwork (the model is fitted to answers about documents), or the answer is a certain quote.
        """
        model = self.confidence_model
        if signals.is_quoted:
            return None
        return model.probability(signals.confidence) if model is not None and _is_judged(signals, model) else None

    def stated(self, signals: AnswerSignals) -> float | None:
        """Estimate the probability that the documents state an answer: a pass each of base, reader and extractor.

        Returns:
            The probability; None if there is no model for it, no adapter is on, or one is from another hypernetwork.
        """
        model = self.stated_model
        if model is None or not _is_judged(signals, model) or signals.stated is None:
            return None
        return model.probability(signals.stated)

    def is_stated(self, signals: AnswerSignals) -> bool:
        """Return whether the documents state an answer; True if that cannot be estimated (see `stated`)."""
        if signals.is_quoted:
            return True
        probability = self.stated(signals)
        return probability is None or self.stated_model is None or probability >= self.stated_model.threshold

    def _checked(self, signals: AnswerSignals, *, with_confidence: bool) -> Answer:
        """Build the answer; if the plan asks for it, replace an answer that the documents do not state."""
        plan = signals.plan
        if plan.is_declined:
            return Answer(signals.text, adapter_on=False, withheld="")
        confidence = self.confidence(signals) if with_confidence else None
        answer = Answer(signals.text, plan.is_on, confidence, signals=signals)
        reply = plan.reply_if_not_stated
        if reply is None or self.is_stated(signals):
            return answer
        return replace(answer, text=reply, withheld=answer.text)

    def _prepare(self, wanted: dict[_Key, Adapter], only_if_relevant: bool, focus: bool) -> list[PreparedAdapter]:
        adapters = list(wanted.values())
        if self.internalizer is None or not adapters:
            return [PreparedAdapter(adapter) for adapter in adapters]
        questions = [key.question for key in wanted]
        return self.internalizer.prepare(adapters, questions, only_if_relevant=only_if_relevant, focus=focus)


def _chat(messages: Sequence[Message], adapters: AdapterStack) -> Sequence[Message]:
    """Return the turns of a chat as its adapters need them."""
    # A chat's own system message would replace the default one, and with it the task that is written over it. Moved to
    # the user's turn, it still works, and so does the task (see docs/research-log.md, 2026-11-28).
    return without_system(messages) if adapters.needs_default_system_message else messages


@dataclass(frozen=True)
class _Key:
    """Key under which a prepared adapter is shared between plans."""

    adapter_id: int
    question: str
    only_if_relevant: bool
    focus: bool


def _is_judged(signals: AnswerSignals, model: FittedModel) -> bool:
    """Whether a model applies to an answer: adapters are on, and all are from the hypernetwork it was fitted for."""
    adapters = signals.plan.adapters.adapters
    return bool(adapters) and all(a.provenance.hypernetwork_digest == model.hypernetwork_digest for a in adapters)


def _key(adapter: Adapter, request: AnswerRequest) -> _Key:
    return _Key(id(adapter), request.question, request.only_if_relevant, request.focus)


def _prepared_of(request: AnswerRequest, prepared: dict[_Key, PreparedAdapter]) -> list[PreparedAdapter]:
    """The prepared form of each adapter of a request."""
    return [prepared[_key(adapter, request)] for adapter in request.adapters.adapters]


def _evidence(adapters: Iterable[PreparedAdapter]) -> list[TokenEvidence]:
    """Where the documents of adapters answer the question, if known."""
    return [document for own in adapters for document in own.evidence or ()]


def _prepared_stack(request: AnswerRequest, prepared: dict[_Key, PreparedAdapter]) -> AdapterStack:
    """The adapters of a request that are on."""
    parts = [(prepared[_key(adapter, request)].adapter, scale) for adapter, scale in request.adapters]
    return AdapterStack(tuple((adapter, scale) for adapter, scale in parts if adapter is not None))
