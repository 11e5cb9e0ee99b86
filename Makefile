# The two commands of the README. Both set up .venv first, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
MEMO := examples/memos/rainy-evening.m4a

.PHONY: demo test lint setup clean

demo: $(STAMP)
	$(BIN)/audio-chain models fetch offline
	$(BIN)/audio-chain memo $(MEMO)

test: $(STAMP)
	$(BIN)/audio-chain models fetch offline
	$(BIN)/python -m pytest -q

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy audio_chain eval prompts training cli.py

setup: $(STAMP)

$(STAMP): pyproject.toml setup.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" sh setup.sh
	touch $@

clean:
	rm -rf $(VENV)
