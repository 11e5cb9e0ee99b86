# The two commands of the README. Both set up .venv first, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TESTED := $(VENV)/.ready-to-test
MEMO := examples/memos/rainy-evening.m4a

.PHONY: demo test lint report clean

demo: $(READY)
	$(BIN)/audio-chain models fetch offline
	$(BIN)/audio-chain memo $(MEMO)

test: $(TESTED)
	$(BIN)/audio-chain models fetch offline
	$(BIN)/python -m pytest -q

lint: $(TESTED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy audio_chain benchmarks docs eval prompts training cli.py

$(READY): pyproject.toml setup.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" sh setup.sh
	touch $@

$(TESTED): $(READY)
	VENV="$(VENV)" PYTHON="$(PYTHON)" sh setup.sh test
	touch $@

# the report site, with pictures, sounds and figures made anew
report: $(TESTED)
	$(BIN)/python -m pip install -q -r docs/requirements.txt
	$(BIN)/python -m docs.showcase runs/report
	$(BIN)/python -m mkdocs build

clean:
	rm -rf $(VENV)
