.DEFAULT_GOAL := help
.PHONY: help setup demo test lint lock clean

PYTHON ?= python3
BIN := .venv/bin

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Put both distributions and everything they need into .venv/
	@$(PYTHON) scripts/setup.py

demo: setup ## Play the main job on real parts in a temporary folder
	@$(BIN)/python -P -m scripts.demo

test: setup ## Run all tests
	@$(BIN)/python -P -m pytest -n 2 --dist loadgroup

lint: setup ## Style, types, layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lock: setup ## Resolve the lock files anew
	@$(BIN)/python scripts/lock.py

clean: ## Remove what setup made
	rm -rf .venv
