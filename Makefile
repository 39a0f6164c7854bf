# Everything a user does starts here; CMakeLists.txt knows how things are built.
#   make          ./attnunet for this machine make dist          the same for every x86-64 processor and GPU
#   make demo     a network, trained          make test          every test
#   make bench    speed of a training step and of every layer
#   make deps     install the packages that building needs (as root or through sudo)
#   make install PREFIX=/usr/local            what `make` or `make dist` built
#   make format   clang-format the sources    make check-format  fail if that would change something
#   make soak     hours of what `make test` does for seconds: fuzzing, kills
#   make clean    remove what was built (not data/, not runs/)
# Also: make CUDA_ARCH=90 (GPUs of compute capability 9.0), make CPU_ARCH=x86-64-v3, make WERROR=1 (warnings are errors),
# make UNITY=OFF (each file by itself: the first build takes longer, the next after an edit less).

MAKEFLAGS += --no-print-directory

BUILD := build
JOBS := $(shell nproc)
BENCH := --variant attention4 --batch 4
CPU_ARCH := best
CUDA_ARCH := present
UNITY := ON
PREFIX := /usr/local
SOURCES = $(shell find src tests -name '*.h' -o -name '*.cpp' -o -name '*.cu')

attnunet:
	@tools/install_deps.sh --check
	@cmake -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release -DATTNUNET_CPU_ARCH=$(CPU_ARCH) \
	  -DATTNUNET_CUDA_ARCH="$(CUDA_ARCH)" -DATTNUNET_WERROR=$(if $(filter 1,$(WERROR)),ON,OFF) \
	  -DCMAKE_UNITY_BUILD=$(UNITY)
	@cmake --build $(BUILD) --target attnunet -j $(JOBS)
	@ln -sf $(BUILD)/attnunet attnunet

dist:
	@$(MAKE) attnunet BUILD=build-dist CPU_ARCH=all CUDA_ARCH="$(CUDA_ARCH:present=all)" UNITY=OFF

demo: deps
	@$(MAKE) attnunet
	@tools/demo.sh

# The tests share the cores: an OpenMP thread that waits must not keep a core busy.
test: attnunet
	@cmake --build $(BUILD) -j $(JOBS)
	@OMP_WAIT_POLICY=passive ctest --test-dir $(BUILD) -j $(JOBS) --output-on-failure --progress

soak: dist
	@BUILD=build-dist tools/soak.sh

bench: attnunet
	./attnunet bench $(BENCH)

deps:
	@tools/install_deps.sh

# From the folder that ./attnunet points to. The list of files that CMake leaves there would be root's after sudo.
install:
	@[ -x attnunet ] || $(MAKE) attnunet
	@build=$$(dirname "$$(readlink attnunet)") && cmake --install "$$build" --prefix "$(PREFIX)" && \
	  rm -f "$$build/install_manifest.txt"

format:
	@tools/install_deps.sh --check clang-format
	clang-format -i $(SOURCES)

check-format:
	@tools/install_deps.sh --check clang-format
	clang-format --dry-run --Werror $(SOURCES)

clean:
	rm -rf $(BUILD) build-dist build-debug build-sanitize build-tsan build-fuzz attnunet

.PHONY: attnunet dist demo test soak bench deps install format check-format clean
