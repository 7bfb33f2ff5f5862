"""`/v1/choices`: the most probable of several answers."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from lorify.answering.choices import check_choices, rank_choices
from lorify.answering.plan import AnswerRequest
from lorify.base.chat.prompts import question_messages
from lorify.serving.engines.answers import unless_disconnected
from lorify.serving.http.errors import openapi_errors
from lorify.serving.http.json_bodies import body_schema, json_body
from lorify.serving.http.middleware.access import OwnerDependency, ServiceDependency
from lorify.serving.http.requests import adapter_scales, prompt_request
from lorify.serving.http.routes.content_types import require_json
from lorify.serving.http.schemas.lorify_routes import ChoiceRequest, RankedChoice, RankedChoices
from lorify.serving.service import Service

ChoiceBody = Annotated[ChoiceRequest, Depends(json_body(ChoiceRequest))]

router = APIRouter(
    prefix="/v1",
    tags=["answers"],
    responses={**openapi_errors(400, 401, 403, 404, 413, 415, 429, 500, 503)},
    dependencies=[Depends(require_json)],
)


@router.post("/choices", openapi_extra=body_schema(ChoiceRequest))
async def choose(
    body: ChoiceBody, request: Request, service: ServiceDependency, owner: OwnerDependency
) -> RankedChoices:
    """Answer out of a list, such as the labels of a classification, with the probability of each choice."""
    check_choices(body.choices)
    stack = await service.adapter_stack(body.model, adapter_scales(body.adapters), owner)
    messages = question_messages(body.input)
    with service.rankings.slot(owner):
        prompt = await service.prompts.run(partial(prompt_request, service, messages, stack, param="input"), owner)
        ranking = service.rankings.run(partial(_rank, service, body, prompt), owner)
        return await unless_disconnected(request, ranking)


def _rank(service: Service, body: ChoiceRequest, prompt: AnswerRequest) -> RankedChoices:
    answerer = service.model.answerer
    (plan,) = answerer.plan([replace(prompt, only_if_relevant=body.only_if_relevant, may_quote=False)])
    ranked = rank_choices(service.model.base, plan, body.choices)
    data = [RankedChoice(text=choice.text, probability=choice.probability) for choice in ranked]
    return RankedChoices(model=body.model, answer=data[0].text, adapter_on=plan.is_on, data=data)
