#include "support/layer_cases.h"

namespace attnunet {

ATTNUNET_DOUBLE_NETWORK(, Cpu)

namespace gradcheck {

ATTNUNET_LAYER_CASES(, Cpu)

}  // namespace gradcheck
}  // namespace attnunet
