# make demo   build the bundled sample of real ECGs, show what is in it, draw plots,
#             compare handcrafted, deep and fused classifiers on it
# make test   the whole quality gate, as continuous integration runs it
# make bench  the benchmarks, on the real records in the folder $(ECGSTORE_DATA)
# make bench-peers  the same for loaders of other projects, in environments of their own

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint bench bench-peers clean

demo: .venv/ecgstore
	mkdir -p demo
	$(BIN)/python -m ecgstore build --sample -o demo/demo.h5 --overwrite
	$(BIN)/python -m ecgstore info demo/demo.h5
	$(BIN)/python -m ecgstore plot demo/demo.h5 HR00001 -o demo/HR00001.png
	$(BIN)/python -m ecgstore plot demo/demo.h5 --filter HR00001 -o demo/HR00001-filter.png
	$(BIN)/python -m ecgstore plot demo/demo.h5 --classes -o demo/classes.png
	$(BIN)/python -m ecgstore compare demo/demo.h5 --quick -o demo/comparison
	@echo "demo/demo.h5 is a store of real ECGs; its plots lie beside it, the first to look"
	@echo "at being demo/comparison/patients-scores.png"

test: .venv/ecgstore-dev lint
	$(BIN)/python -m pytest -n auto --dist loadfile --durations=25
	rm -rf dist && $(BIN)/python -m build --outdir dist .
	$(PYTHON) tests/wheel_smoke.py dist constraints.txt

lint: .venv/ecgstore-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

ifeq ($(ECGSTORE_DATA),)
bench bench-peers:
	$(error ECGSTORE_DATA is not set; give the folder that holds challenge-2020/training, \
	ludb, qtdb and cpsc2019, as in: make $@ ECGSTORE_DATA=path/to/data)
else
bench: CHALLENGE = "$(ECGSTORE_DATA)/challenge-2020/training"
bench: .venv/ecgstore-bench
	$(BIN)/python -m bench.builds.throughput $(CHALLENGE) --json bench/results/build.json
	$(BIN)/python -m bench.builds.scale $(CHALLENGE) --json bench/results/scale.json
	$(BIN)/python -m bench.builds.windows $(CHALLENGE) --json bench/results/windows.json
	$(BIN)/python -m bench.builds.shards $(CHALLENGE) --json bench/results/shards.json
	$(BIN)/python -m bench.builds.planning --records 10000000 --json bench/results/planning.json
	$(BIN)/python -m bench.builds.reader $(CHALLENGE) --json bench/results/reader.json
	$(BIN)/python -m bench.builds.preprocessing $(CHALLENGE) --json bench/results/signals.json
	$(BIN)/python -m bench.builds.rr_features --json bench/results/features.json
	$(if $(FOLDS),$(BIN)/python -m bench.beats.choose_rules --weights $(FOLDS) --ludb "$(ECGSTORE_DATA)/ludb" --qtdb "$(ECGSTORE_DATA)/qtdb" --cpsc2019 "$(ECGSTORE_DATA)/cpsc2019")
	$(BIN)/python -m bench.beats.delineation --ludb "$(ECGSTORE_DATA)/ludb" --qtdb "$(ECGSTORE_DATA)/qtdb" --cpsc2019 "$(ECGSTORE_DATA)/cpsc2019" --challenge $(CHALLENGE) $(FOLDS:%=--weights %) --json bench/results/beats.json --plot bench/results/beats.png
	$(BIN)/python -m bench.beats.diagnoses $(CHALLENGE) --json bench/results/diagnoses.json
	$(BIN)/python -m bench.builds.memory $(CHALLENGE) --json bench/results/memory.json
	$(BIN)/python -m bench.loading.loaders $(CHALLENGE) --json bench/results/pipes.json --plot bench/results/pipes.png
	mkdir -p build
	$(BIN)/python -m ecgstore build $(CHALLENGE) -o build/bench.h5 --select all --overwrite
	$(BIN)/python -m bench.loading.remote_stores build/bench.h5 --json bench/results/remote.json
	$(BIN)/python -m bench.loading.remote_faults build/bench.h5 --json bench/results/remote-faults.json
	$(BIN)/python -m bench.loading.transform_rates build/bench.h5 --json bench/results/transforms.json
	$(BIN)/python -m bench.storage.large_store --rows 10000000 --json bench/results/large-store.json
	$(BIN)/python -m bench.reports.data_set_card build/bench.h5 --comparison bench/results/comparison --json bench/results/reports.json
	$(BIN)/python -m bench.view.frames --json bench/results/view-frames.json
	$(BIN)/python -m bench.view.page $(CHALLENGE) --json bench/results/view.json
	$(BIN)/python -m bench.models.training $(CHALLENGE) --json bench/results/models.json
	$(BIN)/python -m bench.models.hybrids $(CHALLENGE) --json bench/results/hybrids.json
	$(BIN)/python -m bench.models.pretraining $(CHALLENGE) --patients "$(ECGSTORE_DATA)/challenge-2020/ptbxl_database.csv" --json bench/results/pretraining.json
	$(BIN)/python -m bench.models.interval_coverage --json bench/results/interval-coverage.json

bench-peers: CHALLENGE = "$(ECGSTORE_DATA)/challenge-2020/training"
bench-peers: .venv/ecgstore-dev .venv-peers/installed .venv-peers-mosaic/installed .venv-peers-transforms/installed
	$(BIN)/python -m bench.loading.compare_peers $(CHALLENGE) --json bench/results/pipes-peers.json --plot bench/results/pipes-peers.png
	$(BIN)/python -m bench.loading.remote_peers $(CHALLENGE) --json bench/results/remote-peers.json
	$(BIN)/python -m ecgstore build $(CHALLENGE) -o build/bench.h5 --select all --overwrite
	$(BIN)/python -m bench.loading.transform_rates build/bench.h5 --others --json bench/results/transforms.json
endif

.venv-peers/installed: PINS = bench/loading/peers/requirements.txt
.venv-peers/installed: bench/loading/peers/requirements.txt
.venv-peers-mosaic/installed: PINS = bench/loading/peers/requirements-mosaic.txt
.venv-peers-mosaic/installed: bench/loading/peers/requirements-mosaic.txt
.venv-peers-transforms/installed: PINS = bench/loading/peers/requirements-transforms.txt
.venv-peers-transforms/installed: bench/loading/peers/requirements-transforms.txt
.venv-peers/installed .venv-peers-mosaic/installed .venv-peers-transforms/installed:
	@echo "installing loaders of other projects into $(@D): some minutes, and some GB"
	$(PYTHON) -m venv $(@D)
	echo '*' > $(@D)/.gitignore
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $(PINS)
	touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/ecgstore: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing into .venv: a minute or two"
	$(INSTALL) -e '.[torch]'
	touch $@

.venv/ecgstore-dev: .venv/ecgstore
	$(INSTALL) -e '.[dev]'
	touch $@

.venv/ecgstore-bench: .venv/ecgstore-dev
	$(INSTALL) -e '.[bench]'
	touch $@

clean:
	rm -rf .venv .venv-peers .venv-peers-mosaic demo dist build *.egg-info
