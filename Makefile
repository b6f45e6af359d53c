# Every target first brings .venv to what requirements.lock says; `make help` lists them.
PYTHON ?= python3
PORT ?= 8000
# Chapters and tests mean the same on every machine; on a GPU say `make JAX_PLATFORMS=cuda test`.
export JAX_PLATFORMS ?= cpu
BIN := .venv/bin
NBVAL := --nbval --nbval-current-env --nbval-cell-timeout=600

FIRST := tests/book/test_notebooks.py tests/repository/test_repository.py
QUICK := tests/book tests/repository/test_repository.py tests/repository/test_house.py tests/library/book tests/library/test_independent.py

.DEFAULT_GOAL := help
.PHONY: help venv book site pdf sheet address test quick perturb hunt mutants reproduce serve lint format reading fuzz audit lock bench colab clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

venv:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here: install Python 3.11, 3.12 or 3.13, or name one, as in \`make PYTHON=python3.12 book\`." >&2; exit 1; }
	@$(PYTHON) scripts/bootstrap.py

book: venv ## build the site from the stored notebooks
	$(BIN)/jupyter-book build . -W --keep-going -n
	@printf '\nThe book is built. Open it here:\n  file://%s/_build/html/index.html\n' "$(CURDIR)"

test: venv ## check everything, and run every notebook again
	@# Seconds, and first: a stale, edited or malformed chapter need not wait for the long part.
	$(BIN)/pytest -q --no-header -n 2 $(FIRST)
	@# Notebooks are listed first and kept in this order: the longest jobs should start first.
	$(BIN)/pytest $(NBVAL) -n 2 --dist loadscope --no-loadscope-reorder --durations=40 $(addprefix --ignore=,$(FIRST)) \
		notebooks tests bnlib

quick: venv ## what to run before a commit, in two minutes: style, stored chapters, ledger, pages, a second implementation
	$(BIN)/ruff check .
	$(BIN)/pytest -q --no-header -p no:nbval -n 2 --dist worksteal $(QUICK)

perturb: venv ## run the chapters as other machines would and compare every cell (MACHINES="seed-1 AVX2": only these; RECORD=1)
	$(BIN)/python -m scripts.chapters.perturb --verbose $(if $(MACHINES),--machines $(MACHINES)) $(if $(RECORD),--record)
	$(if $(RECORD),$(BIN)/python -m scripts.pages.status_page)

hunt: venv ## look for counterexamples among new random examples (MINUTES=30)
	@seed=$$(date +%s); end=$$((seed + 60 * $(or $(MINUTES),30))); while [ $$(date +%s) -lt $$end ]; do \
		seed=$$((seed + 1)); echo "hypothesis seed $$seed"; \
		$(BIN)/pytest -q --no-header -p no:nbval -n 2 -m hypothesis --hypothesis-profile=hunt --hypothesis-seed=$$seed \
			tests || exit 1; done

mutants: venv ## plant faults in a copy of the checkout and see what the tests catch (NEW=1: only new ones)
	$(BIN)/python -m scripts.faults.plant $(if $(NEW),--new)
	$(BIN)/python -m scripts.pages.status_page

reproduce: venv ## run the stale chapters again and store their outputs (ALL=1: every chapter)
	$(BIN)/python -m scripts.chapters.run_notebooks $(if $(ALL),--all)
	$(BIN)/python -m scripts.pages.claims_page
	$(BIN)/python -m scripts.pages.research_pages
	$(BIN)/python -m scripts.pages.status_page
	$(BIN)/python -m scripts.pages.landing_figure
	$(BIN)/python -m scripts.pages.map_page
	$(BIN)/python -m scripts.pages.pictures
	$(BIN)/python -m scripts.pages.citation

site: book ## look at every page of the site in a browser that is installed here
	$(BIN)/pytest -q --no-header -n 2 $(wildcard tests/book/check_*.py)

pdf: venv ## print the whole book to one PDF, with a browser that is installed here
	$(BIN)/jupyter-book build . --builder custom --custom-builder singlehtml -W --keep-going -n
	$(BIN)/python -m scripts.pages.print_pdf

sheet: book ## print all exercises without their solutions (SOLUTIONS=1: with them), for a course
	$(BIN)/python -m scripts.pages.sheet $(if $(SOLUTIONS),--solutions)

serve: book ## build the site and serve it on this machine
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

lint: venv ## check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: venv ## bring code into form, that of the chapters too
	$(BIN)/ruff format .
	$(BIN)/python -m scripts.chapters.format_cells

reading: book ## measure what a reader of each chapter gets: how much code, which lines are cut, how far to a figure
	$(BIN)/python -m scripts.pages.reading $(if $(KEEP),--keep $(KEEP))

fuzz: venv ## give damaged files to every reader, 17000 to each of six
	BNLIB_FUZZ=17000 $(BIN)/pytest -q --no-header -s tests/library/measure/test_readers.py -k damaged_bytes

audit: venv ## look the locked packages up among known vulnerabilities (asks a public database)
	$(BIN)/uv tool run pip-audit -r requirements.lock --disable-pip --require-hashes

lock: venv ## resolve the dependencies anew into requirements.lock (UPGRADE=1: to newer versions)
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --all-extras \
		--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) pyproject.toml -o requirements.lock

colab: venv ## run chapters as on Colab, with the oldest supported jax (CHAPTERS="linear": only these; JAX=newest; RECORD=1)
	$(BIN)/python -m scripts.chapters.colab_check $(if $(JAX),--jax $(JAX)) $(if $(RECORD),--record) $(CHAPTERS)
	$(if $(RECORD),$(BIN)/python -m scripts.pages.status_page)

address: venv ## name the repository and its tag everywhere (REPO=owner/name TAG=v0.2.0; neither: list what disagrees)
	@$(BIN)/python -m scripts.pages.address $(if $(REPO)$(TAG),$(if $(REPO),--repo '$(REPO)') $(if $(TAG),--tag '$(TAG)'),--check)

bench: venv ## time the library
	@for file in $(wildcard benchmarks/*.py); do echo "$$file"; $(BIN)/python "$$file" || exit 1; done

clean: ## remove the environment and the built site
	rm -rf .venv _build
