#include "cuda/sim/fiber.h"

#include <cstdint>
#include <utility>

#include "cuda/sim/sanitizers.h"

#ifdef ATTNUNET_UCONTEXT
#include <ucontext.h>

#include <vector>
#else
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#endif

namespace attnunet::cuda::sim {
namespace {

// Kernels keep little on their stack; sanitizers and -O0 make it ten times as much. Pages are used as they are touched.
constexpr std::size_t stack_bytes = std::size_t{256} << 10;

}  // namespace

// The two ways to switch: begin() makes the context, enter() goes in, leave() goes out. `over` once the entry is done.
struct Fiber::Stack {
  std::function<void()> entry;
  bool over = false;
  void* stack_low = nullptr;
  std::size_t stack_size = 0;

#if defined(__SANITIZE_ADDRESS__)
  // The address sanitizer keeps a shadow stack a stack, and wants to know the bounds of the one that is entered.
  void *own_fake = nullptr, *outer_fake = nullptr;
  const void* outer_low = nullptr;
  std::size_t outer_size = 0;
  void before_enter() {
    __sanitizer_start_switch_fiber(&outer_fake, stack_low, stack_size);
  }
  void after_enter() {
    __sanitizer_finish_switch_fiber(own_fake, &outer_low, &outer_size);
  }
  void before_leave() {
    __sanitizer_start_switch_fiber(over ? nullptr : &own_fake, outer_low, outer_size);
  }
  void after_leave() {
    __sanitizer_finish_switch_fiber(outer_fake, nullptr, nullptr);
  }
#elif defined(__SANITIZE_THREAD__) || defined(ATTNUNET_TSAN)
  // no_sync: going from one fiber to another orders nothing, as little as warps order each other.
  void *own = __tsan_create_fiber(0), *outer = nullptr;
  ~Stack() {
    __tsan_destroy_fiber(own);
  }
  void before_enter() {
    outer = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(own, __tsan_switch_to_fiber_no_sync);
  }
  void after_enter() {}
  void before_leave() {
    __tsan_switch_to_fiber(outer, __tsan_switch_to_fiber_no_sync);
  }
  void after_leave() {}
#else
  void before_enter() {}
  void after_enter() {}
  void before_leave() {}
  void after_leave() {}
#endif

#ifdef ATTNUNET_UCONTEXT
  std::vector<unsigned char> memory;
  ucontext_t inside, outside;
  static void start(unsigned low, unsigned high) {
    auto* stack = reinterpret_cast<Stack*>((std::uintptr_t{high} << 32) | low);
    stack->after_enter();
    stack->entry();
    stack->over = true;
    stack->before_leave();  // the context's uc_link leads out
  }
  void begin() {
    memory.resize(stack_bytes);
    stack_low = memory.data();
    stack_size = memory.size();
    getcontext(&inside);
    inside.uc_stack.ss_sp = stack_low;
    inside.uc_stack.ss_size = stack_size;
    inside.uc_link = &outside;
    const auto self = reinterpret_cast<std::uintptr_t>(this);
    makecontext(&inside, reinterpret_cast<void (*)()>(start), 2, static_cast<unsigned>(self),
                static_cast<unsigned>(self >> 32));
  }
  void enter() {
    swapcontext(&outside, &inside);
  }
  void leave() {
    swapcontext(&inside, &outside);
  }
#else
  // Notes where the stack lies, on its way to Boost.
  struct Allocator {
    Stack* owner;
    boost::context::protected_fixedsize_stack base{stack_bytes};
    boost::context::stack_context allocate() {
      const boost::context::stack_context context = base.allocate();
      owner->stack_size = context.size;
      owner->stack_low = static_cast<char*>(context.sp) - context.size;
      return context;
    }
    void deallocate(boost::context::stack_context& context) { base.deallocate(context); }
  };
  boost::context::fiber inside, outside;
  void begin() {
    inside = boost::context::fiber(std::allocator_arg, Allocator{this}, [this](boost::context::fiber&& caller) {
      outside = std::move(caller);
      after_enter();
      entry();
      over = true;
      before_leave();
      return std::move(outside);
    });
  }
  void enter() {
    inside = std::move(inside).resume();
  }
  void leave() {
    outside = std::move(outside).resume();
  }
#endif
};

Fiber::Fiber(std::function<void()> entry) : stack_(std::make_unique<Stack>()) {
  stack_->entry = std::move(entry);
  stack_->begin();
}

Fiber::~Fiber() = default;

void Fiber::resume() {
  stack_->before_enter();
  stack_->enter();
  stack_->after_leave();
}

void Fiber::yield() {
  stack_->before_leave();
  stack_->leave();
  stack_->after_enter();
}

}  // namespace attnunet::cuda::sim
