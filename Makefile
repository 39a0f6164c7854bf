# Everything a user does starts here; CMakeLists.txt knows how things are built.
#   make          ./attnunet                  make test          every test
#   make demo     a network, trained          make bench         speed of a training step and of every layer
#   make format   clang-format the sources    make check-format  fail where that would change something
#   make CUDA_ARCH=90  for GPUs of compute capability 9.0 alone, which compiles faster
#   make soak     hours of what `make test` does for seconds: fuzzing, kills
#   make clean    remove what was built (not data/, not runs/)

MAKEFLAGS += --no-print-directory

BUILD := build
JOBS := $(shell nproc)
BENCH := --variant attention4 --batch 4
CMAKE_FLAGS := -DCMAKE_BUILD_TYPE=Release
ifdef CUDA_ARCH
CMAKE_FLAGS += -DATTNUNET_CUDA_ARCH='$(CUDA_ARCH)'
endif
SOURCES = $(shell find src tests -name '*.h' -o -name '*.cpp' -o -name '*.cu')

attnunet: dependencies
	@cmake -S . -B $(BUILD) $(CMAKE_FLAGS)
	@cmake --build $(BUILD) --target attnunet -j $(JOBS)
	@ln -sf $(BUILD)/attnunet attnunet

demo: attnunet
	@tools/demo.sh

# The tests share the cores: an OpenMP thread that waits must not keep a core busy.
test: attnunet
	@cmake --build $(BUILD) -j $(JOBS)
	@OMP_WAIT_POLICY=passive ctest --test-dir $(BUILD) -j $(JOBS) --output-on-failure --progress

soak: attnunet
	@BUILD=$(BUILD) tools/soak.sh

bench: attnunet
	./attnunet bench $(BENCH)

format:
	@tools/install_deps.sh clang-format
	clang-format -i $(SOURCES)

check-format:
	@tools/install_deps.sh clang-format
	clang-format --dry-run --Werror $(SOURCES)

clean:
	rm -rf $(BUILD) $(BUILD)-sanitize $(BUILD)-tsan build-fuzz attnunet

dependencies:
	@tools/install_deps.sh

.PHONY: attnunet demo test soak bench format check-format clean dependencies
